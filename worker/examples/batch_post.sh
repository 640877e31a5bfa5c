#!/bin/sh
# batch_post.sh - a command for sink=batch:COMMAND that posts its records to an HTTP server.
#
#   lts-supervisor ... --sink 'batch:sh batch_post.sh https://collector.example.com/ingest'
#
# The body is NDJSON. A server that is not there, is busy (429) or in trouble (5xx) is tried again
# later, without counting that as a failure; a server that refuses the records is believed, and
# they are tried again one by one until the bad one stands alone. The server can tell a batch that
# comes twice by X-Lts-Position.
set -eu

url=${1:?usage: batch_post.sh URL}
reply=$(mktemp)
trap 'rm -f "$reply"' EXIT
code=$(curl -sS -o "$reply" -w '%{http_code}' --max-time 60 -H 'Content-Type: application/x-ndjson' \
	-H "X-Lts-Position: $LTS_SHARD/$LTS_CURSOR/$LTS_FIRST" --data-binary @- "$url") || exit 75
case $code in
2??) exit 0 ;;
408 | 425 | 429 | 5??) echo "HTTP $code: later" >&2 && exit 75 ;;
esac
echo "HTTP $code: $(head -c 150 "$reply" | tr -c '[:print:]' ' ')" >&2
exit 1
