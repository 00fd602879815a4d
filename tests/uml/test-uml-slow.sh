#!/bin/bash
# The device stands still (a disk that hangs) for longer than the kernel waits for TCMU commands: the
# kernel answers in its stead that the unit is not ready, the command may be carried out later. Would
# catch: a command given up or carried out twice, a late completion that confuses the ring, a unit
# that does not come back.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
OBJECTS=60000

targetcli <<END
/backstores/user:osd create name=osd0 size=4T cfgstring=$STORE/osd0;capacity=1T;security=nosec
/backstores/user:osd/osd0 set attribute cmd_time_out=1
/iscsi create $IQN
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd0
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0
END
osdctl mk partition 0x10000
osdctl create 0x10000/0x10001
runner=$(cat /run/runner.pid)

echo "== frozen under load"
timeout 150 "$LOAD" append -c 6 -n 2500 -s 500 -a /run/tmp/acked 0x10000 0x10001 &
load=$!
for _ in 1 2; do
    sleep 0.4
    kill -0 $load || die "the load ended too early: nothing was in flight"
    kill -STOP "$runner"
    sleep 0.2
    probe -t 5000 000000000000 >/run/tmp/answer || true
    cat /run/tmp/answer
    grep -q '^sense 72020800' /run/tmp/answer || die "the kernel did not answer for the device"
    sleep 1
    kill -CONT "$runner"
done
wait $load || die "a client gave up"
expect 0 "$LOAD" verify -c 6 -n 2500 -s 500 -a /run/tmp/acked 0x10000 0x10001

echo "== commands that take longer than that by themselves"
osdctl mk partition 0x20000
timeout 150 "$LOAD" create -c 2 -n $((6 * OBJECTS)) -k $OBJECTS 0x20000 || die "a client gave up"
count=$(osdctl --json stat 0x20000 | jq .data.objects)
[ "$count" -eq $((6 * OBJECTS)) ] || die "$count objects, want $((6 * OBJECTS))"

stop_runner TERM || die "tcmu-runner does not end"
expect 0 osdctl check "$STORE/osd0"
