#!/bin/bash
# One tcmu-runner serves two units with stores of their own, and several initiators use one unit at
# once. Would catch: state shared between devices, a unit that stalls or leaks into another, a second
# backstore on a store in use.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
UNIT0=iscsi://127.0.0.1/$IQN/0
UNIT1=iscsi://127.0.0.1/$IQN/1

create_osd osd0
targetcli <<END
/backstores/user:osd create name=osd1 size=4T cfgstring=$STORE/osd1;capacity=2T;security=nosec;threads=2
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd1
END

echo "== a store has one owner"
rc=0
targetcli "/backstores/user:osd create name=again size=4T cfgstring=$STORE/osd0;security=nosec" || rc=$?
[ $rc -ne 0 ] || die "two backstores on one store"
grep -q "$STORE/osd0 is in use" /var/log/tcmu-runner.log || die "no reason in the log"

echo "== the same ids, other content"
for n in 0 1; do
    unit=UNIT$n
    osdctl -d "${!unit}" mk partition 0x10000
    osdctl -d "${!unit}" create 0x10000/0x10000
    head -c 2000000 /dev/urandom >/run/tmp/in$n
    osdctl -d "${!unit}" put /run/tmp/in$n 0x10000/0x10001
done
osdctl -d "$UNIT1" mk partition 0x30000

echo "== both under load; on unit 0 initiators of three names"
loads=()
for name in one two three; do
    osdctl -d "$UNIT0" create 0x10000 >/run/tmp/object.$name
    sed -i 's,.*/,,' /run/tmp/object.$name
done
for name in one two three; do
    # the initiator's name follows the host's
    unshare -u sh -c "hostname $name; "'exec "$@"' - timeout 120 "$LOAD" append -c 2 -n 1500 -s 700 -a /run/tmp/acked.$name 0x10000 \
        "$(cat /run/tmp/object.$name)" &
    loads+=($!)
done
OSD_DEVICE=$UNIT1 timeout 120 "$LOAD" append -c 3 -n 1500 -s 700 -a /run/tmp/acked 0x10000 0x10000 &
loads+=($!)

# logged_in - initiators of all four names are
logged_in() {
    [ "$(tr '\0' '\n' <$TARGET/iscsi/$IQN/tpgt_1/dynamic_sessions |
        grep -E ':(one|two|three|osdtest)$' | sort -u | wc -l)" -eq 4 ]
}
wait_for 5 logged_in || die "not four initiators at once"
for pid in "${loads[@]}"; do
    wait "$pid" || die "a client gave up"
done
for name in one two three; do
    expect 0 "$LOAD" verify -c 2 -n 1500 -s 700 -a /run/tmp/acked.$name 0x10000 \
        "$(cat /run/tmp/object.$name)"
done
OSD_DEVICE=$UNIT1 expect 0 "$LOAD" verify -c 3 -n 1500 -s 700 -a /run/tmp/acked 0x10000 0x10000

echo "== nothing got across"
for n in 0 1; do
    unit=UNIT$n
    osdctl -d "${!unit}" cat 0x10000/0x10001 | cmp - /run/tmp/in$n || die "unit $n has other bytes"
done
[ "$(osdctl -d "$UNIT0" ls | wc -l)" -eq 1 ] || die "unit 0 has a partition of unit 1"
[ "$(osdctl -d "$UNIT1" ls | wc -l)" -eq 2 ] || die "unit 1 lost a partition"

echo "== one unit goes while the other works"
osdctl -d "$UNIT0" create 0x10000/0x50000
timeout 120 "$LOAD" append -c 2 -n 20000 -s 700 -a /run/tmp/acked 0x10000 0x50000 &
load=$!
timeout 60 targetcli "/iscsi/$IQN/tpg1/luns delete lun1" || die "deleting LUN 1 hangs"
timeout 60 targetcli "/backstores/user:osd delete osd1" || die "deleting osd1 hangs"
kill -0 $load || die "the load ended too early"
expect 0 osdctl check "$STORE/osd1" # its store is closed
wait $load || die "a client of the remaining unit gave up"
expect 0 "$LOAD" verify -c 2 -n 20000 -s 700 -a /run/tmp/acked 0x10000 0x50000
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
