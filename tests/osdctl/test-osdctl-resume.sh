#!/bin/bash
# A copy killed with kill -9 at some moment leaves a sound store, and the same command finishes
# it: nothing that is complete is sent again, nothing incomplete is taken for complete.
# Would catch: a mark of completeness set too early, a resumed file with a gap.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store
mkdir tree
for i in $(seq 40); do
    head -c $((i * 7001)) /dev/urandom >tree/small$i
done
for i in 1 2 3; do
    head -c $((30000000 + i)) /dev/urandom >tree/big$i
done

# killed_after BYTES ARGS... - kill -9 once so many bytes are reported
killed_after() {
    local limit=$1 pid done_bytes=0
    shift
    rm -f pipe && mkfifo pipe
    "$OSDCTL" "$@" --progress 4 4>pipe >/dev/null 2>&1 &
    pid=$!
    while IFS=/ read -r done_bytes _; do
        [ "$done_bytes" -lt "$limit" ] || break
    done <pipe
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
}

echo "== in"
for limit in 1 5000000 20000000 40000000 70000000; do
    killed_after $limit cp -r tree 0x10000
    expect 0 osdctl check
    rc=0
    osdctl cp -r 0x10000 part >/dev/null 2>.err || rc=$?
    [ $rc -eq 0 ] || [ $rc -eq 10 ] || die "copy out of a part: $rc, $(cat .err)"
    for f in part/*; do
        [ ! -e "$f" ] || cmp "$f" "tree/${f#part/}" || die "an incomplete file came out"
    done
    rm -rf part
done
expect 0 osdctl --json cp -rn tree 0x10000
json 'data["skipped"] > 0 and all(p["action"] in ("new", "resume") for p in data["plan"])'
expect 0 osdctl cp -r tree 0x10000

echo "== out"
for limit in 1 5000000 40000000; do
    killed_after $limit cp -r 0x10000 back
    for f in back/*; do
        [ ! -e "$f" ] || cmp "$f" "tree/${f#back/}" || die "an incomplete file has its name"
    done
done
expect 0 osdctl --json cp -r 0x10000 back
json 'data["skipped"] > 0 and data["failed"] == 0'
same tree back

echo "== a big file goes on where it was, and is sent anew when it changed meanwhile"
osdctl mk partition 0x20000 >/dev/null
killed_after 10000000 cp -r tree 0x20000
touch tree/big1 tree/big2 tree/big3
expect 0 osdctl cp -r tree 0x20000
expect 0 osdctl cp -r 0x20000 back2
same tree back2
