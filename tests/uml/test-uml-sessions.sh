#!/bin/bash
# iSCSI as administrators set it up: data and header digests, CHAP one way and both ways with ACLs,
# also for discovery, several portals of which one goes away under load.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
CLIENT=iqn.2026-11.org.liosd:$(hostname)
BASE=127.0.0.1/$IQN/0

create_osd osd0 patient
osdctl mk partition 0x10000

echo "== data digests"
targetcli "/iscsi/$IQN/tpg1 set parameter DataDigest=CRC32C"
head -c 3000000 /dev/urandom >/run/tmp/in
expect 0 osdctl -d "iscsi://$BASE?digest=data" put /run/tmp/in 0x10000/0x10000
expect 0 osdctl -d "iscsi://$BASE?digest=data" get 0x10000/0x10000 /run/tmp/out
cmp /run/tmp/in /run/tmp/out
echo "== a target that insists on what LIO cannot do with long CDBs, or on nothing we offered"
rc=0
osdctl -d "iscsi://$BASE" info 2>/run/tmp/said || rc=$?
cat /run/tmp/said
[ $rc -ne 0 ] || die "DataDigest=CRC32C is demanded and none was agreed"
grep -qi digest /run/tmp/said || die "nobody says that it is about digests"
targetcli "/iscsi/$IQN/tpg1 set parameter DataDigest=CRC32C,None"
targetcli "/iscsi/$IQN/tpg1 set parameter HeaderDigest=CRC32C"
rc=0
osdctl -d "iscsi://$BASE" info 2>/run/tmp/said || rc=$?
cat /run/tmp/said
[ $rc -ne 0 ] || die "a header digest was agreed"
grep -qi digest /run/tmp/said || die "nobody says that it is about digests"
targetcli "/iscsi/$IQN/tpg1 set parameter HeaderDigest=CRC32C,None"
expect 0 osdctl -d "iscsi://$BASE" info
expect 0 osdctl -d "iscsi://$BASE?digest=data" info

echo "== CHAP"
targetcli <<END
/iscsi/$IQN/tpg1 set attribute authentication=1 generate_node_acls=0
/iscsi/$IQN/tpg1/acls create $CLIENT
/iscsi/$IQN/tpg1/acls/$CLIENT set auth userid=reader password=secretsecret12
END
expect 0 osdctl -d "iscsi://reader%secretsecret12@$BASE" get 0x10000/0x10000 /run/tmp/out
cmp /run/tmp/in /run/tmp/out
expect 5 osdctl -d "iscsi://reader%wrongwrong1234@$BASE" info
expect 5 osdctl -d "iscsi://other%secretsecret12@$BASE" info
expect 5 osdctl -d "iscsi://$BASE" info
echo "== CHAP, both ways"
targetcli "/iscsi/$IQN/tpg1/acls/$CLIENT set auth mutual_userid=target mutual_password=itsmeitsme1234"
both="iscsi://reader%secretsecret12@$BASE?mutual=target%itsmeitsme1234"
expect 0 osdctl -d "$both" get 0x10000/0x10000 /run/tmp/out
cmp /run/tmp/in /run/tmp/out
expect 0 osdctl -d "$both&digest=data" info
expect 5 osdctl -d "iscsi://reader%secretsecret12@$BASE?mutual=target%itsnotme123456" info
echo "== an initiator without an ACL"
hostname stranger
expect 5 osdctl -d "iscsi://reader%secretsecret12@$BASE" info
hostname osdtest

echo "== discovery with CHAP of its own"
targetcli <<END
/iscsi set discovery_auth enable=1 userid=finder password=findersecret1
/iscsi set discovery_auth mutual_userid=directory mutual_password=directorysecret
END
found=$(osdctl discover 'finder%findersecret1@127.0.0.1') || die "discovery with CHAP"
grep -q "$IQN" <<<"$found" || die "discovery with CHAP finds: $found"
expect 5 osdctl discover 'finder%wrongsecret12@127.0.0.1'
expect 5 osdctl discover 127.0.0.1
targetcli "/iscsi set discovery_auth enable=0"
[ "$(osdctl discover 127.0.0.1)" = "$found" ] || die "discovery without CHAP finds something else"

echo "== portals"
targetcli <<END
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1
/iscsi/$IQN/tpg1/acls delete $CLIENT
/iscsi/$IQN/tpg1/portals delete 0.0.0.0 3260
/iscsi/$IQN/tpg1/portals create 127.0.0.1 3260
/iscsi/$IQN/tpg1/portals create 127.0.0.2 3261
END
"$BUILD/tests/initiator/iscsi_probe" -d iscsi://127.0.0.1/ >/run/tmp/targets
cat /run/tmp/targets
grep -q 127.0.0.1:3260 /run/tmp/targets && grep -q 127.0.0.2:3261 /run/tmp/targets ||
    die "discovery does not name both portals"
export OSD_DEVICE="iscsi://$BASE?portal=127.0.0.2:3261"
expect 0 osdctl create 0x10000/0x10001
timeout 120 "$LOAD" append -c 4 -n 8000 -s 500 -a /run/tmp/acked 0x10000 0x10001 &
load=$!
sleep 0.7
kill -0 $load || die "the load ended too early"
targetcli "/iscsi/$IQN/tpg1/portals delete 127.0.0.1 3260"
# existing connections outlive their portal: cut them
echo 0 >$TARGET/iscsi/$IQN/tpgt_1/enable
echo 1 >$TARGET/iscsi/$IQN/tpgt_1/enable
kill -0 $load || die "the load ended too early"
wait $load || die "a client did not find the other portal"
expect 0 "$LOAD" verify -c 4 -n 8000 -s 500 -a /run/tmp/acked 0x10000 0x10001
expect 0 osdctl info
expect 6 osdctl -d "iscsi://$BASE" info
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
