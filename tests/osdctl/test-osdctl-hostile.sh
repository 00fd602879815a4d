#!/bin/bash
# A device with malicious attributes cannot make cp write outside the destination.
# Would catch: following a symbolic link that came from the device, ".." in a path.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store
osdctl mk partition 0x10000 >/dev/null

# object OID TYPE PATH DATA - one object of a tree, as a hostile device could have it
object() {
    local id=0x10000/$1
    printf '%s' "$4" | osdctl put - "$id" >/dev/null
    osdctl attr set "$id" 0x10000 1 "$3"
    osdctl attr set "$id" 0x10000 2 0x000081a4
    osdctl attr set "$id" 0x10000 3 0x0000000000000001
    osdctl attr set "$id" 0x10000 4 "$2"
    osdctl attr set "$id" 0x10000 5 "0x$(printf %016x ${#4})"
}

mkdir outside
echo safe >outside/file
object 0x10001 f ../outside/file evil
object 0x10002 f "$T/outside/file" evil
object 0x10003 f a/../../outside/file evil
object 0x10004 l link "$T/outside"
object 0x10005 f link/file evil
object 0x10006 d link ""
object 0x10007 f . evil
object 0x10008 f a//b evil
object 0x10009 x unknown evil
object 0x1000a l filelink "$T/outside/file"
object 0x1000b f filelink evil
object 0x1000c f good/file fine
object 0x1000d f text:a/ evil
for _ in 1 2 3; do
    expect 10 osdctl cp -r 0x10000 out
    says "outside/file: the path is not a relative one"
    [ "$(cat outside/file)" = safe ] || die "wrote outside the destination"
    [ "$(ls outside)" = file ] || die "made something outside: $(ls outside)"
    [ "$(cat out/good/file)" = fine ] || die "the good file is missing"
    expect 10 osdctl --json cp -r 0x10000 out
    json 'data["failed"] >= 7'
done

echo "== names with control characters do not reach the terminal raw"
object 0x10010 f "../$(printf '\033[2J')" evil
osdctl cp -r 0x10000 out 2>&1 | grep -q "$(printf '\033')" && die "escape sequence printed"

osdctl attr set 0x10000 0x30000001 9 "$(printf 'a\033[2Jb\nc')"
expect 0 osdctl stat 0x10000
case $out in *'username                 a\033[2Jb\012c'*) ;; *) die "stat: $out" ;; esac
expect 3 osdctl put "$(printf '\033[2J')" 0x10000
says '\033[2J: No such file'

echo "== what an object or attribute holds does not command a terminal either"
printf 'a\033[2J\nb\342\200\223\302\233c\233\td\r' >evil
osdctl put evil 0x10000/0x10020 >/dev/null
osdctl attr set 0x10000/0x10020 0x10000 9 "0x$(od -An -tx1 evil | tr -d ' \n')"
for verb in "cat 0x10000/0x10020" "get 0x10000/0x10020 -" "attr get 0x10000/0x10020 0x10000 9"; do
    script -qec "$(printf %q "$OSDCTL") $verb" /dev/null >typescript </dev/null
    grep -q "$(printf 'b\342\200\223\\\\302\\\\233c\\\\233\td\\\\015')" typescript ||
        die "$verb on a terminal: $(od -c typescript)"
    grep -q "$(printf '\033')" typescript && die "$verb: escape sequence printed"
    osdctl $verb | cmp - evil || die "$verb: not what is stored"
done
osdctl rm 0x10000/0x10020

echo "== attributes of wrong lengths are not believed"
osdctl attr set 0x10000/0x1000c 0x10000 5 0xff
expect 10 osdctl cp -r 0x10000 out2
says "good/file: incomplete"

echo "== an object shorter than it says is an error"
osdctl attr set 0x10000/0x1000c 0x10000 5 0x00000000000000ff
expect 10 osdctl cp -r 0x10000 out3
says "shorter than its attributes say"
[ ! -e out3/good/file ] || die "a short file has its name"
exit 0
