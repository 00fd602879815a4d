#!/bin/bash
# A store that does not open becomes another one with what is left of it: what it held is there, what
# is lost is said, and nobody gets in who would not have got in before. Would catch: a salvage that
# changes the damaged store, that says nothing of a loss, or whose device asks for less proof.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"

(umask 077 && for _ in 1 2 3 4; do printf '00112233445566778899'; done >key)
(umask 077 && for _ in 1 2 3 4; do printf 'ffeeddccbbaa99887766'; done >otherkey)
(umask 077 && echo 'correct horse battery staple' >passphrase)
echo content >file

# damage TEXT - flip a bit of every place of it in tables of the store
damage() {
    python3 - "$1" "$T"/store/db/*.sst <<'END' || die "nothing to damage"
import sys
found = 0
for name in sys.argv[2:]:
    data = bytearray(open(name, "rb").read())
    at = data.find(sys.argv[1].encode())
    while at >= 0:
        data[at] ^= 4
        found += 1
        at = data.find(sys.argv[1].encode())
    open(name, "r+b").write(data)
sys.exit(0 if found else 1)
END
}

# without_list - the list of tables of the store is empty
without_list() {
    local list
    for list in "$T"/store/db/MANIFEST-*; do
        : >"$list"
    done
}

echo "== a sound store: all of it"
mkdir tree && cp file tree/a && head -c 300000 /dev/urandom >tree/b && ln -s a tree/c
new_store
expect 0 osdctl cp -q -r tree 0x10000
cp -a store before
expect 0 osdctl salvage store new
case $out in
*"0 objects lost, 0 other findings, 0 records of the journal dropped") ;;
*) die "said: $out" ;;
esac
same before store
expect 0 osdctl -d "file://$T/new" cp -q -r 0x10000 back
same tree back
expect 0 osdctl check new

echo "== only an empty place, and only a store"
expect 4 osdctl salvage store new
says "is not empty"
expect 3 osdctl salvage nothing other
expect 2 osdctl salvage iscsi://host/iqn/0 other
expect 2 osdctl salvage store
for inside in store/new store/ store store/data/new; do
    expect 1 osdctl salvage store $inside
    says "which is only read"
done
same before store
expect 3 osdctl --json salvage tree other
json 'd["error"]["code"] == 3'

echo "== not while somebody serves it"
mkfifo pipe
"$OSDCTL" put - 0x10000/0x18000 <pipe >/dev/null & # not the function: $! is the program then
exec 3>pipe
echo "it has begun" >&3
for _ in $(seq 400); do
    find "/proc/$!/fd" -lname "*/store/journal/a" | grep -q . && break
    sleep 0.05
done
expect 7 osdctl salvage store other
says "is in use by another"
[ ! -e other ] || die "it made something"
exec 3>&-
wait $! || die "who served it was disturbed"
expect 0 osdctl cat 0x10000/0x18000
[ "$out" = "it has begun" ] || die "who served it wrote: $out"
expect 0 osdctl rm 0x10000/0x18000

echo "== without its list of tables a store does not open, and is found again"
without_list
expect 9 osdctl check store
says "osdctl salvage"
expect 9 osdctl salvage store again
says "something of store is missing in it"
case $out in
*"records of objects cannot be read as they lie"*"may be older than what was there"*) ;;
*) die "said: $out" ;;
esac
expect 0 osdctl -d "file://$T/again" cp -q -r 0x10000 back2
same tree back2
rm -rf again
expect 9 osdctl --json salvage store again
json 'data["older"] and data["lost"] == 0 and data["dropped"] == 0 and data["objects"] >= 3 and data["findings"]'

echo "== a device with keys: they end, the master key does not"
rm -rf store new
expect 0 osdctl --create-store --key key key install
expect 0 osdctl --key key mk partition 0x10000
expect 0 osdctl --key key put file 0x10000/0x10000
expect 0 osdctl --key key credential mint cred 0x10000/0x10000 read
expect 0 osdctl --credential cred cat 0x10000/0x10000
damage boot_epoch
expect 9 osdctl salvage "file://$T/store" "file://$T/new"
case $out in
*"settings of the device"*"working keys have ended"*) ;;
*) die "said: $out" ;;
esac
OSD_DEVICE=file://$T/new
expect 5 osdctl --credential cred cat 0x10000/0x10000
expect 5 osdctl cat 0x10000/0x10000
expect 5 osdctl --key otherkey key install
expect 0 osdctl --key key key install
expect 0 osdctl --key key key install 0x10000
expect 0 osdctl --key key cat 0x10000/0x10000
[ "$out" = content ] || die "read back: $out"
expect 5 osdctl --credential cred cat 0x10000/0x10000

echo "== a passphrase whose salt is lost: the keys are, what they kept is not"
OSD_DEVICE=file://$T/store
rm -rf store new
export OSD_PASSPHRASE_FILE=passphrase
expect 0 osdctl --create-store --key key key install
expect 0 osdctl --key key mk partition 0x10000
expect 0 osdctl --key key put file 0x10000/0x10000
damage boot_epoch
expect 9 osdctl salvage store new
OSD_DEVICE=file://$T/new
expect 3 osdctl info
expect 3 osdctl --key key key install
expect 0 osdctl --create-store --key otherkey key install
expect 0 osdctl --key otherkey key install 0x10000
expect 0 osdctl --key otherkey cat 0x10000/0x10000
[ "$out" = content ] || die "read back: $out"
expect 5 osdctl --key key cat 0x10000/0x10000
unset OSD_PASSPHRASE_FILE
expect 5 osdctl info

exit 0
