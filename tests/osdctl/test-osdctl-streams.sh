#!/bin/bash
# Standard streams that are closed, full or cut, and descriptors that are none, end in a message
# and an exit code. Would catch: bytes for a closed standard output that land in the store's own
# files, because the store opened one under that number.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store
osdctl mk partition 0x10000 >/dev/null
yes "needle in the store" | head -c 3000000 >in
osdctl put in 0x10000/0x10001 >/dev/null

# closed CODE ARGS... - the exit code with standard output closed
closed() {
    local want=$1 rc=0
    shift
    "$OSDCTL" "$@" >&- 2>.err || rc=$?
    [ $rc -eq "$want" ] || die "$* with standard output closed ended with $rc, not $want"
    [ "$want" -eq 0 ] || grep -q "standard output: Bad file descriptor" .err ||
        die "$*: $(cat .err)"
}

echo "== standard output is closed"
closed 1 cat 0x10000/0x10001
closed 1 get 0x10000/0x10001 -
closed 1 ls
closed 1 --json ls
closed 1 info
closed 1 attr get 0 0x90000001 9
closed 0 flush
! grep -qr "needle in the store" store/db || die "bytes of the object are in the database"

echo "== standard error and standard input are closed"
"$OSDCTL" cat 0x77777/0x10001 2>&- && die "no failure"
expect 0 osdctl check
rc=0
"$OSDCTL" put - 0x10000 <&- >/dev/null 2>.err || rc=$?
[ $rc -eq 1 ] || die "put - with standard input closed ended with $rc"
grep -q "standard input: Bad file descriptor" .err || die "put -: $(cat .err)"

echo "== the reader goes away"
"$OSDCTL" cat 0x10000/0x10001 | head -c 10 >/dev/null
[ "${PIPESTATUS[0]}" -eq 141 ] || die "cat into head ended with ${PIPESTATUS[0]}"
expect 0 osdctl check

echo "== progress goes to an open descriptor only"
mkdir tree && cp in tree/
expect 2 osdctl cp -r --progress 77 tree 0x10000
says "descriptor 77 is not open for writing"
rc=0
"$OSDCTL" cp -r --progress 5 tree 0x10000 5</dev/null 2>.err || rc=$?
[ $rc -eq 2 ] || die "a descriptor for reading was taken: $rc"
expect 0 osdctl ls 0x10000
[ "$(echo "$out" | wc -l)" -eq 1 ] || die "something was copied: $out"

echo "== as many descriptors as may be had are taken, and too few are told"
(ulimit -Sn 20 && osdctl ls 0x10000 >/dev/null) || die "the soft limit was not raised"
for most in 16 20 24 28 32 36 40 44 48 56 64; do
    rc=0
    (ulimit -n $most && osdctl ls 0x10000 >/dev/null 2>.err) || rc=$?
    [ $rc -eq 0 ] || grep -q "too many open files: raise the limit (ulimit -n" .err ||
        die "with $most descriptors: $(cat .err)"
done
