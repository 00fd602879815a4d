#!/bin/bash
# HMAC-SHA256 from end to end: a manager that gives it out, clients that follow the credential, osdctl
# with a key file that asks the device; a device of another vendor, whose code E0h is its own.
# Would catch: an algorithm that is taken for granted, clients that do not follow the manager.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)

again() { # LINE - the manager with another algorithm
    kill "$MANAGER_PID" && wait "$MANAGER_PID"
    sed -i "s/^icv_algorithm.*/icv_algorithm = $1/" one.conf
    start_manager one
    export OSD_SECMGR=$SECMGR
}
rights() { # OSD
    expect 0 osdctl acl set "$1" root "$me" read,get-attr,set-attr,create,remove,gbl-rem,obj-mgmt \
        read,write,append,create,remove,get-attr,set-attr,obj-mgmt
}
(umask 077 && echo "$MASTER" >master.key)

echo "== by every method: credentials and commands with HMAC-SHA256"
write_config one '[credentials]' 'icv_algorithm = sha256'
start_manager one
export OSD_SECMGR=$SECMGR
n=0
for method in capkey cmdrsp alldata; do
    n=$((n + 1))
    start_target $n
    export OSD_DEVICE=$DEVICE
    expect 0 osdctl --method $method key enrol disk$n "$DEVICE" master.key
    rights disk$n
    expect 0 osdctl mk partition 0x10000
    expect 0 osdctl put /etc/services 0x10000/0x10001
    expect 0 osdctl get 0x10000/0x10001 copy$n
    cmp copy$n /etc/services || die "another content"
    expect 0 osdctl -g 1 cat 0x10000/0x10001
    expect 0 osdctl cp -q -r "$ROOT/tests/security" 0x10000
    expect 0 osdctl compare 0x10000/0x10001 0x10000/0x10001
    expect 0 osdctl key rotate disk$n
    expect 0 osdctl key revoke disk$n 0x10000
    expect 0 osdctl key reenrol disk$n
    expect 0 osdctl get 0x10000/0x10001 copy
done
ask 200 POST /v1/credentials '{"osd":"disk2","type":"object","pid":"0x10000","oid":65537,"permissions":"read"}'
holds 'data["icv_algorithm"] == "sha256" and int(data["capability"][2:4], 16) & 15 == 2'
ask 200 POST /v1/credentials/batch '{"osd":"disk2","type":"object","pid":"0x10000","oids":[65537],"permissions":"read"}'
holds '[c["icv_algorithm"] for c in data["credentials"]] == ["sha256"]'
grep '"outcome":"granted"' audit.jsonl | grep -q '"icv_algorithm":"sha256"' || die "not in the audit log"
expect 0 osdctl secmgr status
says 'icv_algorithm sha256'
ask 200 GET /v1/osds
holds 'all(o["icv_algorithm"] == "sha256" and o["icv_algorithms"] == ["sha1", "sha256"] for o in data["osds"])'
expect 0 osdctl secmgr osds
says 'cmdrsp  sha256'

echo "== another setting counts for the next credential"
again sha1
expect 0 osdctl get 0x10000/0x10001 copy
ask 200 POST /v1/credentials '{"osd":"disk2","type":"object","pid":"0x10000","oid":65537,"permissions":"read"}'
holds 'data["icv_algorithm"] == "sha1" and int(data["capability"][2:4], 16) & 15 == 1'

echo "== a device of another vendor has what the standard has"
start_target 2 foreign
export OSD_DEVICE=$DEVICE
expect 0 osdctl key enrol other "$DEVICE" master.key
rights other
expect 0 osdctl mk partition 0x10000
again sha256
expect 1 osdctl put /etc/services 0x10000/0x10001
says 'other has no integrity algorithm sha256, which icv_algorithm of the security manager asks for: it lists HMAC-SHA1'
ask 501 POST /v1/credentials '{"osd":"other","type":"partition","pid":"0x10000","permissions":"read"}'
holds 'error["code"] == "unsupported"'
ask 200 GET /v1/osds
holds '[("icv_algorithm" in o, o["icv_algorithms"]) for o in data["osds"] if o["name"] == "other"] == [(False, ["sha1"])]'

echo "== what counts for one device only"
printf '[osd other]\nicv_algorithm = sha1\n' >>one.conf
kill "$MANAGER_PID" && wait "$MANAGER_PID"
start_manager one
expect 0 osdctl put /etc/services 0x10000/0x10001
ask 200 GET /v1/osds
holds 'sorted((o["name"], o["icv_algorithm"]) for o in data["osds"]) == [("disk1", "sha256"), ("disk2", "sha256"), ("disk3", "sha256"), ("other", "sha1")]'
sed -i '/^\[osd other/,$d' one.conf
again best
expect 0 osdctl put /etc/services 0x10000/0x10001
expect 0 osdctl cat 0x10000/0x10001
kill -0 "$TARGET_PID" || die "the device was shown an algorithm that it does not have"
expect 0 osdctl secmgr osds
says 'cmdrsp  sha1'
says 'cmdrsp  sha256'

echo "== osdctl with a key file asks the device"
unset OSD_SECMGR
for kind in "" foreign; do
    # shellcheck disable=SC2086 # nothing, or one word
    start_target 2 $kind
    export OSD_DEVICE=$DEVICE
    for hmac in sha1 best sha256; do
        rc=0
        [ $kind$hmac = foreignsha256 ] && rc=1
        [ $rc = 1 ] || expect 0 osdctl --key master.key --hmac $hmac key install
        expect $rc osdctl --key master.key --hmac $hmac ls
    done
    [ -z "$kind" ] || says 'the device has no integrity algorithm sha256: it lists HMAC-SHA1'
    kill -0 "$TARGET_PID" || die "the device was shown an algorithm that it does not have"
done
expect 2 osdctl --hmac sha256 ls
says '--hmac goes with --key'
