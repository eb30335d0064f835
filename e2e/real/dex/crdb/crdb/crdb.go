// Package crdb stands where Dex's support of CockroachDB was, which needs a commit without a version.
package crdb

import (
	"database/sql"
	"errors"
)

// ExecuteTx has the signature that Dex was written for.
func ExecuteTx(*sql.DB, func(*sql.Tx) error) error {
	return errors.New("this build of Dex has no CockroachDB")
}
