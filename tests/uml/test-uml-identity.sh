#!/bin/bash
# Who the unit is, seen from the initiator: serial number and designators follow the wwn that the
# administrator gives, differ between units, and survive a restart and a new backstore.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
WWN=12345678-9abc-def0-1234-56789abcdef0

# text VPD PAGE's data of LUN $1, page $2, as hexadecimal digits
page() {
    OSD_DEVICE=iscsi://127.0.0.1/$IQN/$1 probe -i 255 "1201${2}00ff00" | sed -n 's/^data //p'
}

targetcli <<END
/backstores/user:osd create name=osd0 size=4T wwn=$WWN cfgstring=$STORE/osd0;security=nosec
/backstores/user:osd create name=osd1 size=4T cfgstring=$STORE/osd1;security=nosec
/iscsi create $IQN
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd0
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/osd1
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0
END
serial=$(printf %s $WWN | xxd -p -c 200)
[ "$(page 0 80)" = "118000$(printf %02x ${#WWN})$serial" ] || die "page 80h of osd0: $(page 0 80)"
[ "$(osdctl --json info | jq -r .data.serial_number)" = $WWN ] || die "root information"
foreign=$(iscsi-inq -e 1 -c 128 "iscsi://127.0.0.1/$IQN/0" 2>&1 || true)
grep -q "\[$WWN\]" <<<"$foreign" || die "iscsi-inq reads another serial number: $foreign"
other=$(page 1 80)
kernel=$(sed 's/.*: //' $TARGET/core/user_*/osd1/wwn/vpd_unit_serial)
[ "${other:8}" = "$(printf %s "$kernel" | xxd -p -c 200)" ] || die "page 80h of osd1: $other"
naa0=$(page 0 83)
naa1=$(page 1 83)
[ "$naa0" != "$naa1" ] || die "two units, one name: $naa0"
# binary, logical unit, NAA, 8 bytes: a locally assigned name
[[ $naa0 =~ ^1183....010300083 ]] || die "no NAA name in $naa0"
echo "names follow the wwn"

stop_runner TERM
start_runner
expect 0 osdctl info
[ "$(page 0 83)" = "$naa0" ] && [ "$(page 1 83)" = "$naa1" ] || die "other names after a restart"
delete_osd osd0
targetcli "/backstores/user:osd create name=new size=8T wwn=$WWN cfgstring=$STORE/osd0;security=nosec"
targetcli "/iscsi/$IQN/tpg1/luns create /backstores/user:osd/new 0"
expect 0 osdctl info
[ "$(page 0 83)" = "$naa0" ] || die "the new backstore has another name: $(page 0 83)"
[ "$(page 0 80)" = "118000$(printf %02x ${#WWN})$serial" ] || die "another serial number"
echo "names survive"

echo "== the kernel's own sense is in descriptor format, because the unit is nominally that large"
# PERSISTENT RESERVE IN with an unknown service action: refused by the kernel itself
expect 1 probe -t 5000 -i 96 5e1f0000000000006000 >/run/tmp/answer
grep -q '^sense 72' /run/tmp/answer || die "fixed format: $(cat /run/tmp/answer)"
