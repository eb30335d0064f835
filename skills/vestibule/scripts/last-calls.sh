#!/bin/sh
# Who acted for somebody lately, where, and how it ended. Run where the door's configuration is.
set -eu
user=${1:?usage: last-calls.sh USER [SPAN]}
vestibule audit search --user "$user" --event call --from "${2:-24h}" --limit 100
