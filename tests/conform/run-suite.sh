#!/usr/bin/env bash
# run-suite.sh OSDCTL memory|file DIR - the whole suite against one store of this process.
# Would catch: a store, or a command on it, that answers otherwise than the standard demands.
set -euo pipefail
osdctl=$1
url=memory:
if [ "$2" = file ]; then
    store=$(mktemp -d "$3/store.XXXXXX")
    trap 'rm -rf "$store"' EXIT
    url=file://$store
fi
exec 3>&1
"$osdctl" --yes conform "$url" | { grep -v "^ok" >&3 || true; }
