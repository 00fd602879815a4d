#!/usr/bin/env bash
# test-conform-careful.sh OSDCTL [PART,...] - without --destructive the suite leaves alone what is on a device.
# Would catch: a case that changes anything outside of the partitions of its run, a partition that
# stays behind, a run that skips more than it says.
set -euo pipefail
osdctl=$1
only=(${2:+--only "$2"})
# shellcheck source=tests/place.sh
. "$(dirname "$0")/../place.sh"
work=$(mktemp -d "$PLACE/conform-careful.XXXXXX")
trap 'rm -rf "$work"' EXIT
export OSD_DEVICE=file://$work/store

die() {
    echo "$*" >&2
    exit 1
}

# Everything that a client can see of what was there before.
look() {
    "$osdctl" ls
    "$osdctl" ls -l 0x10000
    "$osdctl" ls -l 0x20000
    "$osdctl" quota 0x10000
    "$osdctl" attr ls 0/0 0x90010000
    "$osdctl" attr get 0x10000/0x10005 0x10000 1
    "$osdctl" get 0x10000/0x10005 - | sha256sum
    "$osdctl" info | grep -i -e name -e partitions
}

head -c 100000 /dev/urandom >"$work/file"
"$osdctl" --create-store --method nosec mk partition 0x10000 >/dev/null
"$osdctl" mk partition 0x20000 >/dev/null
"$osdctl" put "$work/file" 0x10000/0x10005 >/dev/null
"$osdctl" put "$work/file" 0x20000/0x10006 >/dev/null
"$osdctl" attr set 0x10000/0x10005 0x10000 1 precious >/dev/null
"$osdctl" attr set 0/0 0x90010000 1 precious >/dev/null
"$osdctl" quota 0x10000 objects 50 >/dev/null
look >"$work/before"

"$osdctl" "${only[@]}" conform >"$work/tap" || die "$(grep -A14 '^not ok' "$work/tap")"
look >"$work/after"
diff "$work/before" "$work/after" || die "the suite has changed what was there"
passed=$(grep -c '^ok.*' "$work/tap")
skipped=$(grep -c '# SKIP' "$work/tap")
[ $((passed - skipped)) -gt $((passed / 2)) ] || die "$skipped of $passed cases were skipped"
"$osdctl" --json --only read,clause:3.7 conform >"$work/json"
grep -q '"failed": *0' "$work/json" || die "no JSON of a part"
"$osdctl" check >/dev/null

# A device that wants proof of everything says so once, and nothing is tried.
(umask 077 && head -c 40 /dev/urandom | od -An -vtx1 | tr -d ' \n' >"$work/key")
export OSD_DEVICE=file://$work/secure
"$osdctl" --create-store --key "$work/key" key install >/dev/null
rc=0
"$osdctl" --destructive --key "$work/key" conform >"$work/tap" 2>&1 || rc=$?
[ $rc -eq 5 ] || die "exit code $rc, not 5: $(head -5 "$work/tap")"
grep -q "wants proof" "$work/tap" || die "$(cat "$work/tap")"
echo "$((passed - skipped)) cases beside foreign data, $skipped skipped"
