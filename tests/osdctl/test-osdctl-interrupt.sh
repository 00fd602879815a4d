#!/bin/bash
# SIGINT and SIGTERM in the middle: exit code 12, a sentence or one JSON document, nothing half
# done left behind, and the same command finishes. Would catch: a file under its name that is not
# whole, an object nobody knows of, JSON cut off.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store
mkdir tree
for i in $(seq 20); do
    head -c 20000000 /dev/urandom >"tree/big$i"
done

# stopped CODE SIGNAL BYTES ARGS... - exit code of a copy that gets a signal at so many bytes
stopped() {
    local want=$1 signal=$2 limit=$3 pid done_bytes=0 rc=0 sent=no
    shift 3
    rm -f pipe && mkfifo pipe
    "$OSDCTL" "$@" --progress 4 4>pipe >.out 2>.err &
    pid=$!
    while IFS=/ read -r done_bytes _; do
        if [ $sent = no ] && [ "$done_bytes" -ge "$limit" ]; then
            kill -"$signal" $pid 2>/dev/null
            sent=yes
        fi
    done <pipe
    wait $pid || rc=$?
    [ $rc -eq "$want" ] || die "$* ended with $rc, not $want: $(head -c 500 .err)"
}

echo "== a copy in"
stopped 12 TERM 60000000 cp -r tree 0x10000
grep -qx "osdctl: interrupted; the same command goes on from here" .err || die "$(cat .err)"
expect 0 osdctl check
stopped 12 TERM 300000000 --json cp -r tree 0x10000
json 'error["code"] == 12 and error["status"] == "interrupted"'
expect 0 osdctl cp -r tree 0x10000

echo "== a copy out"
stopped 12 HUP 100000000 cp -r 0x10000 back
for f in back/* back/.osdctl*; do
    [ ! -e "$f" ] || cmp "$f" "tree/${f#back/}" || die "$f is not whole"
done
expect 0 osdctl cp -r 0x10000 back
same tree back

echo "== put and get"
(
    mkfifo slow
    "$OSDCTL" put slow 0x10000 >.out 2>.err &
    pid=$!
    exec 3>slow
    sleep 0.5
    kill -TERM $pid
    wait $pid
    [ $? -eq 12 ] || die "put: $(cat .err)"
) || exit 1
expect 0 osdctl ls 0x10000
[ "$(echo "$out" | wc -l)" -eq 20 ] || die "the object stays"

echo "== a signal that the caller ignores stays ignored"
(trap '' HUP && stopped 0 HUP 1 cp -r tree 0x20000) || exit 1
