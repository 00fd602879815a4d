#!/usr/bin/env bash
# What comments, conformance cases and docs/clauses.txt cite is in docs/osd-reference.md: every
# "reference n.n" and `clause n.n` has a heading of that number there, every "row n" a row of section
# 10; the service actions of its section 2.1 are those of wire/cdb.c, none more and none less.
# Would catch: a citation that nobody can look up, a code that was changed on one side only.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
page=docs/osd-reference.md
bad=0

complain() {
    echo "$*"
    bad=$((bad + 1))
}

headings=$(sed -nE 's/^##+ ([0-9]+(\.[0-9]+)?)\.? .*/\1/p' "$page")
rows=$(sed -n '/^## 10\./,/^### 10\.1/p' "$page" | sed -nE 's/^\| ([0-9]+) \|.*/\1/p')

# ---- citations: a number may be followed by others, also on the comment's next line ----

number='[0-9]+(\.[0-9]+)?'
# shellcheck disable=SC2016 # the program is Perl's
cited=$(own_files . '*.c' '*.h' '*.sh' '*.py' '*.md' '*.osd' '*.yml' | grep -v 'check-reference.sh$' |
    number="$number" xargs perl -0777 -ne '
        s/^\s*\*[ \t]?//mg; s/\s+/ /g; my $n = qr/$ENV{number}/;
        print "$ARGV:$&\n" while /\breferences? $n(( and |, ?|[-–])$n)*,?( row \d+)?/gi')
while IFS=: read -r file text; do
    while read -r n; do
        grep -qxF "$n" <<<"$headings" || complain "$file: $page has no section $n"
    done < <(sed -E 's/row [0-9]+//' <<<"$text" | grep -oE "$number")
    n=$(sed -nE 's/.*row ([0-9]+)$/\1/p' <<<"$text")
    [ -z "$n" ] || grep -qxF "$n" <<<"$rows" || complain "$file: section 10 of $page has no row $n"
done <<<"$cited"
[ "$(wc -l <<<"$cited")" -ge 100 ] || complain "only $(wc -l <<<"$cited") citations were found"

while IFS=: read -r file n; do
    grep -qxF "$n" <<<"$headings" || complain "$file: clause $n, and $page has no such section"
done < <(own_files . 'tests/conform/*.osd' | xargs grep -oE "^clause $number" | sed 's/clause //' |
    sort -u)

while read -r n; do
    grep -qxF "$n" <<<"$headings" || complain "docs/clauses.txt: $page has no section $n"
done < <(sed -nE "s/^($number)\..*/\1/p" docs/clauses.txt | sort -u)

# ---- service actions ----

code() { # of one column: 8807h as 0x8807, a dash as 0
    sed -nE 's/^ *([0-9A-F]{4})h *$/0x\1/p; s/^ *– *$/0/p' <<<"$1" | tr 'A-F' 'a-f'
}
said=$(sed -n '/^### 2\.1 /,/^### 2\.2 /p' "$page" | grep -E '^\| [A-Z]{3}' |
    while IFS='|' read -r _ name osd1 osd2 _; do
        echo "$(sed 's/^ *//; s/ *$//' <<<"$name"),$(code "$osd1"),$(code "$osd2")"
    done | sort)
built=$(sed -n '/define COMMANDS(/,/^$/p' wire/cdb.c |
    grep -oE '"[^"]+", (0|0x[0-9a-f]+), (0|0x[0-9a-f]+)' |
    sed -E 's/"([^"]+)", ([^,]+), (.*)/\1,\2,\3/' | sort)
if ! diff <(echo "$said") <(echo "$built"); then
    complain "section 2.1 of $page (<) and wire/cdb.c (>) differ"
fi
finish reference $bad
