#!/bin/bash
# --json on every verb: one JSON document on standard output, success or failure, and nothing
# else there. Would catch: a verb that forgets it, text mixed in, a value cut or not escaped.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
new_store --capacity 1g

ok() {
    local what=$1
    shift
    expect 0 osdctl --json "$@"
    json "$what"
}

bad() {
    local code=$1 what=$2
    shift 2
    expect "$code" osdctl --json "$@"
    [ -z "$err" ] || die "$*: text beside the JSON: $err"
    json "error['code'] == $code and $what"
}

echo "== every verb that succeeds"
ok 'data["total_capacity"] == 1 << 30 and data["partitions"] == 0 and data["vendor"]' info
ok 'data == {"partitions": [], "count": 0}' ls
ok 'data == {"id": "0x10000"}' mk partition 0x10000
ok 'data == {"partitions": [{"id": "0x10000"}], "count": 1}' ls
ok 'data == {"objects": [], "count": 0}' ls 0x10000
ok 'data == {"id": "0x10000/0x10001"}' create 0x10000/0x10001
head -c 4000001 /dev/urandom >in
ok 'data == {"id": "0x10000/0x10002", "length": 4000001}' put in 0x10000/0x10002
ok 'data == {"id": "0x10000/0x10001", "length": 4000001}' append in 0x10000/0x10001
ok 'data == {"id": "0x10000/0x10002", "length": 4000001}' get 0x10000/0x10002 back
cmp in back || die "get --json"
ok 'data["length"] == 4000001 and __import__("base64").b64decode(data["content_base64"])
    == open("in", "rb").read()' cat 0x10000/0x10002
ok 'data["objects"][1] == {"id": "0x10000/0x10002", "length": 4000001}' ls -l 0x10000
ok 'data["partitions"] == [{"id": "0x10000", "objects": 2}]' ls -l
ok 'data["length"] == 4000001 and data["created_ms"] > 1e12' stat 0x10000/0x10002
ok 'data["objects"] == 2 and data["id"] == "0x10000"' stat 0x10000
ok 'data == {}' attr set 0x10000/0x10001 0x10000 5 'say "ä\"'
ok 'bytes.fromhex(data["value_hex"]).decode() == "say \"ä\\\"" and data["number"] == 5
    and data["page"] == 0x10000 and data["length"] == 9' attr get 0x10000/0x10001 0x10000 5
value=$(printf '%0200d' 7)
ok 'data == {}' attr set 0x10000/0x10001 0x10000 6 "$value"
ok 'data["count"] == 2 and bytes.fromhex(data["attributes"][1]["value_hex"]) == b"0"*199 + b"7"' \
    attr ls 0x10000/0x10001 0x10000
ok 'data == {}' attr rm 0x10000/0x10001 0x10000 6
ok 'data == {"id": "0x10000", "capacity": None, "objects": None, "length": None}' quota 0x10000
ok 'data == {"id": "0x10000", "objects": 2}' quota 0x10000 objects 2
ok 'data["objects"] == 2' quota 0x10000
ok 'data == {"id": "0x10000", "objects": None}' quota 0x10000 objects none
ok 'data == {}' flush
ok 'data == {"id": "0x40000"}' snapshot create 0x10000 0x40000
ok 'data["duplicate"] == "snapshot" and data["source"] == "0x10000"' stat 0x40000
ok 'data["duplicate"] is None and data["source"] is None' stat 0x10000
ok 'data == {"ranges": []}' compare 0x10000/0x10001 0x40000/0x10001
ok 'data == {}' snapshot refresh 0x40000
ok 'data == {}' rm partition 0x40000 --contents
mkdir -p tree/sub && echo x >tree/sub/file
ok 'data["failures"] == [] and data["items"] == 2 and data["bytes"] == 2 and not data["dry_run"]
    and data["partition"] == "0x20000"' cp -r tree 0x20000
ok 'data["skipped"] == 2 and data["items"] == 2' cp -r tree 0x20000
ok 'data["plan"] == [{"action": "fetch", "path": "sub", "bytes": 0},
    {"action": "fetch", "path": "sub/file", "bytes": 2}]' cp -rn 0x20000 out
ok 'data["items"] == 2' cp -r 0x20000 out
ok 'data["sent"] == data["ready"] == 2 and data["replies"][1]["ready"]' \
    ping --count 2 --interval 0
ok 'data["text"] == "not found"' explain 3
ok 'data == {}' rm 0x10000/0x10001
ok 'data == {}' rm --contents partition 0x10000
ok 'data["findings"] == [] and data["partitions"] == 1' check
ok 'data == {}' format --yes

echo "== every verb that fails"
bad 3 '"0x99999" in error["message"]' ls 0x99999
bad 3 'error["status"] == "not_found"' stat 0x99999/0x10000
bad 3 True create 0x99999
bad 3 True cat 0x99999/0x10000
bad 3 True get 0x99999/0x10000 out.file
bad 3 True put in 0x99999
bad 3 '"missing" in error["message"]' put missing 0x99999
bad 3 True append in 0x99999/0x10000
bad 3 True rm 0x99999/0x10000
bad 3 True rm partition 0x99999
bad 3 True attr ls 0x99999
bad 3 True attr get 0x99999 0x30010000 1
bad 3 True attr set 0x99999 0x30010000 1 x
bad 3 True quota 0x99999
bad 3 True quota 0x99999 objects 5
bad 3 True cp -r 0x99999 out
bad 3 True cp -r missing 0x20000
bad 3 True cp -r 0x20000 missing/out
bad 3 True check "$T/nothing"
bad 3 '"--create-store" in error["message"]' -d "file://$T/nothing" info
bad 2 'error["status"] == "usage"' format
bad 2 True explain zzz
bad 2 True mk partition 5
osdctl mk partition 0x10000 >/dev/null
bad 4 'error["status"] == "exists"' mk partition 0x10000
bad 6 'error["status"] == "unreachable"' -d iscsi://127.0.0.1:1/iqn.2026-11.org.liosd:x/0 flush

echo "== names that are no UTF-8 and failing items are inside the document"
mkdir odd
touch "odd/$(printf 'latin-\344-1')"
mkfifo odd/fifo
expect 10 osdctl --json cp -r odd 0x30000
json 'error["status"] == "partial" and data["items"] == 2 and data["failed"] == 1
    and data["failures"][0]["path"] == "fifo" and data["failures"][0]["message"]'
expect 0 osdctl --json cp -rn 0x30000 away
json 'data["plan"][0]["path"] == "latin-\ufffd-1"'
[ ! -e away ] || die "a dry run made a directory"
