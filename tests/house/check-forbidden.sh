#!/usr/bin/env bash
# Functions that have a better sibling here, and words that do not belong in a finished tree.
# Would catch: unbounded copies, number parsing without error, left-over markers.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
bad=0
while read -r f; do
    if grep -nE '(^|[^_[:alnum:]>.])(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|atof|alloca|tmpnam|mktemp|rand|srand)[[:space:]]*\(' "$f" |
        grep -vE '^\s*[0-9]+:\s*(\*|/\*|//)' | sed "s,^,$f:,"; then
        bad=$((bad + 1))
    fi
done < <(own_files . '*.c' '*.h')
if own_files . '*.c' '*.h' '*.sh' '*.py' '*.cmake' '*CMakeLists.txt' | grep -v 'check-forbidden.sh' |
    xargs grep -nE '\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b'; then
    bad=$((bad + 1))
fi
finish forbidden $bad
