#!/usr/bin/env bash
# The initiator against a target nobody here wrote: Debian's tgtd on 127.0.0.1.
# Would catch: a reading of the RFC that only our own mock shares; AHS, digests, CHAP and R2T as
# another implementation does them.
# Usage: test-initiator-tgtd.sh PROBE. Needs tgtd and tgtadm (package tgt), otherwise exits 77.
set -euo pipefail

probe=$1
if ! command -v tgtd >/dev/null || ! command -v tgtadm >/dev/null; then
    echo "tgt is not installed"
    exit 77
fi

# shellcheck source=tests/ports.sh
. "$(dirname "$0")/../ports.sh"

dir=$(mktemp -d)
trap 'tgtd_stop; rm -rf "$dir"' EXIT
failed=0

admin() {
    tgtadm --lld iscsi "$@"
}

configure() {
    truncate -s 16M "$dir/disk"
    truncate -s 1M "$dir/osd"
    admin --op new --mode target --tid 1 -T iqn.2026-11.test:blk
    admin --op new --mode logicalunit --tid 1 --lun 1 -b "$dir/disk"
    admin --op new --mode logicalunit --tid 1 --lun 2 --device-type osd --bstype rdwr -b "$dir/osd"
    admin --op bind --mode target --tid 1 -I ALL
    admin --op new --mode target --tid 2 -T iqn.2026-11.test:chap
    admin --op new --mode logicalunit --tid 2 --lun 1 -b "$dir/disk"
    admin --op bind --mode target --tid 2 -I ALL
    admin --op new --mode account --user joe --password secret-of-joe
    admin --op bind --mode account --tid 2 --user joe
    admin --op new --mode account --user tgt --password secret-of-tgt
    admin --op bind --mode account --tid 2 --user tgt --outgoing
    admin --op new --mode target --tid 3 -T iqn.2026-11.test:digest
    admin --op new --mode logicalunit --tid 3 --lun 1 -b "$dir/disk"
    admin --op bind --mode target --tid 3 -I ALL
    admin --op update --mode target --tid 3 -n DataDigest -v CRC32C
}

# check NAME EXPECTED-EXIT EXPECTED-TEXT probe-arguments...
check() {
    local name=$1 want=$2 text=$3 rc=0
    shift 3
    timeout 60 "$probe" "$@" >"$dir/out" 2>&1 || rc=$?
    if [ "$rc" != "$want" ] || ! grep -q -- "$text" "$dir/out"; then
        echo "FAILED $name: exit $rc, want $want and \"$text\""
        head -c 600 "$dir/out"
        failed=$((failed + 1))
    else
        echo "ok $name"
    fi
}

tgtd_start "$dir" || {
    echo "tgtd does not start here:"
    cat "$dir/tgtd.log"
    exit 77
}
port=$tgtd_port
configure

base=iscsi://127.0.0.1:$port
blk=$base/iqn.2026-11.test:blk/1
osd=$base/iqn.2026-11.test:blk/2
chap=127.0.0.1:$port/iqn.2026-11.test:chap/1
digest="$base/iqn.2026-11.test:digest/1?digest=data"
tur=000000000000
write_1m=8a000000000000000000000008000000
read_1m=88000000000000000000000008000000
read_4k=88000000000000000000000000080000
write_4k=8a000000000000000000000000080000

# A variable-length CDB (7Fh) of N bytes, service action 8802h.
osd_cdb() {
    printf '7f000000000000%02x8802%0*d' $(($1 - 8)) $((2 * ($1 - 10))) 0
}

check discovery 0 "iqn.2026-11.test:chap 127.0.0.1:$port" -d "$base"
check inquiry 0 "data 0000" -i 36 "$blk" 120000002400
check inquiry-osd-type 0 "data 11" -i 36 "$osd" 120000002400
check inquiry-underflow 0 "in 36\|in 66" -i 255 "$blk" 12000000ff00
check unit-attention-sense 1 "sense 70000600" "$blk" $tur
check unknown-target 2 "no such target" "$base/iqn.2026-11.test:nope/1" $tur
check unknown-lun 1 "sense 70000500" -p $tur "$base/iqn.2026-11.test:blk/9" $tur

check chap-missing 2 "^denied" "iscsi://$chap" $tur
check chap-wrong 2 "^denied" "iscsi://joe%wrong@$chap" $tur
check chap-right 0 "status 00" -p $tur "iscsi://joe%secret-of-joe@$chap" $tur
check chap-mutual 0 "status 00" -p $tur \
    "iscsi://joe%secret-of-joe@$chap?mutual=tgt%secret-of-tgt" $tur
check chap-mutual-wrong 2 "^denied" \
    "iscsi://joe%secret-of-joe@$chap?mutual=tgt%secret-of-eve" $tur

# tgtd knows no OSD commands, but must find the PDU boundary behind the AHS: what follows works.
for n in 32 200 236 260; do
    check "extended-cdb-$n" 1 "sense 720520" -p $tur "$osd" "$(osd_cdb $n)"
done
check extended-cdb-write 1 "sense 720520" -p $tur -s 100000 -o - "$osd" "$(osd_cdb 200)"
check extended-cdb-stream 1 "200 commands, 200 bad" -c -p $tur -n 200 -q 16 "$osd" \
    "$(osd_cdb 236)"

for kind in plain digest; do
    url=$blk
    [ $kind = digest ] && url=$digest
    head -c 1048576 /dev/urandom >"$dir/data"
    check "$kind-write" 0 "status 00" -p $tur -o "$dir/data" "$url" $write_1m
    check "$kind-read" 0 "in 1048576" -p $tur -i 1048576 -w "$dir/back" "$url" $read_1m
    cmp "$dir/data" "$dir/back" || failed=$((failed + 1))
    head -c 1048576 /dev/urandom >"$dir/data"
    check "$kind-write-no-immediate" 0 "status 00" -I -p $tur -o "$dir/data" "$url" $write_1m
    check "$kind-read-small-segments" 0 "in 1048576" -m 1024 -p $tur -i 1048576 -w "$dir/back" \
        "$url" $read_1m
    cmp "$dir/data" "$dir/back" || failed=$((failed + 1))
    check "$kind-many-reads" 0 "2000 commands, 0 bad" -p $tur -i 4096 -n 2000 -q 32 "$url" $read_4k
    check "$kind-many-writes" 0 "2000 commands, 0 bad" -p $tur -s 4096 -o - -n 2000 -q 200 "$url" \
        $write_4k
    check "$kind-many-large" 0 "40 commands, 0 bad" -p $tur -s 1048576 -o - -n 40 -q 8 "$url" \
        $write_1m
done
check digest-refused 2 "^unsupported" "$blk?digest=data" $tur

# The target dies with commands in flight: they fail and the probe ends, it does not hang.
(
    sleep 0.3
    kill -9 "$tgtd_pid"
) &
check target-dies 2 "unreachable" -p $tur -i 4096 -n 10000000 -q 16 "$blk" $read_4k

[ $failed -eq 0 ] || { tail -n 5 "$dir/tgtd.log"; exit 1; }
