#!/bin/bash
# Help, man pages and completion tell the same: every verb, option, exit code, library function
# and status. Would catch: a new option that only its author knows.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
page=$ROOT/man/osdctl.1
completion=$ROOT/client/osdctl/osdctl.bash-completion
osdctl --help >help

verbs=$(sed -n '/^verbs:/,/^options:/s/^  \([a-z]\+\) .*/\1/p' help)
long=$(grep -oE -- '--[a-z][a-z-]+' help | sort -u)
short=$(sed -n 's/^  -\([a-zA-Z]\), --.*/\1/p' help)
[ "$(echo "$verbs" | wc -l)" -ge 19 ] || die "verbs in the help: $verbs"
[ "$(echo "$long" | wc -l)" -ge 16 ] || die "options in the help: $long"

echo "== every verb and option is in the man page and in the completion"
for v in $verbs; do
    grep -q "^\.It Cm $v\b" "$page" || die "verb $v is not in osdctl.1"
    grep -qw "$v" "$completion" || die "verb $v is not in the completion"
    grep -q "^|.*\`$v\b.*|.*|" "$ROOT/docs/json.md" || die "verb $v is not in docs/json.md"
done
for o in $long; do
    grep -q "Fl Fl ${o#--}\b" "$page" || die "option $o is not in osdctl.1"
    grep -q -- "$o\b" "$completion" || die "option $o is not in the completion"
done
for o in $short; do
    grep -q "^\.It Fl $o ," "$page" || die "option -$o is not in osdctl.1"
    grep -qw -- "-$o" "$completion" || die "option -$o is not in the completion"
done

echo "== and nothing else"
while read -r o; do
    echo "$long" | grep -qx -- "--$o" || die "osdctl.1 has an option --$o"
done < <(sed -n 's/^\.It .*Fl Fl \([a-z-]*\).*/\1/p' "$page")
while read -r v; do
    echo "$verbs" | grep -qx "$v" || die "osdctl.1 has a verb $v"
done < <(sed -n '/^\.Sh VERBS/,/^\.Sh OPTIONS/s/^\.It Cm \([a-z]*\).*/\1/p' "$page" | sort -u)

echo "== every exit code is in the man page and explained"
for code in $(seq 0 12); do
    sed -n '/^\.Sh EXIT/,/^\.El/p' "$page" | grep -qx "\.It $code" || die "exit code $code"
    expect 0 osdctl explain "$code"
done
expect 2 osdctl explain 13

echo "== every function and status of the library is in libosd(3)"
for f in $(grep -ohE '\bosd_[a-z_]+;' "$ROOT/client/libosd/libosd.map" | tr -d ';'); do
    grep -qE "^\.F[no] $f\b" "$ROOT/man/libosd.3" || die "$f is not in libosd.3"
    grep -qE "OSD_API .*\b$f\(" "$ROOT"/include/osd/*.h || die "$f is not in a public header"
done
for f in $(grep -ohE '^OSD_API .*\b(osd_[a-z_]+)\(' "$ROOT"/include/osd/*.h | sed 's/.*\(osd_[a-z_]*\)($/\1/'); do
    grep -qw "$f" "$ROOT/client/libosd/libosd.map" || die "libosd.so does not export $f"
done
for e in $(grep -oE '\bOSD_E_[A-Z_]+' "$ROOT/include/osd/status.h"); do
    grep -qx "\.It Dv $e" "$ROOT/man/libosd.3" || die "$e is not in libosd.3"
done

echo "== every key of the configuration string is in liosd(7), and nothing else"
keys=$(sed -n '/^} keys\[\] = /,/;$/p' "$ROOT/handler/tcmu/cfgstring.c" | grep -oE '\{"[a-z0-9_]+"' |
    tr -d '{"' | grep -v tcmur_ | sort)
[ "$(wc -w <<<"$keys")" -ge 7 ] || die "keys of the configuration string: $keys"
said=$(sed -n 's/^\.It Cm \([a-z0-9_]*\) Ns = .*/\1/p' "$ROOT/man/liosd.7" | sort)
[ "$keys" = "$said" ] || die "liosd.7 has $(xargs <<<"$said"), not $(xargs <<<"$keys")"

echo "== completion completes"
completes() {
    local want=$1
    shift
    (
        # shellcheck source=client/osdctl/osdctl.bash-completion
        . "$completion"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _osdctl
        [[ " ${COMPREPLY[*]} " == *" $want "* ]]
    ) || die "$* does not complete to $want"
}
completes discover osdctl di
completes --dry-run osdctl cp --dr
completes partition osdctl -d file:///x mk pa
completes objects osdctl quota 0x10000 ob
touch some.file
completes some.file osdctl put so

echo "== the man pages are well-formed"
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }
mandoc -Tlint -W warning "$ROOT"/man/*.[1-8] >lint 2>&1 || die "mandoc: $(cat lint)"
for f in "$ROOT"/man/*.[1-8]; do
    mandoc -Tutf8 "$f" >/dev/null || die "$f"
done
