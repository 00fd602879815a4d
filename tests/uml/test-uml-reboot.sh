#!/bin/bash
# The machine restarts: once in good order, once by a power cut under load. The saved configuration
# is restored, the content is there, and with sync=always so is every command that was acknowledged
# before the cut, none of them twice; with the default, what was flushed. Would catch: GOOD before the
# data is on stable storage, a store that does not open after a crash of the whole machine,
# configuration that saveconfig does not keep.
# Runs with --boots 3 and a disk.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
LOAD="$BUILD/tests/uml/osd_load"
SAVED=$STORE/saveconfig.json
LAZY=iscsi://127.0.0.1/$IQN/1
load=(-c 4 -n 20000 -s 600 -a "$OUT/acked" 0x10000 0x10001)

# tree_matches - what was stored in the first boot is there
tree_matches() {
    rm -rf /run/tmp/back
    osdctl -q cp -r 0x20000 /run/tmp/back
    diff -r "$ROOT/docs" /run/tmp/back
}

# flushed_matches - so is what was flushed in the second boot
flushed_matches() {
    rm -rf /run/tmp/back
    osdctl -q -d "$LAZY" cp -r 0x20000 /run/tmp/back
    diff -r "$ROOT/tests/uml" /run/tmp/back
}

echo "== boot $LIOSD_BOOT"
case $LIOSD_BOOT in
1)
    create_osd osd0 "$STORE/osd0;capacity=1T;security=nosec;sync=always"
    osdctl mk partition 0x10000
    osdctl create 0x10000/0x10001
    osdctl -q cp -r "$ROOT/docs" 0x20000
    targetcli <<END
/backstores/user:osd create name=osd1 size=4T cfgstring=$STORE/osd1;security=nosec
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd1
END
    targetcli "saveconfig $SAVED"
    stop_runner TERM
    ;;
2)
    targetcli "restoreconfig $SAVED"
    tree_matches || die "other content after a reboot"
    osdctl -q -d "$LAZY" cp -r "$ROOT/tests/uml" 0x20000
    osdctl -d "$LAZY" flush
    osdctl -d "$LAZY" mk partition 0x10000
    osdctl -d "$LAZY" create 0x10000/0x10001
    OSD_DEVICE=$LAZY timeout 60 "$LOAD" append -c 2 -n 90000 -s 5000 -a /run/tmp/acked 0x10000 \
        0x10001 &
    timeout 60 "$LOAD" append -y "${load[@]}" &
    sleep 4
    [ "$(jobs -r | wc -l)" -eq 2 ] || die "the load has ended: nothing to interrupt"
    touch "$OUT/cut"
    sleep 60
    die "the power is still on"
    ;;
3)
    expect 0 osdctl check "$STORE/osd0"
    osdctl check "$STORE/osd1" || echo "exit code $?: what was not flushed may be damaged"
    targetcli "restoreconfig $SAVED"
    tree_matches || die "other content after a power cut"
    flushed_matches || die "flushed content is not there after a power cut"
    expect 0 "$LOAD" verify "${load[@]}" >/run/tmp/verdict
    cat /run/tmp/verdict
    [ "$(sed 's/.*: \([0-9]*\) records.*/\1/' /run/tmp/verdict)" -gt 100 ] ||
        die "too few records to say anything"
    expect 0 osdctl create 0x10000/0x10002
    expect 0 osdctl -d "$LAZY" create 0x20000/0x99999
    stop_runner TERM
    expect 0 osdctl check "$STORE/osd0"
    ;;
esac
