#!/bin/bash
# Capability keys that were given out are nowhere in the manager's memory: not in replies that were
# sent, not in what JSON was made of. Would catch: a core file, or a page of swap, with keys in it.
# shellcheck source=tests/secmgr/lib.sh
. "$(dirname "$0")/lib.sh"
start_target
write_config one
start_manager one
enrol disk1
rule disk1 '"type":"root","principal":"other","permissions":"all","inherit":"all"'

echo "== the search finds what is there"
echo "$T/one.socket" | python3 "$ROOT/tests/secmgr/find_in_memory.py" "$MANAGER_PID" >times.txt
[ $? -eq 77 ] && { echo "this user may not look into another process"; exit 77; }
[ "$(cut -d' ' -f1 times.txt)" -gt 0 ] || die "nothing is found"

echo "== keys of single credentials and of many"
OSD_SECMGR=$SECMGR osdctl -d "$DEVICE" mk partition 0x10000 || die "no partition"
for i in $(seq 20); do
    ask 200 POST /v1/credentials '{"osd":"disk1","type":"object","pid":"0x10000","oid":'$((65536 + i))',"permissions":"read"}'
    cat .reply && echo
done >replies
oids=$(seq -s, 65600 65800)
ask 200 POST /v1/credentials/batch '{"osd":"disk1","type":"object","pid":"0x10000","oids":['"$oids"'],"permissions":"read"}'
cat .reply >>replies
grep -oE '"key":"[0-9a-f]{40}"' replies | cut -d'"' -f4 >given
[ "$(wc -l <given)" -eq 221 ] || die "$(wc -l <given) keys"
python3 "$ROOT/tests/secmgr/find_in_memory.py" "$MANAGER_PID" <given >times.txt
found=$(grep -cv '^0 ' times.txt)
[ "$found" -eq 0 ] || die "$found of 221 keys are in the manager's memory"
