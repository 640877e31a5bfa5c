#!/bin/sh
# batch_gzip.sh - a command for sink=batch:COMMAND that compresses: one file of gzip members a shard.
#
#   lts-supervisor ... --sink 'batch:sh batch_gzip.sh DIR'
#
# A batch is in DIR/SHARD.gz whole or not at all, and on the disk before this exits with 0: how far
# the file is whole stands in DIR/.SHARD.length, and what is behind that, of a command that failed or
# was killed, is cut off by the next one. A batch comes again, and is there twice, when its worker or
# the machine dies after the last mv here and before the checkpoint's commit. `zcat DIR/0.gz` reads
# all. A file for each shard: so it may run with batch_parallel=true as well.
set -eu

dir=${1:?usage: batch_gzip.sh DIR}
file=$dir/$LTS_SHARD.gz
length=$dir/.$LTS_SHARD.length
piece=$dir/.$LTS_SHARD.piece

# The file is whole as it is.
mark_whole() {
	stat -c %s "$file" >"$length.new"
	sync "$length.new"
	mv "$length.new" "$length"
	sync "$dir"
}

[ -d "$dir" ] || { mkdir -p "$dir" && sync "$dir/.."; }
trap 'rm -f "$piece"' EXIT
cat >"$piece"
# Fewer lines than records: the worker died while it wrote them. They come again.
[ "$(wc -l <"$piece")" -ge "$LTS_RECORDS" ] || exit 75

# None yet, or one that this did not make: it is whole as it is.
[ -e "$file" ] || rm -f "$length"
if [ ! -e "$length" ]; then
	: >>"$file"
	mark_whole
fi
truncate -s "<$(cat "$length")" "$file"
gzip -c "$piece" >>"$file"
sync "$file"
mark_whole
