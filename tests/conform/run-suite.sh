#!/usr/bin/env bash
# run-suite.sh OSDCTL memory|file - the whole suite against one store of this process, and that
# nothing is skipped. Would catch: a store, or a command on it, that answers otherwise than the
# standard demands.
set -euo pipefail
osdctl=$1
url=memory:
key=()
if [ "$2" = file ]; then
    # One FORMAT OSD per case: what a disk needs for syncing is not looked at here.
    # shellcheck source=tests/place.sh
    . "$(dirname "$0")/../place.sh"
    work=$(mktemp -d "$PLACE/conform-store.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    url=file://$work/store
    (umask 077 && head -c 40 /dev/urandom | od -An -vtx1 | tr -d ' \n' >"$work/master.key")
    key=(--create-store --key "$work/master.key")
fi
exec 3>&1
"$osdctl" --destructive "${key[@]}" conform "$url" | { grep -v '^ok [^#]*$' >&3 || true; } | cat
