#!/usr/bin/env bash
# test-conform-user.sh OSDCTL - what happens to a user of the suite besides cases that pass: Ctrl-C, a
# script with a mistake, a store that is not there. Would catch: a partition of the run that stays on
# the device, output that breaks off, a store made where nobody asked for one.
set -euo pipefail
osdctl=$1
# shellcheck source=tests/place.sh
. "$(dirname "$0")/../place.sh"
work=$(mktemp -d "$PLACE/conform-user.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
export OSD_DEVICE=file://$work/store

die() {
    echo "$*" >&2
    exit 1
}

# run CODE OPTION... - a run that ends with this exit code; output in out and err
run() {
    local want=$1 rc=0
    shift
    "$osdctl" "$@" >out 2>err || rc=$?
    [ $rc -eq "$want" ] || die "$*: exit code $rc, not $want: $(tail -n 3 out err)"
}

# alone - the device holds what it held before
alone() {
    [ "$("$osdctl" ls)" = 0x10000 ] || die "left on the device: $("$osdctl" ls)"
}

echo "== a store that is not there"
run 3 conform
grep -q -- --create-store err || die "$(cat err)"
[ ! -e store ] || die "a store was made"
run 0 --create-store --only read-what-was-written conform
run 0 mk partition 0x10000

echo "== Ctrl-C"
# interrupt OPTION... - once a case is through
interrupt() {
    local rc=0 pid
    : >out # what the run before left there is no case of this one
    "$osdctl" "$@" conform >out 2>err &
    pid=$!
    until grep -q 'root-lengths' out; do
        kill -0 $pid || die "no case: $(cat err)"
    done
    kill -TERM $pid
    wait $pid || rc=$?
    [ $rc -eq 12 ] || die "exit code $rc, not 12: $(tail -n 3 out err)"
    alone
}
interrupt
grep -qx 'Bail out! interrupted' out || die "$(tail -n 3 out)"
interrupt --json
python3 -c 'import json; d = json.load(open("out")); assert d["error"]["code"] == 12 and not d["ok"], d' ||
    die "no JSON: $(tail -c 300 out)"

echo "== a mistake in the middle of a case"
cat >mistake.osd <<'END'
clause 2.4 READ
case read "a partition is there when the mistake is met"
  CREATE PARTITION $p
  CREATE $p/$o
  REED $p/$o length=8
end
END
run 2 conform mistake.osd
grep -qx 'osdctl: mistake.osd:5: mistake/read: "REED" is no command' err || die "$(cat err)"
alone
mkdir directory.osd
run 1 conform directory.osd
grep -q 'directory.osd: Is a directory' err || die "$(cat err)"
run 3 conform missing.osd
grep -q 'missing.osd: No such file' err || die "$(cat err)"
