#!/bin/bash
# Administration: wrong configuration is explained in words, saved configuration comes back with
# its data, a vendor operation code does not wedge the device.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

# refused CFGSTRING WORDS - targetcli refuses it and shows these words
refused() {
    local out
    out=$(targetcli "/backstores/user:osd create name=bad size=4T cfgstring=$1" 2>&1 || true)
    grep -q "$2" <<<"$out" || die "cfgstring $1: no \"$2\" in: $out"
}

refused "relative;security=nosec" "absolute path"
refused "$STORE/x" "security=nosec must be asked for"
refused "$STORE/x;security=nosec;capacity=much" "capacity=much"
refused "$STORE/x;security=nosec;colour=blue" "unknown option"
echo "wrong configurations are explained"

create_osd osd0
osdctl mk partition 0x10000
echo content >/run/tmp/f
osdctl put /run/tmp/f 0x10000/0x10000
targetcli saveconfig
targetcli clearconfig confirm=True
rc=0
timeout 20 osdctl info >/dev/null 2>&1 || rc=$?
[ $rc -ne 0 ] || die "the target answers after clearconfig"
targetcli restoreconfig
[ "$(osdctl cat 0x10000/0x10000)" = content ] || die "data did not come back"
echo "restoreconfig brought the data back"

osdctl --json info | jq -e .ok
targetcli "/iscsi/$IQN/tpg1/luns delete lun0" && targetcli "/backstores/user:osd delete osd0"
osdctl check "$STORE/osd0"
