#!/usr/bin/env bash
# The documents speak of this tree as it is: links lead somewhere, files named in prose, comments
# and man pages exist, the table of rooms in docs/architecture.md is that of the build, and no
# path of somebody's own machine is left anywhere.
# Would catch: a page that was promised and never written, a room whose permissions grew in CMake
# alone, a test that runs on its author's machine only.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
bad=0

complain() {
    echo "$*"
    bad=$((bad + 1))
}

# ---- links of Markdown files ----

while read -r doc; do
    while read -r link; do
        target=${link%%#*}
        case $target in '' | *://*) continue ;; esac
        [ -e "$(dirname "$doc")/$target" ] || complain "$doc: link to $target, which is not there"
    done < <(grep -oE '\]\([^) ]+\)' "$doc" | sed 's/^](//; s/)$//')
done < <(own_files . '*.md' | grep -v '\.in\.md$') # templates stand elsewhere

# ---- files named in text ----

# shellcheck disable=SC2016
while read -r doc; do
    while read -r name; do
        case $name in *[\<\>\$…]* | /*) continue ;; esac
        compgen -G "$name" >/dev/null || complain "$doc: no file $name"
    done < <(grep -oE '`[^` ]+/[^` ]*`' "$doc" | tr -d '`' |
        grep -E '^(bench|client|cmake|common|docs|examples|fuzz|handler|include|man|packaging|scripts|security|store|tests|wire)/' |
        grep -v '^bench/[a-z]*\.json$' || true)
done < <(own_files . '*.md')

while IFS=: read -r file name; do
    [ -e "$name" ] || [ -e "docs/$name" ] || complain "$file: no document $name"
done < <(own_files . '*.c' '*.h' '*.sh' '*.cmake' '*CMakeLists.txt' '*.[137]' |
    grep -vE '^bench/|check-documents.sh$' | # what bench/ names, it writes
    xargs grep -oE '\b(docs/)?[A-Za-z-]+\.md\b' | sort -u)

# ---- the table of rooms ----

rooms=$(own_files . '*CMakeLists.txt' | xargs cat | tr '\n' ' ' |
    grep -oE 'liosd_room\(NAME [^)]*\)' | sed 's/  */ /g')
dir_of() {
    grep -oE "NAME $1 DIR [^ ]+" <<<"$rooms" | sed 's/.* //'
}
while read -r room; do
    name=$(sed -E 's/.*NAME ([^ ]+).*/\1/' <<<"$room")
    dir=$(dir_of "$name")
    uses=$(sed -nE 's/.* USES ([a-z ]+).*/\1/p' <<<"$room" | tr ' ' '\n' | sed '/^$/d' | sort)
    row=$(grep -E "^\| \`$dir\` \|" docs/architecture.md || true)
    [ -n "$row" ] || { complain "docs/architecture.md: no row for $dir"; continue; }
    said=$(awk -F'|' '{print $(NF - 1)}' <<<"$row" | tr ',' '\n' | sed 's/^ *//; s/ *$//' |
        grep -E '^[a-z]+$' | grep -v '^libc$' | sort || true)
    [ "$said" = "$uses" ] ||
        complain "docs/architecture.md: $dir uses $(xargs <<<"$uses"), not $(xargs <<<"$said")"
done <<<"$rooms"
[ "$(wc -l <<<"$rooms")" -ge 9 ] || complain "rooms are not found in the CMakeLists.txt"

# ---- paths of somebody's machine ----

if own_files . '*' | grep -vE '^(\./)?fuzz/corpus/|check-documents.sh$' | tr '\n' '\0' |
    xargs -0 grep -nIE '(^|[^A-Za-z0-9_.$}])/(work|home|root|Users)/|/tmp/(build|wt)\b'; then
    complain "paths of one machine"
fi
finish documents $bad
