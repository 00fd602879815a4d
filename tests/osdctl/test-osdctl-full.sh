#!/bin/bash
# A store on a file system that somebody else filled to the last byte opens, gives what it holds and
# takes removals. Would catch: a database that needs room to be opened and has none.
# requires: a mount namespace of one's own (unshare -rm) and tmpfs; else it is skipped
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"

if [ "${IN_NAMESPACE:-}" != yes ]; then
    unshare -rm true 2>/dev/null || exit 77
    IN_NAMESPACE=yes unshare -rm "$0" "$@"
    exit
fi
mkdir small && mount -t tmpfs -o size=400m tmpfs small || exit 77
export OSD_DEVICE=file://$T/small/store

echo "== filled to the last byte by somebody else"
osdctl --create-store --method nosec mk partition 0x10000 >/dev/null || die "cannot make a store"
for i in 1 2 3 4 5; do
    head -c 50000 /dev/urandom >"file$i"
    osdctl put "file$i" "0x10000/0x1000$i" >/dev/null || die "cannot put an object"
done
cat /dev/zero >small/fill 2>/dev/null
[ "$(stat -f -c %a small)" -eq 0 ] || die "the file system is not full"

echo "== it opens, again and again"
for i in 1 2 3 4 5; do
    expect 0 osdctl get "0x10000/0x1000$i" back
    cmp -s "file$i" back || die "object $i is another one"
done

echo "== removals work, and what grows is refused"
expect 0 osdctl rm 0x10000/0x10001
head -c 200m /dev/zero >large
expect 8 osdctl put large 0x10000/0x10009
expect 0 osdctl get 0x10000/0x10005 back
cmp -s file5 back || die "object 5 is another one"

echo "== room heals it"
rm small/fill
expect 0 osdctl put file1 0x10000/0x10001
expect 0 osdctl check
umount small

echo "== a salvage without room leaves nothing, whatever it had made"
export OSD_DEVICE=file://$T/store
new_store
osdctl mk partition 0x10000 >/dev/null && head -c 20m /dev/urandom >large || die "cannot make a store"
osdctl put large 0x10000/0x10001 >/dev/null || die "cannot put an object"
cp -a store before
for room in 1m 5m 16m 18m 20m; do
    mount -t tmpfs -o size=$room tmpfs small || die "cannot mount"
    expect 8 osdctl salvage store small/new
    says "no space left on the device; what was made there is removed again"
    [ -z "$(ls -A small)" ] || die "left: $(find small)"
    mkdir small/new
    expect 8 osdctl --json salvage store small/new
    json 'error["code"] == 8'
    expect 3 osdctl -d "file://$T/small/new" info
    [ -z "$(ls -A small/new)" ] || die "left: $(find small)"
    umount small
done
same before store
mount -t tmpfs -o size=400m tmpfs small || die "cannot mount"
expect 0 osdctl salvage store small/new
expect 0 osdctl -d "file://$T/small/new" get 0x10000/0x10001 back
cmp -s large back || die "what was salvaged is another object"
umount small
