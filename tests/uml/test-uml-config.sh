#!/bin/bash
# Administration: wrong configuration is explained in words, saved configuration comes back with
# its data.
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
refused "$STORE/x;store=memory" "no place for a master key"
refused "$STORE/x;security=nosec;capacity=much" "capacity=much"
refused "$STORE/x;security=nosec;colour=blue" "unknown option"
refused "$STORE/x;security=secret" "none of nosec, capkey, cmdrsp, alldata"
refused "$STORE/x;security=nosec;threads=1000" "a number from 1 to 64"
refused "$STORE/x;security=nosec;sync=maybe" "neither normal nor always"
refused "$STORE/x;security=nosec;security=nosec" "given twice"
refused "$STORE/x;security=nosec;tcmur_cmd_time_out=5" "leave tcmur_cmd_time_out=5 out"
refused "$STORE/x:y;security=nosec" "not allowed"
refused "$STORE/x;security=nosec;store=tape" "example: /var/lib/osd/osd0"
[ ! -e "$STORE/x" ] || die "a refused configuration left a store behind"
echo "== what only opening the store can tell is in tcmu-runner's log"
touch "$STORE/file"
for path in "$STORE/file" /proc/liosd; do
    rc=0
    targetcli "/backstores/user:osd create name=bad size=4T cfgstring=$path;security=nosec" || rc=$?
    [ $rc -ne 0 ] || die "a store in $path was created"
    grep -q "osd:0: .*$path" /var/log/tcmu-runner.log || die "no reason in the log for $path"
done
echo "== a store for everybody is served only where that is said"
osdctl -d "file://$STORE/open" --create-store --method nosec mk partition 0x10000
open="size=4T cfgstring=$STORE/open;capacity=1G"
for asked in "" ";security=cmdrsp"; do
    rc=0
    targetcli "/backstores/user:osd create name=open $open$asked" || rc=$?
    [ $rc -ne 0 ] || die "a store without security is served although nobody asked for it"
    grep "osd:0: .*$STORE/open" /var/log/tcmu-runner.log | grep -q "say security=nosec" ||
        die "no remedy in the log: $(tail -3 /var/log/tcmu-runner.log)"
done
targetcli "/backstores/user:osd create name=open $open;security=nosec"
targetcli "/backstores/user:osd delete open"
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
echo "== help shows how"
targetcli "/backstores/user:osd help create" | grep -q "security=nosec" || die "help create"
targetcli "/iscsi/$IQN/tpg1/luns delete lun0" && targetcli "/backstores/user:osd delete osd0"
osdctl check "$STORE/osd0"
