#!/bin/bash
# Other people's initiators see the unit: Linux's own SCSI layer (through LIO's loopback fabric) with
# sg3_utils on it, and libiscsi's tools over iSCSI. Would catch: data that only our own client finds
# right, a command that makes the kernel's SCSI layer retry, reset or take the unit offline.
# libiscsi's conformance suite, iscsi-test-cu, runs on block devices only (it begins with READ
# CAPACITY(10)) and skips every test here.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

# shows WORDS COMMAND... - the program succeeds and says these words (an extended expression)
shows() {
    local words=$1 out
    shift
    out=$(timeout 60 "$@" 2>&1 </dev/null) || die "$*: exit code $?: $out"
    grep -qE -- "$words" <<<"$out" || die "$*: no \"$words\" in: $out"
}

# refused WORDS COMMAND... - it fails within its time, saying these words
refused() {
    local words=$1 out
    shift
    ! out=$(timeout 60 "$@" 2>&1 </dev/null) || die "$* succeeds: $out"
    grep -qiE -- "$words" <<<"$out" || die "$*: no \"$words\" in: $out"
}

create_osd osd0
wwn=$(sed 's/.*: //' $TARGET/core/user_*/osd0/wwn/vpd_unit_serial)

echo "== libiscsi"
shows 'Lun:0 *Type:OSD' iscsi-ls -s iscsi://127.0.0.1/
shows 'Peripheral Device Type:OSD' iscsi-inq "$OSD_DEVICE"
shows 'Vendor:LIOSD' iscsi-inq "$OSD_DEVICE"
shows 'Page:0x83 DEVICE_IDENTIFICATION' iscsi-inq -e 1 -c 0 "$OSD_DEVICE"
shows "Unit Serial Number:\[$wwn\]" iscsi-inq -e 1 -c 128 "$OSD_DEVICE"
shows 'Designator Type:\(3\) NAA' iscsi-inq -e 1 -c 131 "$OSD_DEVICE"
refused 'capacity' iscsi-readcapacity16 "$OSD_DEVICE"

echo "== Linux finds the unit"
modprobe -a scsi_mod sg tcm_loop
targetcli "/loopback create"
fabric=$(find $TARGET/loopback -maxdepth 1 -name 'naa.*' -printf '%f\n')
targetcli "/loopback/$fabric/luns create /backstores/user:osd/osd0"
wait_for 10 test -e /dev/sg0 || die "no /dev/sg0: $(dmesg | tail)"
D=/dev/sg0
shows 'Vendor: LIOSD +Model: Object Storage' cat /proc/scsi/scsi
shows 'Type: +Object storage' cat /proc/scsi/scsi
shows 'PDT=17 .*' sg_inq $D
shows 'OSD-2 ANSI INCITS 458-2011' sg_inq -d $D
shows 'OSD ANSI INCITS 400-2004' sg_inq -d $D
shows "Unit serial number: $wwn" sg_vpd -a $D
shows 'designator type: NAA' sg_vpd -p di $D
shows 'Security token' sg_vpd $D
shows 'imples 1 lun|implies 1 lun' sg_luns $D
shows 'Control, page_control' sg_modes -a $D
shows 'Supported log pages' sg_logs -a $D
shows 'No Sense' sg_requests $D
shows 'GOOD status' sg_senddiag -t $D
shows 'NO registered reservation keys' sg_persist -k $D
shows 'Command is supported' sg_opcodes --opcode=0x7f,0x8805 $D
shows 'Command is supported' sg_opcodes --opcode=0x7f,0x8885 $D
shows 'NOT supported' sg_opcodes --opcode=0x7f,0x88fe $D
osd=$(sg_opcodes $D | grep -cE '^ 7f +8[8-9a-f][0-9a-f]{2} +(200|236) ')
[ "$osd" -gt 50 ] || die "only $osd OSD commands are reported"

echo "== what is no command here is refused at once, in descriptor format"
refused 'Descriptor format.*Illegal Request' sg_raw -r 36 $D c0 0 0 0 0 0 0 0 0 0
refused 'invalid opcode' sg_readcap $D
refused 'invalid opcode' sg_sync $D
refused 'illegal request' sg_rtpg $D

echo "== a reset from Linux; both ways into the unit at once"
shows '' sg_reset -d $D
wait_for 5 sg_turs $D || die "the unit is not ready after a reset"
osdctl mk partition 0x10000
echo content >/run/tmp/f
osdctl put /run/tmp/f 0x10000/0x10000
for _ in 1 2 3; do
    shows '' sg_turs --number=200 $D &
    turs=$!
    expect 0 osdctl cat 0x10000/0x10000
    wait $turs
done
shows 'LIOSD' sg_inq $D
dmesg >/run/tmp/dmesg
! grep -iE 'offline|I/O error|timing out|rejecting' /run/tmp/dmesg || die "Linux is not content"
targetcli "/loopback delete $fabric"
wait_for 10 test ! -e $D || die "the unit stays behind"
stop_runner TERM
expect 0 osdctl check "$STORE/osd0"
