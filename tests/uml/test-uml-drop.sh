#!/bin/bash
# The network fails in the middle of commands: connections are reset at any byte, many times over.
# libosd logs in again and sends what was under way once more. Would catch: a write that is lost,
# torn or carried out twice, a session that does not come back, a target that keeps dead sessions.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
RAW="$ROOT/tests/uml/raw_iscsi.py"
CUT=iscsi://127.0.0.1:3270/$IQN/0

# failing CUTS LOW HIGH - a proxy that cuts that many connections after LOW to HIGH bytes
failing() {
    "$ROOT/tests/uml/cut_proxy.py" 3270 3260 "$@" >/run/tmp/cuts 2>&1 &
    PROXY=$!
    wait_for 20 grep -q listening /run/tmp/cuts || die "no proxy: $(cat /run/tmp/cuts)"
}

# cut_enough N - at least so many cuts were made; ends the proxy
cut_enough() {
    local n
    kill $PROXY
    wait $PROXY || true
    n=$(grep -c '^cut' /run/tmp/cuts || true)
    echo "$n connections cut"
    [ "$n" -ge "$1" ] || die "only $n cuts: $(tail -n 3 /run/tmp/cuts)"
}

create_osd osd0
osdctl mk partition 0x10000
head -c 6000000 /dev/urandom >/run/tmp/in

echo "== writes and reads of 6 MB"
failing 12 2000 2500000
expect 0 osdctl -d "$CUT" put /run/tmp/in 0x10000/0x10000
osdctl cat 0x10000/0x10000 | cmp - /run/tmp/in || die "other bytes are stored"
for _ in 1 2 3 4 5; do
    expect 0 osdctl -d "$CUT" get 0x10000/0x10000 /run/tmp/out
    cmp /run/tmp/in /run/tmp/out || die "other bytes come back"
done
cut_enough 12

echo "== appends of four clients"
osdctl create 0x10000/0x10001
failing 60 1500 40000
OSD_DEVICE=$CUT timeout 120 "$LOAD" append -c 4 -n 300 -s 3000 -a /run/tmp/acked 0x10000 0x10001 ||
    die "a client gave up"
expect 0 "$LOAD" verify -c 4 -n 300 -s 3000 -a /run/tmp/acked 0x10000 0x10001
cut_enough 40

echo "== a tree, many commands in flight"
mkdir /run/tmp/tree
head -c 12000000 /dev/urandom | split -b 20000 -a 3 - /run/tmp/tree/file.
# more than the commands in flight carry, so that each connection brings something home
failing 12 400000 1200000
expect 0 osdctl -q -d "$CUT" cp -r /run/tmp/tree 0x20000
osdctl -q cp -r 0x20000 /run/tmp/back
diff -r /run/tmp/tree /run/tmp/back || die "trees differ"
cut_enough 8

echo "== initiators that leave in the middle of a write and do not come back"
length=$(osdctl --json stat 0x10000/0x10000 | jq .data.length)
write=7f000000000000e4$(printf '8886%04x' 0x0020)00000000$(printf '%016x%016x' 0x10000 0x10000)
write=$write$(printf '%016x%016x' 30000 0)
write=$write$(printf "%0$((472 - ${#write}))d" 0)
for _ in $(seq 10); do
    "$RAW" 127.0.0.1:3260 "$IQN" 0 half "$write" 30000
done
expect 0 osdctl ping --count 1
osdctl cat 0x10000/0x10000 | cmp - /run/tmp/in || die "half a write was carried out"
[ "$(osdctl --json stat 0x10000/0x10000 | jq .data.length)" -eq "$length" ] || die "other length"
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
