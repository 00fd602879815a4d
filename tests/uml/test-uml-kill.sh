#!/bin/bash
# tcmu-runner is killed (SIGKILL) inside a copy and inside appends, and comes back: both go on by
# themselves, the tree is the same, every append is there once, the store is clean as the crash
# left it and at the end. Would catch: acknowledged commands lost, commands executed twice, an
# initiator that hangs, a store that needs repair. LIOSD_ROUNDS sets the number of kills.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
rounds=${LIOSD_ROUNDS:-4}

create_osd osd0 patient
tree=/run/tmp/tree
mkdir -p $tree
for i in $(seq 40); do
    mkdir "$tree/$i"
    head -c 40000 /dev/urandom | split -b 2000 -a 3 - "$tree/$i/small."
    head -c 700000 /dev/urandom >"$tree/$i/large"
done

t0=$(now_ms)
osdctl -q cp -r $tree 0x10000
length=$(($(now_ms) - t0))
echo "undisturbed copy: $length ms"
osdctl rm --contents partition 0x10000

# one_round NUMBER - one copy with a kill; sets inside=1 when the copy was under way then
one_round() {
    local pid=$((0x10000 + $1)) rc=0 copy load
    inside=0
    osdctl mk partition 0x9000000
    osdctl create 0x9000000/0x10000
    osdctl -q cp -r $tree $pid >/run/tmp/copy.log 2>&1 &
    copy=$!
    "$LOAD" append -c 8 -n 150 -s 300 -a /run/tmp/acked 0x9000000 0x10000 &
    load=$!
    sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
    stop_runner KILL
    if kill -0 $copy 2>/dev/null; then inside=1; fi
    timeout 60 osdctl check "$STORE/osd0" || die "round $1: findings after the crash"
    start_runner || die "tcmu-runner did not come back"
    wait $copy || rc=$?
    cat /run/tmp/copy.log
    [ $rc -eq 0 ] || die "round $1: copy ended with $rc"
    wait $load || die "round $1: an append failed"
    rm -rf /run/tmp/back
    osdctl -q cp -r $pid /run/tmp/back
    diff -r $tree /run/tmp/back || die "round $1: trees differ"
    "$LOAD" verify -c 8 -n 150 -s 300 -a /run/tmp/acked 0x9000000 0x10000 ||
        die "round $1: appends"
    osdctl rm --contents partition $pid
    osdctl rm --contents partition 0x9000000
}

killed=0
tries=0
while [ $killed -lt "$rounds" ]; do
    tries=$((tries + 1))
    [ $tries -le $((rounds * 2)) ] || die "only $killed of $tries kills fell inside the copy"
    delay=$((length * (5 + RANDOM % 80) / 100))
    one_round $tries
    killed=$((killed + inside))
    echo "round $tries: killed after $delay ms, same tree ($killed kills inside the copy)"
done
echo "$killed of $tries kills fell inside the copy"

stop_runner TERM
osdctl check "$STORE/osd0"
