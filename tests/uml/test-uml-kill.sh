#!/bin/bash
# tcmu-runner is killed in the middle of a copy and comes back: the copy goes on by itself, the
# tree is the same, the store is clean. Would catch: acknowledged commands lost, commands executed
# twice, an initiator that hangs. LIOSD_ROUNDS sets the number of kills (default 3).
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

create_osd osd0
no_timeout osd0
mkdir -p /run/tmp/tree
cp -a "$ROOT/tests" "$ROOT/wire" "$ROOT/store" /run/tmp/tree/
head -c 20000000 /dev/urandom >/run/tmp/tree/big
for round in $(seq "${LIOSD_ROUNDS:-3}"); do
    pid=$((0x10000 + round))
    osdctl cp -r /run/tmp/tree $pid >/run/tmp/copy.log 2>&1 &
    copy=$!
    sleep "0.$((RANDOM % 9 + 1))"
    stop_runner KILL
    start_runner || die "tcmu-runner did not come back"
    rc=0
    wait $copy || rc=$?
    cat /run/tmp/copy.log
    [ $rc -eq 0 ] || die "round $round: copy ended with $rc"
    rm -rf /run/tmp/back
    osdctl cp -r $pid /run/tmp/back
    diff -r /run/tmp/tree /run/tmp/back || die "round $round: trees differ"
    echo "round $round: same tree"
done

echo "== appends are neither lost nor doubled"
osdctl mk partition 0x20000
osdctl create 0x20000/0x10000
for i in $(seq 200); do
    printf '%08d' "$i" >/run/tmp/record.$i
done
(for i in $(seq 200); do osdctl append /run/tmp/record.$i 0x20000/0x10000 || exit 1; done) &
appends=$!
sleep 0.5
stop_runner KILL
start_runner || die "tcmu-runner did not come back"
wait $appends || die "append failed"
cat /run/tmp/record.? /run/tmp/record.?? /run/tmp/record.??? >/run/tmp/want
osdctl get 0x20000/0x10000 /run/tmp/got
cmp /run/tmp/want /run/tmp/got

stop_runner TERM
osdctl check "$STORE/osd0"
