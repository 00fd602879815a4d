#!/bin/bash
# test-osdctl-query.sh - collections, queries in words, their results in every form, with an index and
# without: what a user types finds what it says, and what cannot be asked is refused with a reason
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"

new_store
expect 0 osdctl mk partition 0x10000
: >empty
head -c 3000 /dev/zero >middle
head -c 2097152 /dev/zero >large
n=0
for file in empty middle large middle; do
    n=$((n + 1))
    expect 0 osdctl put $file 0x10000/0x1000$n
done
for pair in 1:alice 2:bob 3:alice 4:a-name-of-more-than-eight-bytes; do
    expect 0 osdctl attr set 0x10000/0x1000${pair%%:*} 1 9 "${pair#*:}"
done

echo "== collections"
expect 0 osdctl collection create 0x10000/0x20000
[ "$out" = 0x10000/0x20000 ] || die "create: $out"
for i in 1 2 3 4; do
    expect 0 osdctl collection add 0x10000/0x20000 0x1000$i
done
expect 0 osdctl collection add 0x10000/0x20000 0x10001
expect 0 osdctl collection drop 0x10000/0x20000 0x10004
expect 0 osdctl collection drop 0x10000/0x20000 0x10004
expect 0 osdctl collection ls 0x10000/0x20000
[ "$out" = "0x10000/0x10001
0x10000/0x10002
0x10000/0x10003" ] || die "members: $out"
expect 0 osdctl collection add 0x10000/0x20000 0x10004
expect 0 osdctl --json collection ls 0x10000/0x20000
json 'd["data"]["count"] == 4 and d["data"]["objects"][3]["id"] == "0x10000/0x10004"'
expect 4 osdctl collection create 0x10000/0x20000
expect 3 osdctl collection ls 0x10000/0x30000
expect 0 osdctl collection ls 0x10000
[ "$out" = "0x10000/0x20000" ] || die "collections: $out"
expect 0 osdctl --json collection ls 0x10000
json 'd["data"] == {"collections": [{"id": "0x10000/0x20000"}], "count": 1}'
expect 3 osdctl collection ls 0x10001
expect 2 osdctl collection rm 0x10000
expect 2 osdctl collection join 0x10000/0x20000
expect 0 osdctl collection track 0x10000/0x20001 0x20000
expect 0 osdctl --json collection track 0x10000
json '"/" in d["data"]["id"]'

# found EXPRESSION OBJECT... - the query finds exactly these
found() {
    local expression=$1 wanted=
    shift
    for i in "$@"; do wanted+="0x10000/0x1000$i"$'\n'; done
    expect 0 osdctl query 0x10000/0x20001 "$expression"
    [ "$out" = "${wanted%$'\n'}" ] || die "$expression: $out"
}

ask_everything() {
    found 'size > 1M' 3
    found 'size > 1M and owner = "alice"' 3
    found 'size > 1M or owner = "alice"' 1 3
    found 'size = 3000' 2 4
    found 'size >= 2M' 3
    found 'size < 3000' 1
    found 'username = "a-name-of-more-than-eight-bytes"' 4
    found 'owner = "carol"'
    found 'owner = "alice" or owner = "bob"' 1 2 3
    found 'id > 0x10002 and size <= 3000' 4
    found 'created >= 2020-01-01' 1 2 3 4
    found 'modified < 2020-01-01'
    found '1:0x9 = 0x626f62' 2
    found '0x10000:5 >= 0'
}

echo "== queries without an index, and with one"
ask_everything
expect 0 osdctl attr set 0x10000 0x3000f000 1 0x0000000100000009
until [ "$(osdctl attr get 0x10000 0x3000f000 0x8001 | od -An -tx1)" = " 02" ]; do
    osdctl ls >/dev/null
done
ask_everything
expect 0 osdctl check "$T/store"

echo "== results as JSON and in a collection"
expect 0 osdctl --json query 0x10000/0x20001 'size >= 3000'
json 'd["data"]["count"] == 3 and d["data"]["objects"][0] == {"id": "0x10000/0x10002"}'
expect 0 osdctl collection track 0x10000/0x20009
expect 0 osdctl --json query --into 0x20009 0x10000/0x20001 'owner = "alice"'
json 'd["data"]["id"] == "0x10000/0x20009"'
expect 0 osdctl collection ls 0x10000/0x20009
[ "$out" = "0x10000/0x10001
0x10000/0x10003" ] || die "into a collection: $out"
expect 0 osdctl query --into 0x20009 0x10000/0x20001 'owner = "bob"'
expect 0 osdctl collection ls 0x10000/0x20009
[ "$out" = "0x10000/0x10002" ] || die "into it again: $out"

echo "== what is refused"
expect 2 osdctl query 0x10000/0x20001 'size > 1 and size < 5 or size = 9'
says 'one level'
says 'character 23'
expect 2 osdctl query 0x10000/0x20001 'size != 1'
says unequal
expect 2 osdctl --json query 0x10000/0x20001 '(size > 1)'
json 'd["error"]["code"] == 2 and "parentheses" in d["error"]["message"]'
expect 2 osdctl query 0x10000 'size > 1'
expect 2 osdctl query --into 5 0x10000/0x20001 'size > 1'
expect 2 osdctl ls --into 0x20009 0x10000
for cid in 0x20000 0x7777777 0x10001; do # linked, missing, a user object
    expect 3 osdctl query 0x10000/$cid 'size > 1'
    says "0x10000/$cid is no tracking collection"
    says 'collection track'
    expect 3 osdctl query --into $cid 0x10000/0x20001 'size > 1'
    says "0x10000/$cid is no tracking collection, which the matches need"
    says 'collection track'
done
expect 1 osdctl query --into 0x20001 0x10000/0x20001 'size > 1'
says 'into itself'

echo "== collections go, members stay"
expect 0 osdctl collection rm 0x10000/0x20000
expect 3 osdctl collection ls 0x10000/0x20000
expect 0 osdctl stat 0x10000/0x10001
