#!/bin/bash
# Wireshark's OSD dissector, written by others from the standard, reads what our client sends and
# what the device answers. Would catch: a field at a wrong place that encoder and decoder agree on.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

create_osd osd0
modprobe -q af_packet || true
dumpcap -q -i lo -f 'tcp port 3260' -w /run/tmp/cap.pcapng >/run/tmp/dumpcap.log 2>&1 &
capture=$!
wait_for 20 grep -q 'File:' /run/tmp/dumpcap.log || {
    cat /run/tmp/dumpcap.log
    die "dumpcap does not start"
}
"$BUILD/tests/interop/osd_drive" "$OSD_DEVICE" >/run/tmp/meant
sleep 1
kill -INT $capture
wait $capture || true
cp /run/tmp/cap.pcapng /run/tmp/meant "$OUT/"
"$ROOT/tests/interop/compare_tshark.py" /run/tmp/cap.pcapng /run/tmp/meant
