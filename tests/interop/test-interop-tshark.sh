#!/usr/bin/env bash
# Wireshark's OSD dissector, written by others from the standard, reads commands and answers,
# attribute lists in both directions included (test-uml-tshark does it on a real wire).
# usage: test-interop-tshark.sh PATH/osd_drive
set -uo pipefail
here=$(dirname "$0")
command -v tshark >/dev/null || { echo "no tshark"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export HOME=$dir
"$1" "$dir/capture.pcap" >"$dir/meant" || exit 1
"$here/compare_tshark.py" "$dir/capture.pcap" "$dir/meant"
