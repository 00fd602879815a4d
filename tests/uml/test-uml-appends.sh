#!/bin/bash
# Eight clients append to one object at once: the length is the exact sum, every client is told
# where its record begins (the attribute "starting byte address of append"), every record is whole
# and there once. A hundred clients get through too.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"

create_osd osd0
osdctl mk partition 0x10000
for size in 16 1000 70000; do
    n=$((size > 10000 ? 60 : 600))
    oid=$((0x10000 + size))
    osdctl create 0x10000/$oid
    expect 0 "$LOAD" append -c 8 -n $n -s $size -a /run/tmp/acked 0x10000 $oid
    length=$(osdctl --json stat 0x10000/$oid | jq .data.length)
    [ "$length" -eq $((8 * n * size)) ] || die "length $length, want $((8 * n * size))"
    expect 0 "$LOAD" verify -c 8 -n $n -s $size -a /run/tmp/acked 0x10000 $oid
done
echo "== more clients than the device keeps commands staged"
osdctl create 0x10000/0x90000
expect 0 "$LOAD" append -c 100 -n 20 -s 1000 -a /run/tmp/acked 0x10000 0x90000
expect 0 "$LOAD" verify -c 100 -n 20 -s 1000 -a /run/tmp/acked 0x10000 0x90000
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
