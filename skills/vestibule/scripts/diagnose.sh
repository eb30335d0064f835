#!/bin/sh
# What an MCP client finds at a server. Needs curl. Prints no token, because it has none.
set -eu
url=${1:?usage: diagnose.sh URL}
origin=$(printf %s "$url" | sed -E 's#^([a-z]+://[^/]+).*#\1#')
path=$(printf %s "$url" | sed -E 's#^[a-z]+://[^/]+##; s#/$##')

echo "# without a token"
curl -sS -o /dev/null -D - --max-time 20 -X POST "$url" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"diagnose","version":"1"}}}' |
  grep -iE '^(HTTP/|www-authenticate:|retry-after:)'

echo "# the server's metadata (RFC 9728)"
curl -sS --max-time 20 -w '\n%{http_code}\n' "$origin/.well-known/oauth-protected-resource$path"

echo "# its authorization server's (RFC 8414)"
curl -sS --max-time 20 -w '\n%{http_code}\n' "$origin/.well-known/oauth-authorization-server"

echo "# signed in here?"
vestibule status --json | grep -F "\"server\": \"$url\"" || echo "no: vestibule login $url"
