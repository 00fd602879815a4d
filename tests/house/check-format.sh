#!/usr/bin/env bash
# Every C file is as clang-format leaves it. Would catch: style decided by hand.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
bad=0
while read -r f; do
    if ! clang-format --dry-run -Werror "$f" >/dev/null 2>&1; then
        echo "$f: not formatted; run clang-format -i $f"
        bad=$((bad + 1))
    fi
done < <(own_files . '*.c' '*.h')
finish format $bad
