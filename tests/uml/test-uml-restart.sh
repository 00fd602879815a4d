#!/bin/bash
# tcmu-runner is stopped with SIGTERM, and the backstore deleted, with commands in flight. What was
# acknowledged is there, nothing is there twice, no initiator hangs.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"

create_osd osd0 patient
osdctl mk partition 0x10000

echo "== SIGTERM and restart, five times under load"
osdctl create 0x10000/0x10001
timeout 120 "$LOAD" append -c 6 -n 2500 -s 500 -a /run/tmp/acked 0x10000 0x10001 &
load=$!
for _ in 1 2 3 4 5; do
    sleep 0.3
    kill -0 $load || die "the load ended too early: nothing was in flight"
    stop_runner TERM || die "tcmu-runner does not end"
    sleep 0.2
    start_runner || die "tcmu-runner did not come back"
done
wait $load || die "a client gave up"
expect 0 "$LOAD" verify -c 6 -n 2500 -s 500 -a /run/tmp/acked 0x10000 0x10001

echo "== deleted with commands in flight"
osdctl create 0x10000/0x10002
timeout 120 "$LOAD" append -c 6 -n 100000 -s 500 -a /run/tmp/acked 0x10000 0x10002 &
load=$!
sleep 1
kill -0 $load || die "the load ended too early"
expect 7 osdctl salvage "$STORE/osd0" "$STORE/new" # tcmu-runner has it
[ ! -e "$STORE/new" ] || die "a salvage of a store that is served made something"
timeout 60 targetcli "/iscsi/$IQN/tpg1/luns delete lun0" || die "deleting the LUN hangs"
timeout 60 targetcli "/backstores/user:osd delete osd0" || die "deleting the backstore hangs"
rc=0
wait $load || rc=$?
[ $rc -eq 1 ] || die "clients of a deleted unit: exit code $rc, want 1 (they should be told)"
expect 0 osdctl salvage "$STORE/osd0" "$STORE/new"
expect 0 osdctl check "$STORE/new"
rm -r "$STORE/new"
expect 0 osdctl check "$STORE/osd0"

echo "== made again on the same store"
targetcli "/backstores/user:osd create name=osd0 size=4T cfgstring=$STORE/osd0;capacity=1T;security=nosec"
targetcli "/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd0"
expect 0 "$LOAD" verify -c 6 -n 100000 -s 500 -a /run/tmp/acked 0x10000 0x10002
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
