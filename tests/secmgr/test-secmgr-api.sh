#!/bin/bash
# Every path of the API, with success and failure, against its OpenAPI description; who may use
# which; the rate limit. Would catch: a description that lags behind, a path that everybody may use.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
here=$ROOT/tests/secmgr
start_target
write_config one
start_manager one

# call STATUS METHOD PATH [BODY] - ask, and write it down
call() {
    ask "$@"
    python3 - "$1" "$2" "$3" "${4:-}" "$T/.reply" >>transcript <<'END' || die "transcript"
import json, sys
status, method, path, body, reply = sys.argv[1:]
try:
    request = json.loads(body) if body else None
except ValueError:
    request = None
text = open(reply).read()
json.dump({"status": int(status), "method": method, "path": path, "request": request,
           "reply": json.loads(text) if text.startswith("{") else text}, sys.stdout)
print()
END
}

echo "== every path succeeds for an administrator"
call 200 GET /v1/openapi.json
cmp .reply "$ROOT/secmgr/openapi.json" || die "the description is another than in the tree"
call 200 GET /metrics
call 200 GET /v1/status
call 200 POST /v1/osds '{"name":"disk1","url":"'"$DEVICE"'","master_key":"'"$MASTER"'","method":"cmdrsp"}'
call 200 GET /v1/osds
call 200 GET /v1/osds/disk1/keys
call 200 PUT /v1/osds/disk1/acl '{"type":"root","principal":"other","permissions":["read","create"],"inherit":"all","expires":99999999999999}'
call 200 PUT /v1/osds/disk1/acl '{"type":"object","pid":"0x10000","oid":65536,"principal":"group:staff","permissions":"none"}'
call 200 GET /v1/osds/disk1/acl
call 200 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":"read","lifetime":60,"generation":1}'
holds 'len(data["capability"]) == 160'
call 404 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x10000","oids":["0x10001"],"permissions":"read"}'
call 200 PUT /v1/osds/disk1/acl '{"type":"partition","pid":"0x20000","principal":"other","permissions":"none","inherit":"none"}'
call 200 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x20000","oids":["0x10001",65540],"permissions":"read","lifetime":60,"generation":1}'
call 200 POST /v1/osds/disk1/keys/rotate '{"pid":"0x0"}'
call 200 POST /v1/osds/disk1/keys/rotate '{"revoke":true}'
holds 'data["partitions"] == 1'
call 200 POST /v1/osds/disk1/enrol '{"new_master":true}'
call 200 PUT /v1/groups/staff/members '{"principal":"uid:12"}'
call 200 GET /v1/groups
call 200 DELETE /v1/groups/staff/members '{"principal":"uid:12"}'
call 200 DELETE /v1/osds/disk1/acl '{"type":"object","pid":"0x10000","oid":65536,"principal":"group:staff"}'

echo "== failures have their forms, too"
call 404 DELETE /v1/osds/disk1/acl '{"type":"object","pid":"0x10000","oid":65536,"principal":"group:staff"}'
call 404 DELETE /v1/groups/staff/members '{"principal":"uid:12"}'
call 404 GET /v1/osds/disk2/acl
for place in '"type":"object","pid":"0x10000","oid":"0xffff"' '"type":"collection","pid":"0x10000","oid":5' \
    '"type":"partition","pid":"0xffff"' '"type":"object","pid":0,"oid":"0x10000"'; do
    call 400 PUT /v1/osds/disk1/acl "{$place,"'"principal":"other","permissions":"read"}'
    holds '"is reserved: ids of" in error["message"] and "begin at 0x10000" in error["message"]'
done
call 400 PUT /v1/osds/disk1/acl '{"type":"root","principal":"joe","permissions":"all"}'
call 400 POST /v1/osds '{"name":"x y","url":"'"$DEVICE"'","master_key":"'"$MASTER"'"}'
call 503 POST /v1/osds '{"name":"gone","url":"iscsi://127.0.0.1:1/iqn.x/0","master_key":"'"$MASTER"'"}'
call 400 POST /v1/osds/disk1/keys/rotate '[]'
call 400 POST /v1/credentials '{}'
call 403 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["global"]}'
call 200 DELETE /v1/osds/disk1
call 404 DELETE /v1/osds/disk1

"$BUILD/tests/secmgr/secmgr_routes" >routes
python3 "$here/check_openapi.py" "$ROOT/secmgr/openapi.json" routes transcript || die "description"

echo "== who is no administrator may ask for credentials, nothing more"
kill "$MANAGER_PID"
wait "$MANAGER_PID"
write_config two
sed -i 's/^admin = .*/admin = uid:4711/' two.conf
if [ "$(id -u)" -ne 0 ]; then
    start_manager two
else # root is an administrator by default
    chmod 755 "$T"
    start_manager two
    ask() {
        local want=$1 got
        got=$(setpriv --reuid 65534 --clear-groups curl -sS --unix-socket "${SECMGR#unix:}" \
            -w '%{http_code}' -X "$2" ${4:+-d "$4"} "http://secmgr$3" -o - |
            tee "$T/.raw" | tail -c 3)
        head -c -3 "$T/.raw" >"$T/.reply"
        [ "$got" = "$want" ] || die "$2 $3: $got, not $want: $(cat "$T/.raw")"
    }
fi
while read -r method path; do
    case $path in
    /v1/credentials | /v1/credentials/batch | /v1/openapi.json) continue ;;
    esac
    path=${path/\{osd\}/disk1}
    ask 403 "$method" "${path/\{group\}/staff}" '{}'
    holds '"administrator" in error["message"]'
done <routes
ask 403 GET /metrics
holds 'error["message"].endswith(" is no administrator or observer: GET /metrics needs one")'
ask 404 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["global"]}'

echo "== an observer sees figures, and changes nothing"
kill "$MANAGER_PID"
wait "$MANAGER_PID"
sed -i '/^admin = /a observer = other' two.conf
start_manager two
ask 200 GET /v1/status
ask 200 GET /metrics
ask 403 GET /v1/osds

echo "== the rate limit is each caller's own"
kill "$MANAGER_PID"
wait "$MANAGER_PID"
write_config three '[limits]' 'requests_per_second = 1' 'burst = 60'
start_manager three
codes=$(curl -s -o /dev/null -w '%{http_code}\n' --unix-socket "$T/three.socket" 'http://x/v1/status?[1-300]' |
    sort | uniq -c | tr -s ' \n' ' ')
case $codes in
*" 429 "*) ;;
*) die "no limit: $codes" ;;
esac
until curl -sf -o /dev/null --unix-socket "$T/three.socket" http://x/v1/status; do
    sleep 0.2
done # some tokens are back, not as many as a batch needs
batch='{"osd":"disk1","type":"object","pid":1,"oids":['$(seq -s, 65536 65595)'],"permissions":"read"}'
[ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$T/three.socket" -d "$batch" http://x/v1/credentials/batch)" = 429 ] ||
    die "a batch counts as one"
curl -s -D headers -o /dev/null --unix-socket "$T/three.socket" -d "$batch" http://x/v1/credentials/batch
grep -qi '^retry-after: 1' headers || die "no Retry-After: $(cat headers)"
