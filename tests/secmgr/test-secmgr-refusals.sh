#!/bin/bash
# A table of refusals: for each command osdctl says the command, then who may not, which permission is
# missing and on what; the manager's audit log and JSON say the same. Would catch: a refusal in which
# one of them is missing, or the wrong object is named.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)
start_target
write_config one
start_manager one
enrol disk1
rule disk1 '"type":"root","principal":"'"$me"'","permissions":"all","inherit":"all"'
export OSD_DEVICE=$DEVICE OSD_SECMGR=$SECMGR
osdctl mk partition 0x10000 >/dev/null || die "mk"
osdctl create 0x10000/0x10001 >/dev/null || die "create"
echo text >file
rule disk1 '"type":"root","principal":"'"$me"'","permissions":"none","inherit":"none"'

# refused ARGUMENT... :: COMMAND | PERMISSION | PLACE
refused() {
    local words=() rc=0 command permission place sentence
    while [ "$1" != :: ]; do
        words+=("$1")
        shift
    done
    shift
    IFS='|' read -r command permission place <<<"$*"
    sentence="$command: $me has no permission $permission on $place of disk1 ("
    osdctl "${words[@]}" >out 2>err || rc=$?
    [ $rc -eq 5 ] || die "${words[*]} ended with $rc: $(cat out err)"
    grep -qF "osdctl: $sentence" err || die "${words[*]}: \"$sentence\" is not \"$(cat err)\""
    osdctl --json "${words[@]}" >out 2>err && die "${words[*]}"
    python3 - "$sentence" audit.jsonl out "$me" "$permission" <<'END' || die "${words[*]}: $(cat out)"
import json, sys
sentence, log, out, me, permission = sys.argv[1:]
error = json.load(open(out))["error"]
assert error["code"] == 5 and sentence in error["message"], error
last = [json.loads(line) for line in open(log)][-1]
assert last["outcome"] == "refused" and last["caller"] == me, last
assert last["missing"] == permission.split(","), last
assert last["request_id"] in error["message"], last
END
}

object='object 0x10000/0x10001'
refused ls :: 'LIST|read|the root object'
refused ls 0x10000 :: 'LIST|read|partition 0x10000'
refused mk partition 0x20000 :: 'CREATE PARTITION|create|partition 0x20000'
refused rm partition 0x10000 :: 'REMOVE PARTITION|remove|partition 0x10000'
refused rm --contents partition 0x10000 :: 'REMOVE PARTITION|remove,gbl-rem|partition 0x10000'
refused create 0x10000/0x10002 :: 'CREATE|create|new objects in partition 0x10000'
refused cat 0x10000/0x10001 :: "READ|read|$object"
refused append file 0x10000/0x10001 :: "APPEND|append|$object"
refused rm 0x10000/0x10001 :: "REMOVE|remove|$object"
refused flush :: 'FLUSH OSD|obj-mgmt|the root object'
refused attr get 0x10000/0x10001 0x10000 1 :: "GET ATTRIBUTES|get-attr|$object"
refused attr set 0x10000/0x10001 0x10000 1 x :: "SET ATTRIBUTES|set-attr|$object"
refused attr set 0x10000/0x10001 5 0x40000001 abcd :: "SET ATTRIBUTES|set-attr,pol-sec|$object"
refused collection create 0x10000 :: 'CREATE COLLECTION|create|new collections in partition 0x10000'
refused collection ls 0x10000/0x10001 :: 'LIST COLLECTION|read|collection 0x10000/0x10001'

echo "== what the manager's own paths refuse: who, and what it needed"
if [ "$(id -u)" -eq 0 ]; then
    chmod 755 "$T"
    for path in "GET /v1/osds" "GET /metrics" "DELETE /v1/osds/disk1" "GET /v1/osds/disk1/keys"; do
        setpriv --reuid 65534 --clear-groups curl -sS --unix-socket "$T/one.socket" \
            -X "${path% *}" "http://x${path#* }" >reply
        grep -qE '"message": ?"uid:65534 is no administrator( or observer)?: '"${path%% *}"' /[^ ]* needs one"' reply ||
            die "$path: $(cat reply)"
    done
fi
