#!/usr/bin/env bash
# Every C file opens with its licence, its own path and what it is ("path - purpose"). Would catch: a file
# that a stranger has to read whole to know why it exists.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
bad=0
while read -r f; do
    head -n 1 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || {
        echo "$f: first line is not the SPDX licence line"
        bad=$((bad + 1))
    }
    sed -n '2,4p' "$f" | grep -qF " * ${f#include/} - " || {
        echo "$f: does not open with \"${f#include/} - what it is\""
        bad=$((bad + 1))
    }
done < <(own_files . '*.c' '*.h')
finish openings $bad
