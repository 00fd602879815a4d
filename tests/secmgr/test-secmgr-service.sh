#!/bin/bash
# The real program with a real device: enrolment, rules, credentials, refusals, the audit log, a
# restart. Would catch: a manager whose parts work one by one only.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
me=uid:$(id -u)
start_target
write_config one
start_manager one

echo "== enrolment takes the device over, once"
ask 403 POST /v1/osds '{"name":"x","url":"'"$DEVICE"'","master_key":"'"${MASTER//5a/5b}"'"}'
holds '"master key" in error["message"]'
enrol disk1
holds 'data["osd_id"].startswith("0103")'
ask 409 POST /v1/osds '{"name":"disk1","url":"'"$DEVICE"'","master_key":"'"$MASTER"'"}'
ask 200 GET /v1/osds
holds '[o["name"] for o in data["osds"]] == ["disk1"]'
ask 200 GET /v1/osds/disk1/keys
holds 'data["partitions"][0]["pid"] == "0x0" and data["partitions"][0]["ready"]'

echo "== nothing is granted without a rule; the refusal says who, what and why"
ask 403 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read","global"]}'
holds 'error["caller"] == "'"$me"'" and error["missing"] == ["read", "global"]'
holds '"'"$me"'" in error["message"] and "root object" in error["message"]'

echo "== a rule grants what it says, no more"
rule disk1 '"type":"root","principal":"'"$me"'","permissions":["read"]'
ask 200 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read"]}'
holds 'len(data["capability"]) == 208 and len(data["key"]) == 40 and data["method"] == "cmdrsp"'
ask 403 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read","global"]}'
holds 'error["missing"] == ["global"]'

echo "== a partition that is not there"
rule disk1 '"type":"partition","pid":"0x10000","principal":"other","permissions":"read"'
ask 404 POST /v1/credentials '{"osd":"disk1","type":"partition","pid":"0x10000","permissions":["read"]}'

echo "== malformed requests"
ask 400 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["reed"]}'
ask 400 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read"],"x":1}'
holds '" x" in error["message"]'
ask 400 POST /v1/credentials 'nonsense'
ask 404 POST /v1/credentials '{"osd":"disk9","type":"root","permissions":["read"]}'
ask 404 GET /v1/nothing
ask 405 GET /v1/credentials
head -c 70000 /dev/zero | tr '\0' x >long
got=$(curl -s --unix-socket "$T/one.socket" -o /dev/null -w '%{http_code}' --data-binary @long http://x/v1/credentials)
[ "$got" = 413 ] || die "a long body is answered with $got"

echo "== every grant, refusal and change is in the audit log, no key is"
python3 - "$me" <<'END' || die "audit log: $(cat audit.jsonl)"
import json, sys
lines = [json.loads(l) for l in open("audit.jsonl")]
def has(**k):
    return any(all(l.get(a) == b for a, b in k.items()) for l in lines)
assert has(event="enrol", outcome="failed") and has(event="enrol", outcome="done", osd="disk1")
assert has(event="credential", outcome="granted", caller=sys.argv[1], permissions=["read"])
assert has(event="credential", outcome="refused", missing=["global"])
assert has(event="acl set", outcome="done", principal="other", pid="0x10000")
assert all(len(l["request_id"]) == 32 and l["time"].endswith("Z") for l in lines)
END
grep -q "$MASTER" audit.jsonl one.log secmgr.db* && die "the master key is in the clear"

echo "== the database is its owner's alone"
for f in secmgr.db*; do
    [ "$(stat -c %a "$f")" = 600 ] || die "mode of $f: $(stat -c %a "$f")"
done

echo "== figures"
curl -s --unix-socket "$T/one.socket" http://x/metrics >metrics
grep -qx 'osd_secmgr_grants_total 1' metrics || die "metrics: $(cat metrics)"
grep -q 'requests_total{method="POST",path="/v1/credentials"} [1-9]' metrics || die "no paths"
ask 200 GET /v1/status
holds 'data["caller"] == "'"$me"'" and data["osds"] == 1'

echo "== when the audit log cannot be written nothing is granted and nothing changed"
kill "$MANAGER_PID"
wait "$MANAGER_PID" || die "SIGTERM: exit code $?"
cp one.conf full.conf
sed -i "s,^file = .*,file = /dev/full,; s,one.socket,full.socket," full.conf
start_manager full
ask 500 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read"]}'
holds '"audit" in error["message"] and "data" not in d'
ask 500 PUT /v1/osds/disk1/acl '{"type":"root","principal":"uid:9","permissions":"all"}'
ask 200 GET /v1/osds/disk1/acl
holds 'not any(r["principal"] == "uid:9" for r in data["rules"])'
kill "$MANAGER_PID"
wait "$MANAGER_PID"
start_manager one

echo "== after a restart everything is as before; with another passphrase nothing opens"
kill "$MANAGER_PID"
wait "$MANAGER_PID" || die "SIGTERM: exit code $?"
start_manager one
ask 200 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read"]}'
kill "$MANAGER_PID"
wait "$MANAGER_PID"
echo "some other passphrase" >passphrase
"$BUILD/secmgr/osd-secmgr" -c one.conf 2>wrong && die "another passphrase is taken"
grep -q "not the passphrase" wrong || die "$(cat wrong)"

echo "== the passphrase as a systemd credential: the same keys open; a store's keys are sealed under one, too"
mkdir -m 700 credentials
(umask 077 && echo "a passphrase for tests only" >credentials/vault)
sed 's,^passphrase_file = .*,passphrase_file = credential:vault,' one.conf >unit.conf
sed -i "s,^unix = .*,unix = $T/unit.socket," unit.conf
env -u CREDENTIALS_DIRECTORY "$BUILD/secmgr/osd-secmgr" -c unit.conf 2>wrong && die "no directory of credentials"
export CREDENTIALS_DIRECTORY=$T/credentials
start_manager unit
ask 200 POST /v1/credentials '{"osd":"disk1","type":"root","permissions":["read"]}'
kill "$MANAGER_PID"
wait "$MANAGER_PID"
echo "$MASTER" >store.key && chmod 600 store.key
(umask 077 && echo "the passphrase of a store" >credentials/liosd-passphrase)
sealed() {
    osdctl -d "file://$T/store" --key store.key "$@"
}
sealed --create-store key install >/dev/null || die "key install"
sealed mk partition 0x10000 >/dev/null || die "mk"
sealed ls >/dev/null || die "ls"
mv credentials/liosd-passphrase credentials/other
sealed ls 2>wrong && die "the store opens without its passphrase"
grep -q 'sealed' wrong || die "$(cat wrong)"
mv credentials/other credentials/liosd-passphrase
sealed ls >/dev/null || die "ls again"
exit 0
