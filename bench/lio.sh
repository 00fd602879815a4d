#!/bin/bash
# lio.sh - runs inside user-mode Linux (tests/uml/uml-run): four LUNs in one target, then lio
# usage: lio.sh [OPTION OF lio...]; writes lio.json and lio.md beside the logs
# Then the same store in process in the same guest (guest.json), with the options in LIOSD_GUEST: what
# system calls and RocksDB cost there.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

# tcmu-runner reads its handlers at the start.
stop_runner TERM
cp "$BUILD/bench/null_handler.so" "$HANDLERS/handler_osdnull.so"
start_runner
truncate -s 128M "$STORE/block" # nothing allocated

# Every page of the guest's memory is used once: the host hands them out at their first use, and
# that would count as the work of whoever writes to a new block.
mkdir /run/touched
mount -t tmpfs -o size=100% touched /run/touched
free_mib=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
head -c $((free_mib - 200))M /dev/zero >/run/touched/all
umount /run/touched
(umask 077 && "$BUILD/bench/lio" --first-key >"$STORE/first.key")
targetcli <<END
/backstores/user:osd create name=secured size=4T cfgstring=$STORE/secured;security=nosec;master_key_file=$STORE/first.key
/backstores/user:osd create name=object size=4T cfgstring=$STORE/object;security=nosec
/backstores/user:osdnull create name=empty size=4T cfgstring=none
/backstores/fileio create name=block file_or_dev=$STORE/block
/backstores/fileio/block set attribute emulate_tpu=1
/iscsi create $IQN
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/object lun=0
/iscsi/$IQN/tpg1/luns create /backstores/user:osdnull/empty lun=1
/iscsi/$IQN/tpg1/luns create /backstores/fileio/block lun=2
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/secured lun=3
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0
END
"$BUILD/bench/lio" --url "iscsi://127.0.0.1/$IQN" --secured 3 --json "$OUT/lio.json" "$@" | tee "$OUT/lio.md"
read -ra guest <<<"${LIOSD_GUEST:---rounds 7 --batch 300}"
"$BUILD/bench/inproc" --dir "$STORE" --objects 0 --floor "${guest[@]}" --json "$OUT/guest.json" >"$OUT/guest.md"
