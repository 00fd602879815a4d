#!/bin/bash
# osdctl with --secmgr: it just works for who may, and a refusal says who, what and which permission
# is missing; rules, groups and keys from the command line; a device that lost its keys; expiry.
# Would catch: clients that need to know about credentials, refusals nobody can act on.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)
start_target
write_config one
start_manager one
export OSD_DEVICE=$DEVICE OSD_SECMGR=$SECMGR


echo "== enrol, rules, and the usual verbs"
echo "$MASTER" >master.key
expect 5 osdctl --secmgr= ls
expect 3 osdctl ls
says 'no OSD'
expect 0 osdctl key enrol disk1 "$DEVICE" master.key
expect 0 osdctl acl set disk1 root "$me" read,get-attr,set-attr,create,remove,gbl-rem,obj-mgmt \
    read,write,append,create,remove,get-attr,set-attr,obj-mgmt
expect 0 osdctl mk partition 0x10000
expect 0 osdctl put /etc/services 0x10000/0x10001
expect 0 osdctl get 0x10000/0x10001 copy
cmp copy /etc/services || die "another content"
expect 0 osdctl ls 0x10000
says 0x10001
expect 0 osdctl append /etc/services 0x10000/0x10001
expect 0 osdctl stat 0x10000/0x10001
expect 0 osdctl quota 0x10000 objects 100
expect 0 osdctl -g 1 cat 0x10000/0x10001
expect 0 osdctl rm 0x10000/0x10001
mkdir tree && cp /etc/s* tree 2>/dev/null
expect 0 osdctl cp -q -r tree 0x10000
expect 0 osdctl cp -q -r 0x10000 back
diff -r tree back >/dev/null || die "trees differ"

echo "== many small files: one question for some hundreds, an entry in the audit log for each"
mkdir many
for i in $(seq 600); do echo $i >many/$i; done
grants() {
    curl -s --unix-socket "${SECMGR#unix:}" http://x/metrics | awk -v want="$1" '$1 == want { print $2 }'
}
questions() {
    echo $(($(grants 'osd_secmgr_requests_total{method="POST",path="/v1/credentials"}') +
            $(grants 'osd_secmgr_requests_total{method="POST",path="/v1/credentials/batch"}')))
}
expect 0 osdctl cp -q -r many 0x20000
for way in "0x20000 many.back" "many 0x20000"; do
    asked=$(questions) granted=$(grants osd_secmgr_grants_total) lines=$(grep -c '"outcome":"granted"' audit.jsonl)
    # shellcheck disable=SC2086 # two words
    expect 0 osdctl cp -q -r $way
    asked=$(($(questions) - asked)) granted=$(($(grants osd_secmgr_grants_total) - granted))
    lines=$(($(grep -c '"outcome":"granted"' audit.jsonl) - lines))
    [ $asked -le 10 ] || die "$way: $asked questions"
    [ $granted -ge 600 ] && [ $granted -eq $lines ] || die "$way: $granted grants, $lines in the audit log"
done
diff -r many many.back || die "trees differ"
ask 400 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x20000","oids":[],"permissions":"read"}'
ask 200 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x20000","oids":["0x10000",65537],"permissions":"read"}'
holds 'len(data["credentials"]) == 2 and data["credentials"][1]["oid"] == "0x10001" and data["refused"] == []'
expect 0 osdctl acl set disk1 0x20000/0x10001 "$me" none
ask 200 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x20000","oids":["0x10000",65537],"permissions":"read"}'
holds 'len(data["credentials"]) == 1 and data["refused"][0]["oid"] == "0x10001" and "no permission read" in data["refused"][0]["message"]'
expect 0 osdctl rm --contents partition 0x20000
expect 0 osdctl acl rm disk1 0x20000/0x10001 "$me"

echo "== a refusal says who, what and which permission is missing"
expect 0 osdctl create 0x10000/0x20000
expect 0 osdctl acl set disk1 0x10000/0x20000 "$me" read,get-attr
expect 0 osdctl cat 0x10000/0x20000
expect 5 osdctl put /etc/services 0x10000/0x20000
expect 5 osdctl append /etc/services 0x10000/0x20000
says "$me has no permission append on object 0x10000/0x20000 of disk1"
expect 5 osdctl --json append /etc/services 0x10000/0x20000
python3 -c 'import json,sys; e = json.load(open(".out"))["error"]; assert e["code"] == 5 and "append" in e["message"]' ||
    die "$(cat .out)"

echo "== rules and groups from the command line"
expect 0 osdctl acl ls disk1
says "0x10000/0x20000  $me  read,get-attr"
expect 0 osdctl acl rm disk1 0x10000/0x20000 "$me"
expect 3 osdctl acl rm disk1 0x10000/0x20000 "$me"
expect 0 osdctl append /etc/services 0x10000/0x20000
expect 2 osdctl acl set disk1 0x10000 user:no-such-user read
expect 1 osdctl acl set disk1 0x10000 joe read
expect 0 osdctl group add staff "$me"
expect 0 osdctl acl set disk1 0x10000/0x20000 group:staff none
expect 5 osdctl cat 0x10000/0x20000
expect 0 osdctl group rm staff "$me"
expect 0 osdctl cat 0x10000/0x20000
expect 0 osdctl --json secmgr status
expect 0 osdctl secmgr osds
says disk1

echo "== keys: rotation and revocation go unnoticed"
for _ in 1 2 3; do
    expect 0 osdctl key rotate disk1 0x10000
done
expect 0 osdctl key ls disk1
says 'version 3'
expect 0 osdctl cat 0x10000/0x20000
expect 0 osdctl key revoke disk1
expect 0 osdctl cat 0x10000/0x20000
expect 0 osdctl key reenrol disk1
expect 0 osdctl cat 0x10000/0x20000

echo "== a partition that is made anew has no keys: the manager finds out"
expect 0 osdctl rm --contents partition 0x10000
expect 0 osdctl mk partition 0x10000
expect 0 osdctl create 0x10000/0x20000
expect 0 osdctl ls 0x10000

echo "== rules that expire"
expect 0 osdctl acl set disk1 0x10000/0x20000 "$me" all - 2
expect 0 osdctl cat 0x10000/0x20000
grep '"outcome":"granted"' audit.jsonl | tail -n 1 | python3 -c '
import json, sys, time
assert json.loads(sys.stdin.read())["expires"] <= time.time() * 1000 + 2000' || die "outlives its rule"

echo "== other methods, both generations"
for number in 1 3; do
    method=$([ $number = 1 ] && echo capkey || echo alldata)
    start_target $number
    expect 0 osdctl --method $method key enrol $method "$DEVICE" master.key
    expect 0 osdctl acl set $method root "$me" all all
    for g in 1 2; do
        pid=0x2000$g
        expect 0 osdctl -d "$DEVICE" -g $g mk partition $pid
        expect 0 osdctl -d "$DEVICE" -g $g put /etc/services $pid/0x10000
        expect 0 osdctl -d "$DEVICE" -g $g get $pid/0x10000 back.$method
        cmp back.$method /etc/services || die "$method: another content"
        expect 0 osdctl -d "$DEVICE" -g $g attr set $pid/0x10000 0x10000 1 hello
        rm back.$method
    done
done

echo "== no manager, or none of several"
expect 6 osdctl --secmgr "unix:$T/nobody" ls
says nobody
expect 0 osdctl --secmgr "unix:$T/nobody,$SECMGR" ls
expect 2 osdctl --secmgr ftp://x ls
expect 2 osdctl --secmgr "$SECMGR" --key master.key acl ls disk1
expect 0 osdctl key forget disk1
expect 3 osdctl ls
