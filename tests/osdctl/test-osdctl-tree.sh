#!/bin/bash
# cp -r: a directory tree goes in and comes out the same, whatever its names are; a second copy
# does nothing; a change is carried over and nothing else.
# Would catch: a name cut or taken apart, a mode or time lost, a hole filled, a wrong skip.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store

mkdir -p "tree/odd names" tree/empty tree/deep tree/modes
cd tree/"odd names" || exit 1
echo 1 >" leading and trailing "
echo 2 >"line
break"
echo 3 >"tab	and \"quotes\" and 'single' and \\ back"
echo 4 >-rf
echo 5 >"$(printf 'latin-\344-1')"
echo 6 >"ünïcödé ☃ 漢字"
echo 7 >"$(printf '%0255d' 0)"
echo 8 >...
echo 9 >'*'
echo 10 >'0x10000'
: >empty
ln -s ../empty "link to a directory"
ln -s nowhere dangling
ln -s "$(printf '%01000d' 0)" "long link"
ln -s / absolute
cd "$T"/tree/deep || exit 1
for _ in $(seq 15); do
    mkdir "$(printf '%0200d' 0)" && cd "$(printf '%0200d' 0)" || exit 1
done
echo deep >file
cd "$T" || exit 1
for size in 1 1048575 1048576 1048577 3000000; do
    head -c $size /dev/urandom >tree/size$size
done
truncate -s 500M tree/sparse
printf 'in the middle' | dd of=tree/sparse bs=1 seek=300000000 conv=notrunc status=none
truncate -s 2M tree/hole
echo x >tree/modes/r && chmod 0400 tree/modes/r
echo x >tree/modes/x && chmod 0755 tree/modes/x
touch -d @-86400.5 tree/modes/before1970
touch -d @4102444800.123456789 tree/modes/in2100
mkdir -m 0500 tree/modes/dir && chmod 1777 tree/empty
touch -d 2001-02-03 tree/empty tree/modes/x "tree/odd names"
touch -h -d 2002-02-03 "tree/odd names/dangling"
n=$(find tree -mindepth 1 -printf x | wc -c)

echo "== a dry run copies nothing"
expect 0 osdctl cp -rn tree 0x10000
[ "$(echo "$out" | grep -c '^new ')" = "$n" ] || die "plan: $(echo "$out" | cut -c1-80)"
expect 0 osdctl ls
[ -z "$out" ] || die "the dry run made $out"

echo "== in and out"
expect 0 osdctl cp -r tree/ 0x10000
case $out in *"$n items"*"(0 were there already, 0 failed)"*) ;; *) die "copy in: $out" ;; esac
expect 0 osdctl cp -r 0x10000 back
case $out in *"$n items"*"(0 were there already, 0 failed)"*) ;; *) die "copy out: $out" ;; esac
same tree back
[ "$(du -k back/sparse | cut -f1)" -lt 4096 ] || die "the hole was filled: $(du -k back/sparse)"
expect 0 osdctl stat "$(osdctl ls -l 0x10000 | awk '$2 == 524288000 {print $1}')"
used=$(echo "$out" | awk '$1 == "used_capacity" {print $2}')
[ "$used" -lt 4000000 ] || die "the object of a sparse file uses $used bytes"

echo "== again: nothing to do, in both directions"
expect 0 osdctl --json cp -r tree 0x10000
json "data['skipped'] == $n == data['items']"
expect 0 osdctl cp -rn tree 0x10000
case $out in "would copy"*) ;; *) die "plan: $(echo "$out" | cut -c1-80)" ;; esac
files=$(find tree \( -type f -o -type l \) -printf x | wc -c)
expect 0 osdctl --json cp -r 0x10000 back
json "data['skipped'] == $files"
same tree back

echo "== changes are carried over, and only these"
echo more >>tree/size1
chmod 0640 tree/modes/x
touch -d 2003-03-03 tree/size3000000
rm "tree/odd names/absolute" && mkdir "tree/odd names/absolute"
echo new >tree/new
expect 0 osdctl --json cp -rn tree 0x10000
json 'sorted((p["action"], p["path"]) for p in data["plan"]) == [("mode", "modes/x"),
    ("new", "new"), ("replace", "odd names"), ("replace", "odd names/absolute"),
    ("replace", "size1"), ("replace", "size3000000")]'
expect 0 osdctl --json cp -r tree 0x10000
json "data['skipped'] == $n - 4"
rm "back/odd names/absolute"
expect 0 osdctl cp -r 0x10000 back
same tree back

echo "== ownership bits are not restored"
mkdir bits && echo x >bits/suid && chmod 6755 bits/suid
expect 0 osdctl cp -r bits 0x20000
expect 0 osdctl cp -r 0x20000 bits.back
[ "$(stat -c %a bits.back/suid)" = 755 ] || die "set-user-ID was restored"

echo "== the device chooses the partition; other objects are left alone and counted"
expect 0 osdctl --json cp -r bits 0
pid=$(python3 -c 'import json; print(json.load(open(".out"))["data"]["partition"])')
expect 0 osdctl put bits/suid "$pid"
expect 0 osdctl --json cp -r "$pid" bits.third
json 'data["items"] == 1 and data["other_objects"] == 1'
[ -f bits.third/suid ] || die "partition $pid"

echo "== progress goes to a descriptor on demand, and nowhere else"
osdctl cp -r --progress 3 0x10000 again 3>progress >/dev/null 2>.err || die "progress"
[ ! -s .err ] || die "standard error has $(cat .err)"
grep -qE '^[0-9]+/[0-9]+$' progress || die "progress: $(cat progress)"
total=$(tail -n 1 progress | cut -d/ -f2)
[ "$(tail -n 1 progress)" = "$total/$total" ] || die "last line: $(tail -n 1 progress)"

echo "== what cannot be copied is named, the rest is copied"
mkdir part && mkfifo part/fifo && echo x >part/file
expect 10 osdctl cp -r part 0x40000
says "fifo: is neither a file"
expect 0 osdctl cp -r 0x40000 part.back
[ -f part.back/file ] || die "the rest was not copied"
if [ "$(id -u)" -ne 0 ]; then
    chmod 0 part/file
    touch part/file
    expect 10 osdctl cp -r part 0x40000
    says "file: Permission denied"
fi

echo "== the store is sound"
expect 0 osdctl check
