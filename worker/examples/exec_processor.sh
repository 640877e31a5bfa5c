#!/usr/bin/env bash
# exec_processor.sh - a processor for sink=exec:COMMAND, with bash and jq. Copy it, and write
# process().
#
#   lts-supervisor ... --sink "exec:bash exec_processor.sh FILE"
#
# stdout carries the frames; what is for people goes to stderr, into the agent's log.
set -euo pipefail

file=${1:?usage: exec_processor.sh FILE}

# Records on stdin, one JSON object a line; exit 0 acknowledges them, so they are on the disk by then.
process() {
	jq -r '.log_content // tojson' >>"$file" && sync "$file"
}

# member NAME: of the frame in $frame.
member() {
	jq -r ".$1" <<<"$frame"
}

while IFS= read -r frame; do
	case $(member type) in
	hello)
		echo '{"type":"hello","version":1}'
		;;
	batch)
		id=$(member id) count=$(member count)
		mapfile -t -n "$count" records # as many lines as there are records
		[ "${#records[@]}" -eq "$count" ] || exit 0 # the agent is gone
		if (printf '%s\n' "${records[@]}" | process); then
			printf '{"type":"ack","id":%d}\n' "$id"
		else
			printf '{"type":"nack","id":%d,"error":"process failed"}\n' "$id"
		fi
		;;
	initialize | shutdown)
		printf '{"type":"ack","id":%d}\n' "$(member id)"
		;;
	esac
done
