#!/bin/bash
# Every verb of osdctl does what its line of help says, and its exit code is the documented one.
# Would catch: a verb that fails silently, a changed exit code, a lost byte.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"

echo "== a store is made only when asked for"
expect 3 osdctl info
says "$T/store"
says --create-store
expect 3 osdctl --create-store info
says "$T/store"
says "--method nosec"
[ ! -e "$T/store" ] || die "a store for everybody was made although nobody asked for it"
new_store --capacity 1g
expect 0 osdctl --create-store info
expect 0 osdctl info
case $out in *"total_capacity           1073741824"*) ;; *) die "capacity: $out" ;; esac

echo "== partitions"
expect 0 osdctl mk partition 0x10000
[ "$out" = 0x10000 ] || die "mk said $out"
expect 4 osdctl mk partition 0x10000
expect 0 osdctl mk partition 0
chosen=$out
expect 0 osdctl ls
[ "$out" = "0x10000
$chosen" ] || die "ls said $out"
expect 0 osdctl rm partition "$chosen"
expect 3 osdctl rm partition "$chosen"
says "$chosen"
expect 2 osdctl mk partition 5 # below the first id

echo "== snapshots and clones"
printf 'as it was' >in
expect 0 osdctl put in 0x10000/0x10009
expect 0 osdctl snapshot create 0x10000 0x30000
[ "$out" = 0x30000 ] || die "snapshot create said $out"
expect 4 osdctl snapshot create 0x10000 0x30000
expect 0 osdctl snapshot clone 0x10000
clone=$out
printf 'as it is ' >in
expect 0 osdctl put in 0x10000/0x10009
expect 5 osdctl put in 0x30000/0x10009
says "snapshot"
[ "$(osdctl cat 0x30000/0x10009)" = "as it was" ] || die "the snapshot changed"
expect 0 osdctl compare 0x10000/0x10009 0x30000/0x10009
[ "$out" = "data 0 9" ] || die "compare said $out"
expect 2 osdctl compare 0x10000 0x30000/0x10009
expect 3 osdctl compare 0x10000/0x10009 0x30000/0x7777777
expect 3 osdctl compare 0x10000/0x10009 0x7777777/0x10009
expect 0 osdctl stat 0x30000
case $out in *"duplicate                snapshot"*"source                   0x10000"*) ;; *) die "$out" ;; esac
expect 0 osdctl put in "$clone/0x10009"
expect 0 osdctl snapshot restore 0x10000 0x30000
[ "$(osdctl cat 0x10000/0x10009)" = "as it was" ] || die "not restored"
expect 0 osdctl put in 0x10000/0x10009
expect 0 osdctl snapshot refresh 0x30000
[ "$(osdctl cat 0x30000/0x10009)" = "as it is " ] || die "not refreshed"
expect 0 osdctl snapshot detach "$clone"
expect 3 osdctl snapshot refresh "$clone" # made from nothing any more
expect 3 osdctl snapshot create 0x77777
expect 2 osdctl snapshot restore 0x10000
expect 2 osdctl snapshot freeze 0x10000
expect 0 osdctl rm partition 0x30000 --contents
expect 0 osdctl rm partition "$clone" --contents
expect 0 osdctl rm 0x10000/0x10009

echo "== objects"
expect 0 osdctl create 0x10000/0x10005
[ "$out" = 0x10000/0x10005 ] || die "create said $out"
expect 4 osdctl create 0x10000/0x10005
expect 0 osdctl create 0x10000
case $out in 0x10000/0x*) ;; *) die "create said $out" ;; esac
expect 0 osdctl rm "$out"
expect 3 osdctl create 0x77777
expect 3 osdctl stat 0x10000/0x99999
says 0x99999
expect 3 osdctl ls 0x77777

echo "== put, get, cat, append; lengths around the size of one command and of one buffer"
for size in 0 1 4095 4096 1048575 1048576 1048577 3145727 3145728 3145729 6291456; do
    head -c $size /dev/urandom >in
    expect 0 osdctl put in 0x10000/0x10005
    [ "$out" = 0x10000/0x10005 ] || die "put said $out"
    expect 0 osdctl get 0x10000/0x10005 back
    cmp in back || die "get of $size bytes"
    "$OSDCTL" cat 0x10000/0x10005 | cmp - in || die "cat of $size bytes"
    "$OSDCTL" get 0x10000/0x10005 - | cmp - in || die "get of $size bytes to standard output"
    expect 0 osdctl stat 0x10000/0x10005
    case $out in "length                   $size"*) ;; *) die "stat: $out" ;; esac
done
printf 'abc' >in
expect 0 osdctl put in 0x10000/0x10005
expect 0 osdctl append in 0x10000/0x10005
[ "$(osdctl cat 0x10000/0x10005)" = abcabc ] || die "append"
printf 'from a pipe' | osdctl put - 0x10000/0x10006 >/dev/null || die "put -"
[ "$(osdctl cat 0x10000/0x10006)" = "from a pipe" ] || die "pipe"
expect 3 osdctl append in 0x10000/0x99999
expect 3 osdctl put in 0x77777
expect 3 osdctl put missing 0x10000
says missing
expect 1 osdctl put . 0x10000

echo "== a failed get leaves the file alone"
echo precious >kept
expect 3 osdctl get 0x10000/0x99999 kept
[ "$(cat kept)" = precious ] || die "get destroyed a file"

echo "== what is not whole does not stay: a new object, a new file"
expect 0 osdctl quota 0x10000 length 4m
expect 8 osdctl put /dev/zero 0x10000
expect 8 osdctl put /dev/zero 0x10000/0x10009
expect 0 osdctl ls 0x10000
[ "$(echo "$out" | wc -l)" = 2 ] || die "an incomplete object stays: $out"
expect 0 osdctl quota 0x10000 length none
head -c 9000000 /dev/zero | osdctl put - 0x10000/0x10009 >/dev/null
rc=0
(ulimit -f 4000 && trap '' XFSZ && "$OSDCTL" get 0x10000/0x10009 cut) 2>.err || rc=$?
[ $rc -eq 1 ] || die "get into a file that may not grow ended with $rc"
grep -q "cut: File too large" .err || die "get: $(cat .err)"
[ ! -e cut ] || die "an incomplete file stays"
expect 0 osdctl rm 0x10000/0x10009

echo "== output that cannot be written is an error"
for verb in "ls" "info" "cat 0x10000/0x10005" "attr ls 0x10000/0x10005" "--json ls"; do
    rc=0
    # shellcheck disable=SC2086
    osdctl $verb >/dev/full 2>.err || rc=$?
    { [ $rc -eq 1 ] || [ $rc -eq 8 ]; } || die "$verb on a full device ended with $rc"
    grep -q "standard output" .err || die "$verb: $(cat .err)"
done

echo "== ls"
expect 0 osdctl ls 0x10000
[ "$out" = "0x10000/0x10005
0x10000/0x10006" ] || die "ls: $out"
expect 0 osdctl ls -l 0x10000
[ "$(echo "$out" | awk '{print $2}' | xargs)" = "6 11" ] || die "ls -l: $out"
expect 0 osdctl ls -l
[ "$(echo "$out" | awk '{print $2}')" = 2 ] || die "ls -l: $out"

echo "== attributes"
expect 0 osdctl attr set 0x10000/0x10005 0x10000 7 hello
expect 0 osdctl attr get 0x10000/0x10005 0x10000 7
[ "$out" = hello ] || die "attr get: $out"
expect 0 osdctl attr set 0x10000/0x10005 65536 8 0x00ff
osdctl attr get 0x10000/0x10005 0x10000 8 | od -An -tx1 | grep -q '^ 00 ff$' || die "hex value"
expect 0 osdctl attr set 0x10000/0x10005 0x10000 9 text:0xyz
[ "$(osdctl attr get 0x10000/0x10005 0x10000 9)" = 0xyz ] || die "text: value"
expect 0 osdctl attr ls 0x10000/0x10005 0x10000
[ "$(echo "$out" | grep -c '^0x00010000 0x0000000[789]  ')" = 3 ] || die "attr ls: $out"
expect 0 osdctl attr rm 0x10000/0x10005 0x10000 7
expect 3 osdctl attr get 0x10000/0x10005 0x10000 7
says "attr ls"
expect 1 osdctl attr set 0x10000/0x10005 1 0x82 x
says "pages of your own are 0x10000 to 0x1fffffff"
expect 1 osdctl attr set 0x10000 0x30000001 0x81 x
says "pages of your own are 0x30010000 to 0x4fffffff"
expect 1 osdctl attr set 0x10000/0x10005 0 1 x
expect 1 osdctl attr rm 0x10000/0x10005 0 1
expect 0 osdctl attr ls 0x10000/0x10005
expect 0 osdctl attr ls 0x10000
expect 0 osdctl attr ls 0
expect 0 osdctl attr set 0x10000 0x30010000 1 "of a partition"
[ "$(osdctl attr get 0x10000 0x30010000 1)" = "of a partition" ] || die "partition attribute"
value=$(head -c 65534 /dev/zero | tr '\0' v)
expect 0 osdctl attr set 0x10000/0x10005 0x10001 1 "$value"
[ "$(osdctl attr get 0x10000/0x10005 0x10001 1)" = "$value" ] || die "longest value"
expect 2 osdctl attr set 0x10000/0x10005 0x10001 1 "${value}v"
for i in $(seq 2 20); do
    osdctl attr set 0x10000/0x10005 0x10001 "$i" "$value" || die "attribute $i"
done
expect 0 osdctl attr ls 0x10000/0x10005 0x10001
[ "$(echo "$out" | grep -c '^0x00010001')" = 20 ] || die "attr ls cut off: $(echo "$out" | wc -l)"

echo "== quotas"
expect 0 osdctl quota 0x10000
[ "$(echo "$out" | grep -c none)" = 3 ] || die "quotas: $out"
expect 0 osdctl quota 0x10000 objects 2
expect 8 osdctl create 0x10000
expect 0 osdctl quota 0x10000 objects none
expect 0 osdctl quota 0x10000 length 1m
head -c 2000000 /dev/zero >big
expect 8 osdctl put big 0x10000/0x10007
expect 0 osdctl quota 0x10000 length none

echo "== flush, removal, format, check"
expect 0 osdctl flush
expect 0 osdctl rm 0x10000/0x10006
expect 3 osdctl rm 0x10000/0x10006
expect 1 osdctl rm partition 0x10000
says --contents
expect 0 osdctl check
expect 0 osdctl check "$T/store"
expect 0 osdctl check store
expect 3 osdctl check "$T/nothing"
expect 0 osdctl rm --contents partition 0x10000
expect 2 osdctl format
says --yes
expect 0 osdctl mk partition 0x10000
expect 0 osdctl format --yes 512m
expect 0 osdctl ls
[ -z "$out" ] || die "format left $out"
expect 0 osdctl info
case $out in *"total_capacity           536870912"*) ;; *) die "format 512m: $out" ;; esac

echo "== the first generation of the standard"
expect 0 osdctl -g 1 mk partition 0x20000
expect 0 osdctl -g 1 put in 0x20000/0x10000
expect 0 osdctl -g 1 cat 0x20000/0x10000
[ "$out" = abc ] || die "OSD-1: $out"
expect 0 osdctl -g 1 attr set 0x20000/0x10000 0x10000 1 one
[ "$(osdctl -g 1 attr get 0x20000/0x10000 0x10000 1)" = one ] || die "OSD-1 attribute"

echo "== ping"
expect 0 osdctl ping --count 3 --interval 0
[ "$(echo "$out" | grep -c ': ready, ')" = 3 ] || die "ping: $out"
"$OSDCTL" ping --count 0 --interval 20 >ping.out &
pinger=$!
until grep -q '^5:' ping.out; do sleep 0.1; done
kill -TERM $pinger
wait $pinger || die "an interrupted ping ended with $?"
tail -n 1 ping.out | grep -q 'least, mean, most' || die "ping: $(tail -n 1 ping.out)"

echo "== explain"
expect 0 osdctl explain 8
case $out in *quota*) ;; *) die "explain 8: $out" ;; esac
for sense in 72052400 0x72052400 "72 05 24 00 00 00 00 00" \
    "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 00 00 00"; do
    expect 0 osdctl explain "$sense"
    [ "$out" = "ILLEGAL REQUEST: invalid field in CDB (24h/00h)" ] || die "explain $sense: $out"
done
expect 2 osdctl explain 99

echo "== a store in use"
mkfifo hold
osdctl put hold 0x20000 >/dev/null &
holder=$!
exec 3>hold
expect 7 osdctl info
says "$T/store"
exec 3>&-
wait $holder || die "put from a pipe"
