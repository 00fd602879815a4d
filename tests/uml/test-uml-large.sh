#!/bin/bash
# One object of 5 GiB, beyond what 32 bits count, written and read through iSCSI: the digests are the
# same, at its start, across 4 GiB and as a whole. LIOSD_GIB sets another size.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
gib=${LIOSD_GIB:-5}
rss_max=512 # MiB

# stream - the same bytes every time, as fast as the CPU can
stream() {
    openssl enc -aes-128-ctr -nosalt -K 000102030405060708090a0b0c0d0e0f \
        -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null | head -c "$((gib << 30))"
}

create_osd osd0 patient
osdctl mk partition 0x10000
t0=$(now_ms)
stream | tee >(sha256sum >/run/tmp/sum.in) | osdctl put - 0x10000/0x10000
echo "put: $(((gib << 30) / ($(now_ms) - t0) / 1000)) MB/s; tcmu-runner $(rss VmHWM) MiB"
length=$(osdctl --json stat 0x10000/0x10000 | jq .data.length)
[ "$length" -eq $((gib << 30)) ] || die "length $length"
t0=$(now_ms)
osdctl cat 0x10000/0x10000 | sha256sum >/run/tmp/sum.out
echo "cat: $(((gib << 30) / ($(now_ms) - t0) / 1000)) MB/s; tcmu-runner $(rss VmHWM) MiB"
cat /run/tmp/sum.in /run/tmp/sum.out
cmp /run/tmp/sum.in /run/tmp/sum.out || die "the digests differ"
[ "$(rss VmHWM)" -lt $rss_max ] || die "tcmu-runner took $(rss VmHWM) MiB, limit $rss_max"

echo "== after a restart"
stop_runner TERM
start_runner
osdctl cat 0x10000/0x10000 | sha256sum | cmp - /run/tmp/sum.in || die "other bytes after a restart"
osdctl rm 0x10000/0x10000
[ "$(osdctl --json stat 0x10000 | jq .data.used_capacity)" -eq 0 ] || die "capacity is not freed"
stop_runner TERM
osdctl check "$STORE/osd0"
