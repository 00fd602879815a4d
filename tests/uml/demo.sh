#!/bin/bash
# demo.sh TREE - the session that ./run shows: create, copy a tree in, copy it out, compare
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
tree=$1

# say COMMAND... - print a command as one would type it, then run it
say() {
    echo "\$ $*"
    "$@"
}

echo "\$ targetcli <<END"
cat <<END
/backstores/user:osd create name=osd0 size=4T cfgstring=$STORE/osd0;capacity=100G;security=nosec
/iscsi create $IQN
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd0
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0
END
echo END
create_osd osd0 "$STORE/osd0;capacity=100G;security=nosec"
echo "\$ export OSD_DEVICE=$OSD_DEVICE"
say osdctl info
t0=$(date +%s%N)
say osdctl cp -r "$tree" 0x10000
t1=$(date +%s%N)
say osdctl cp -r 0x10000 /run/tmp/fetched
t2=$(date +%s%N)
say diff -r --no-dereference "$tree" /run/tmp/fetched
say osdctl stat 0x10000
echo "tree identical; in $(((t1 - t0) / 1000000)) ms, out $(((t2 - t1) / 1000000)) ms"
