#!/bin/sh
# Who may use a server, or call one of its tools, and by which rule. Run where the door's configuration is.
set -eu
server=${1:?usage: who-may.sh SERVER [TOOL]}
tool=${2:-}
vestibule user list --json | sed -n 's/^ *"username": "\(.*\)",\{0,1\}$/\1/p' | while read -r user; do
  if [ -n "$tool" ]; then
    answer=$(vestibule policy explain --user "$user" --server "$server" --tool "$tool" --json) || true
  else
    answer=$(vestibule policy explain --user "$user" --server "$server" --json) || true
  fi
  printf '%s\t%s\t%s\n' "$user" \
    "$(printf %s "$answer" | sed -n 's/^ *"outcome": "\([a-z_]*\)",\{0,1\}$/\1/p')" \
    "$(printf %s "$answer" | sed -n 's/^ *"rule": "\(.*\)",\{0,1\}$/\1/p')"
done
