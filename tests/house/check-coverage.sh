#!/usr/bin/env bash
# docs/coverage.md tells the truth as far as a script can know it: files and tests it names exist,
# every service action has its row, and "built" is said of exactly the commands that are offered.
# Would catch: a renamed test, a command built or taken out without its row being changed.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
doc=docs/coverage.md
bad=0

complain() {
    echo "$doc: $*"
    bad=$((bad + 1))
}

# Names in backticks: paths have a slash, tests have two underscores.
# shellcheck disable=SC2016
names=$(grep -o '`[^` ]*`' $doc | tr -d '`' | sort -u)
tests=$(grep -rhoE --include='*.c' 'test_[a-z0-9_]+__[a-z0-9_]+' tests | sort -u)
while read -r name; do
    case $name in
    *__x) ;; # the explanation at the top
    */*) [ -e "$name" ] || complain "no file $name" ;;
    *__*)
        grep -qxE "(test_interpreter_)?$name" <<<"$tests" || complain "no test $name"
        ;;
    esac
done <<<"$names"

# Rows of the first table: command, codes, status.
rows=$(grep -E '^\| [A-Z][A-Z ]+ \| [0-9A-F–h]+ \| [0-9A-F–h]+ \| ' $doc)
offered=$(grep -oE '\[OSD_OP_[A-Z_]+\] = \{TARGET' handler/interpreter/table.c |
    sed 's/\[OSD_OP_//; s/\].*//')
seen=0
while read -r op name first second; do
    row=$(grep -F "| ${name//_/ } |" <<<"$rows" || true)
    for code in $first $second; do
        if [ "$code" != 0 ]; then
            code=$(tr a-f A-F <<<"${code#0x}")h
            grep -qF "| $code |" <<<"$row" || complain "no row for ${name//_/ } $code"
        fi
    done
    status='| no |'
    grep -qx "$op" <<<"$offered" && status='| built |'
    grep -qF "$status" <<<"$row" || complain "${name//_/ } is not '$status'"
    seen=$((seen + 1))
done < <(sed -n '/define COMMANDS(/,/^$/p' wire/cdb.c |
    grep -oE 'X\([A-Z_]+, "[A-Z ]+", [0-9a-fx]+, [0-9a-fx]+' |
    sed -E 's/X\(([A-Z_]+), "([^"]+)", ([^,]+), (.*)/\1|\2|\3|\4/' |
    sed 's/ /_/g; s/|_/|/g; s/|/ /g')

declared=$(sed -n '/^enum osd_op {/,/OSD_OP_MAX/p' wire/cdb.h | grep 'OSD_OP_' |
    grep -vc OSD_OP_MAX)
[ "$seen" -eq "$declared" ] || complain "$seen commands in wire/cdb.c, $declared in wire/cdb.h"
finish coverage $bad
