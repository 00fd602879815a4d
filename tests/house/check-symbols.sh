#!/usr/bin/env bash
# check-symbols.sh LIBRARY NAME... - the shared library exports exactly these symbols.
# Would catch: a handler whose names collide with others inside tcmu-runner.
set -euo pipefail
lib=$1
shift
have=$(nm -D --defined-only "$lib" | awk '{print $3}' | sed 's/@.*//' | sort)
want=$(printf '%s\n' "$@" | sort)
if [ "$have" != "$want" ]; then
    diff <(echo "$want") <(echo "$have") || true
    echo "symbols: $lib exports something else"
    exit 1
fi
echo "symbols: exactly $*"
