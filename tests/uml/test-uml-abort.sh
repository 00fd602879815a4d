#!/bin/bash
# Task management while a long command runs: LOGICAL UNIT RESET and ABORT TASK are answered, nobody
# hangs, the device goes on, and a client whose command another initiator's reset ended still learns
# what became of it. Would catch: a command that the kernel waits for in vain, TASK ABORTED taken for
# failure although the command was carried out.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
OBJECTS=60000

raw() { timeout 60 "$ROOT/tests/uml/raw_iscsi.py" 127.0.0.1:3260 "$IQN" 0 "$@"; }

# a long command: CREATE of so many user objects in partition 10000h, all or none
create=$(cdb 8882 11=20 16=0000000000010000 32="$(printf %04x $OBJECTS)")

# created N - so many times the objects are there
created() {
    local n
    n=$(osdctl --json stat 0x10000 | jq .data.objects)
    [ "$n" -eq $(($1 * OBJECTS)) ] || die "$n objects, want $1 times $OBJECTS"
}

create_osd osd0 patient
osdctl mk partition 0x10000
raw send "$create" wait | tee /run/tmp/answers
length=$(sed -n 's/^status 00 - //p' /run/tmp/answers)
[ "${length:-0}" -gt 500 ] || die "the command is too short to interrupt"
created 1

echo "== ABORT TASK: answered when the command is over, which is not undone"
raw send "$create" pause 0.05 abort send 000000000000 wait | tee /run/tmp/answers
grep -q '^abort 00' /run/tmp/answers || die "no function complete"
grep -q '^status 00' /run/tmp/answers || die "the session does not go on"
created 2

echo "== LOGICAL UNIT RESET of the same session"
raw send "$create" pause 0.05 reset send 000000000000 wait | tee /run/tmp/answers
grep -q '^reset 00' /run/tmp/answers || die "no function complete"
grep -Eq '^status (00|02 7206(29|3f))' /run/tmp/answers || die "the session does not go on"
created 3

echo "== LOGICAL UNIT RESET by another initiator under load"
osdctl mk partition 0x20000
osdctl create 0x20000/0x10000
timeout 120 "$LOAD" append -c 4 -n 1500 -s 400 -a /run/tmp/acked 0x20000 0x10000 &
load=$!
timeout 120 "$LOAD" create -c 1 -n $((4 * OBJECTS)) -k $OBJECTS 0x10000 &
long=$!
sleep 0.3
kill -0 $load && kill -0 $long || die "the load ended too early"
raw reset pause 0.2 reset pause 0.2 reset pause 0.2 reset | tee /run/tmp/answers
[ "$(grep -c '^reset 00' /run/tmp/answers)" -eq 4 ] || die "a reset was not completed"
wait $long || die "the client of the long commands gave up"
wait $load || die "a client gave up"
expect 0 "$LOAD" verify -c 4 -n 1500 -s 400 -a /run/tmp/acked 0x20000 0x10000
created 7

echo "== an initiator that leaves while its command runs"
raw send "$create" pause 0.05 leave
expect 0 osdctl ping --count 1
sleep 3
created 8

stop_runner TERM || die "tcmu-runner does not end"
expect 0 osdctl check "$STORE/osd0"
