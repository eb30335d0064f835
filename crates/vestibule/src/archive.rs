//! Backups: one file with a head, every row of the database, and a foot that proves that it is whole.
//!
//! ```text
//! {"vestibule_backup":1,"version":"0.1.0","engine":"sqlite","made_at":"2026-11-20T12:00:00Z"}
//! {"table":"accounts","row":{…}}
//! …
//! {"rows":1234,"sha256":"…"}
//! ```
//!
//! Keys stay sealed under the master key, which is not in it. Made from one snapshot while the server runs;
//! goes back into either engine.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use audit::{Person, What};
use data_encoding::HEXLOWER;
use keys::digest::Sha256;
use serde::{Deserialize, Serialize};
use store::Store;
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::house::Foundation;

/// The format that is written, and the newest that is read. In the second, a refresh token is rotated when the next of
/// its chain is there; whoever reads that as the first would take rotated ones for good. In the third are factors and
/// connections, in the fourth the sessions of providers, and in the fifth which accounts are programs', which whoever does
/// not know them cannot put back.
const FORMAT: u32 = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    vestibule_backup: u32,
    version: String,
    engine: String,
    made_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Foot {
    rows: u64,
    sha256: String,
}

/// An archive that cannot be made or taken.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The database.
    #[error("database: {0}")]
    Store(#[from] store::StoreError),
    /// It is no archive of ours.
    #[error("this is no backup of vestibule")]
    Foreign,
    /// It was made by a newer version.
    #[error(
        "this backup has format {0}; this version reads format {FORMAT} and older: update vestibule first"
    )]
    Newer(u32),
    /// Its end is missing, or something in it was changed.
    #[error("this backup is damaged: {0}")]
    Damaged(&'static str),
}

/// Writes an archive into a file of its own in the data directory; it goes when it is dropped.
pub async fn make(foundation: &Foundation, operator: &str) -> Result<NamedTempFile, ArchiveError> {
    let draft = NamedTempFile::new_in(foundation.loaded.data_dir())?;
    foundation.recorder.record(
        What::Administration {
            operator: operator.to_owned(),
            command: "backup".to_owned(),
            target: String::new(),
        },
        Person::default(),
    );
    // What was just recorded is in it too.
    let _ = foundation.recorder.flush().await;
    let mut out = Hashing {
        inner: BufWriter::new(draft.reopen()?),
        digest: Sha256::new(),
    };
    let head = Head {
        vestibule_backup: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: foundation.storage.engine().to_owned(),
        made_at: foundation.world.now().to_string(),
    };
    out.line(&serde_json::to_string(&head).map_err(io::Error::from)?)?;
    let rows = foundation.store.export(&mut |line| out.line(line)).await?;
    let foot = Foot {
        rows,
        sha256: HEXLOWER.encode(&out.digest.finish()),
    };
    let mut inner = out.inner;
    writeln!(
        inner,
        "{}",
        serde_json::to_string(&foot).map_err(io::Error::from)?
    )?;
    inner.flush()?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

struct Hashing<W> {
    inner: W,
    digest: Sha256,
}

impl<W: io::Write> Hashing<W> {
    fn line(&mut self, line: &str) -> io::Result<()> {
        self.digest.update(line.as_bytes());
        self.digest.update(b"\n");
        writeln!(self.inner, "{line}")
    }
}

/// Looks through an archive: is it whole, is it ours? Gives the number of its rows.
pub fn verify(path: &Path) -> Result<u64, ArchiveError> {
    let mut lines = BufReader::new(File::open(path)?).lines();
    let first = lines.next().ok_or(ArchiveError::Foreign)??;
    let head: Head = serde_json::from_str(&first).map_err(|_| ArchiveError::Foreign)?;
    if head.vestibule_backup > FORMAT {
        return Err(ArchiveError::Newer(head.vestibule_backup));
    }
    let mut digest = Sha256::new();
    let (mut before, mut rows) = (first, 0);
    for line in lines {
        digest.update(before.as_bytes());
        digest.update(b"\n");
        before = line?;
        rows += 1;
    }
    let foot: Foot =
        serde_json::from_str(&before).map_err(|_| ArchiveError::Damaged("its end is missing"))?;
    if foot.rows + 1 != rows {
        return Err(ArchiveError::Damaged("rows are missing"));
    }
    if foot.sha256 != HEXLOWER.encode(&digest.finish()) {
        return Err(ArchiveError::Damaged("something in it was changed"));
    }
    Ok(foot.rows)
}

/// Puts an archive's rows into an empty database. Verify it first.
pub async fn restore(store: &dyn Store, path: &Path, rows: u64) -> Result<u64, ArchiveError> {
    let lines = BufReader::new(File::open(path)?).lines().skip(1);
    let mut lines = lines.take(usize::try_from(rows).unwrap_or(usize::MAX));
    Ok(store.import(&mut lines).await?)
}
