#!/usr/bin/env bash
# run-suite.sh OSDCTL memory|file DIR - the whole suite against one store of this process.
# Would catch: a store, or a command on it, that answers otherwise than the standard demands.
set -euo pipefail
osdctl=$1
url=memory:
if [ "$2" = file ]; then
    dir=/dev/shm # one FORMAT OSD per case: what a disk needs for syncing is not looked at here
    [ -w $dir ] || dir=$3
    store=$(mktemp -d "$dir/conform-store.XXXXXX")
    trap 'rm -rf "$store"' EXIT
    url=file://$store
fi
exec 3>&1
"$osdctl" --yes conform "$url" | { grep -v "^ok" >&3 || true; }
