#!/bin/bash
# Sets of objects over the whole stack: queries with an index and without, snapshots, clones and what
# changed since, and PERFORM TASK MANAGEMENT FUNCTION, which ends a long command of another session
# early. Would catch: query lists, matches and map comparisons that the way through the kernel
# changes, a function that waits in the handler's pool behind the command that it shall end.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
OBJECTS=60000

raw() { timeout 60 "$ROOT/tests/uml/raw_iscsi.py" 127.0.0.1:3260 "$IQN" 0 "$@"; }

create_osd osd0 patient
osdctl mk partition 0x10000
printf 'x%.0s' {1..3000} >/run/tmp/file
for pair in 1:alice 2:bob 3:alice 4:carol; do
    osdctl put /run/tmp/file 0x10000/0x1000"${pair%%:*}"
    osdctl attr set 0x10000/0x1000"${pair%%:*}" 1 9 "${pair#*:}"
done
osdctl append /run/tmp/file 0x10000/0x10003
osdctl collection create 0x10000/0x20000
for i in 1 2 3 4; do
    osdctl collection add 0x10000/0x20000 0x1000$i
done
osdctl collection track 0x10000/0x20001 0x20000

# found EXPRESSION OBJECT... - the query finds exactly these
found() {
    local got want
    got=$(osdctl query 0x10000/0x20001 "$1")
    want=$(printf '0x10000/0x1000%s\n' "${@:2}")
    [ "$got" = "$want" ] || die "$1 found $got"
}

ask_everything() {
    found 'owner = "alice"' 1 3
    found 'owner = "alice" and size > 3000' 3
    found 'owner = "bob" or owner = "carol"' 2 4
    found 'size = 3000' 1 2 4
    [ -z "$(osdctl query 0x10000/0x20001 'owner = "dave"')" ] || die "dave is nobody"
}

index_ready() { [ "$(osdctl attr get 0x10000 0x3000f000 0x8001 | od -An -tx1)" = " 02" ]; }

echo "== queries without an index, and with one"
ask_everything
osdctl attr set 0x10000 0x3000f000 1 0x0000000100000009
wait_for 20 index_ready || die "the index is not built"
ask_everything
osdctl collection track 0x10000/0x20002
osdctl query --into 0x20002 0x10000/0x20001 'owner = "alice"'
[ "$(osdctl collection ls 0x10000/0x20002)" = $'0x10000/0x10001\n0x10000/0x10003' ] ||
    die "matches in a collection"

echo "== a snapshot, a clone, and what changed since"
head -c 2M /dev/urandom >/run/tmp/before
{ head -c 1M /run/tmp/before && head -c 64K /dev/urandom && tail -c +1114113 /run/tmp/before; } >/run/tmp/after
osdctl put /run/tmp/before 0x10000/0x10010
osdctl snapshot create 0x10000 0x30000
osdctl snapshot clone 0x10000 0x40000
[ -z "$(osdctl compare 0x10000/0x10010 0x30000/0x10010)" ] || die "nothing changed yet"
osdctl put /run/tmp/after 0x10000/0x10010
[ -n "$(osdctl compare 0x10000/0x10010 0x30000/0x10010)" ] || die "everything was written anew"
osdctl cat 0x30000/0x10010 | cmp - /run/tmp/before
osdctl cat 0x10000/0x10010 | cmp - /run/tmp/after
expect 5 osdctl append /run/tmp/file 0x30000/0x10010
osdctl append /run/tmp/file 0x40000/0x10010
[ "$(osdctl compare 0x40000/0x10010 0x30000/0x10010)" = "data 2097152 3000" ] ||
    die "what was appended to the clone"
osdctl snapshot detach 0x40000
osdctl snapshot restore 0x10000 0x30000
osdctl cat 0x10000/0x10010 | cmp - /run/tmp/before
ask_everything
expect 3 osdctl compare 0x10000/0x10010 0x30000/0x10011

echo "== a query of another session is ended early"
osdctl mk partition 0x50000
osdctl collection create 0x50000/0x20000
# CREATE of so many user objects, each made a member by an attribute in the CDB
create=$(cdb 8882 11=10 16=0000000000050000 32="$(printf %04x $OBJECTS)" \
    52=00000004 56=00000001 60=0008 62=0000000000020000)
raw send "$create" wait | grep '^status 00' || die "no objects"
osdctl collection track 0x50000/0x20001 0x20000
manage() { cdb 8f7d 11=20 32=0008 39="$1" 40="${2:-0000000000000000}"; }
answer() { probe -i 8 "$(manage "$@")" | sed -n 's/^data //p'; }
[ "$(answer 81)" = 0006000000000000 ] || die "nothing is under way"

# ended CDB COMMAND... - the function is sent until the command, which is under way, has ended
ended() {
    local function=$1 pid
    shift
    "$@" >/run/tmp/out 2>&1 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        probe -i 8 "$function" >/run/tmp/answer || die "no answer: $(cat /run/tmp/answer)"
        grep -q '^data 0006000000000000' /run/tmp/answer || die "$(cat /run/tmp/answer)"
    done
    rc=0
    wait $pid || rc=$?
    cat /run/tmp/out
}

# holds N - so many user objects, and the two collections
holds() {
    local n
    n=$(osdctl --json stat 0x50000 | jq .data.objects)
    [ "$n" -eq $(($1 + 2)) ] || die "$n objects, want $1 and two collections"
}

expression='size > 1'
for _ in {1..60}; do expression+=' or owner = "nobody"'; done
for function in 02 04 08; do
    ended "$(manage $function)" osdctl query 0x50000/0x20001 "$expression"
    [ $rc -eq 12 ] || die "exit code $rc: the query ended by itself"
    grep -q 'commands cleared by another initiator' /run/tmp/out || die "$(cat /run/tmp/out)"
done

echo "== REMOVE MEMBER OBJECTS is ended early by its tag, and has removed nothing"
nonce=$(printf '%012x' "$(date +%s%3N)")112233445566
remove=$(cdb 88a1 11=20 16=0000000000050000 24=0000000000020001 216="$nonce")
ended "$(manage 01 "${nonce:8}")" raw send "$remove" wait
grep -q '^status 02 720b2f00' /run/tmp/out || die "it was not ended"
holds $OBJECTS

echo "== and the device goes on"
[ "$(osdctl query 0x50000/0x20001 'size = 0' | wc -l)" -eq $OBJECTS ] || die "not every member"
raw send "${remove/$nonce/${nonce/112233/332211}}" wait | grep '^status 00' || die "not removed"
holds 0
ask_everything

stop_runner TERM || die "tcmu-runner does not end"
expect 0 osdctl check "$STORE/osd0"
