#!/bin/sh
# batch_post.sh - a command for sink=batch:COMMAND that posts its records to an HTTP server.
#
#   lts-supervisor ... --sink 'batch:sh batch_post.sh https://collector.example.com/ingest'
#
# The body is NDJSON. A server that is not there, is busy (429) or in trouble (5xx) is tried again
# later, without counting that as a failure; a server that refuses the records is believed, and
# they are tried again one by one until the bad one stands alone. A batch comes twice when the
# server's answer, or the worker before its checkpoint's commit, is lost: a server can tell by
# X-Lts-Position which records it has already.
set -eu

url=${1:?usage: batch_post.sh URL}
body=$(mktemp)
trap 'rm -f "$body" "$body.reply"' EXIT
cat >"$body"
# Fewer lines than records: the worker died while it wrote them. They come again.
[ "$(wc -l <"$body")" -ge "$LTS_RECORDS" ] || exit 75

code=$(curl -sS -o "$body.reply" -w '%{http_code}' --max-time 60 \
	-H 'Content-Type: application/x-ndjson' \
	-H "X-Lts-Position: $LTS_SHARD/$LTS_CURSOR/$LTS_FIRST" --data-binary "@$body" "$url") || exit 75
case $code in
2??) exit 0 ;;
408 | 425 | 429 | 5??) echo "HTTP $code: later" >&2 && exit 75 ;;
esac
echo "HTTP $code: $(head -c 150 "$body.reply" | tr -c '[:print:]' ' ')" >&2
exit 1
