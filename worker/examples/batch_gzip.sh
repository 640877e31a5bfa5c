#!/bin/sh
# batch_gzip.sh - a command for sink=batch:COMMAND that compresses: one file of gzip members a shard.
#
#   lts-supervisor ... --sink 'batch:sh batch_gzip.sh DIR'
#
# A batch is compressed beside the file and appended only when that is whole and on the disk, so a
# failure leaves the file as it was. When the machine dies between the append and the checkpoint's
# commit, the batch comes again, and is there twice. `zcat DIR/0.gz` reads all of it.
set -eu

dir=${1:?usage: batch_gzip.sh DIR}
mkdir -p "$dir"
piece=$dir/.$LTS_SHARD.piece
gzip -c >"$piece"
sync "$piece"
dd if="$piece" of="$dir/$LTS_SHARD.gz" bs=1M oflag=append conv=notrunc,fsync status=none
rm -f "$piece"
