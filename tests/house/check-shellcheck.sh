#!/usr/bin/env bash
# Shell scripts pass shellcheck. Would catch: unquoted variables in scripts that run as root.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; exit 77; }
bad=0
while read -r f; do
    head -n 1 "$f" | grep -qE '^#!.*\b(ba)?sh\b|shellcheck shell=' || continue
    shellcheck -x -S warning "$f" || bad=$((bad + 1))
done < <(git ls-files | grep -vE '\.(c|h|md|txt|json|cmake|1|3|7)$|fuzz/corpus|tests/data')
finish shellcheck $bad
