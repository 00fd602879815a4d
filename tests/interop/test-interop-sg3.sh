#!/usr/bin/env bash
# sg3_utils, written by others from SPC and OSD, reads our INQUIRY data, VPD pages and sense data.
# Would catch: a field at a wrong place that our own encoder and decoder agree on.
# usage: test-interop-sg3.sh PATH/wire_bytes
set -uo pipefail
bytes=$1
for tool in sg_inq sg_vpd sg_decode_sense; do
    command -v $tool >/dev/null || { echo "no $tool: sg3-utils is missing"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
checked=0

# hex NAME - the bytes as sg3_utils wants them
hex() {
    "$bytes" "$1" | od -An -v -tx1 >"$dir/hex"
    [ -s "$dir/hex" ] || { echo "$1: no bytes"; exit 1; }
}

# says NAME LINE... - every line (a fixed string) is in what the tool printed
says() {
    local name=$1 line
    shift
    for line in "$@"; do
        checked=$((checked + 1))
        grep -qF -- "$line" "$dir/said" && continue
        echo "$name: not said: $line"
        failed=$((failed + 1))
    done
    if grep -qiE 'unable|invalid length|too short|truncated|>>>|error:' "$dir/said" &&
        [ "$name" != vpd-token ]; then
        echo "$name: complaints:"
        cat "$dir/said"
        failed=$((failed + 1))
    fi
}

inquiry() {
    hex "$1"
    sg_inq --inhex="$dir/hex" -d >"$dir/said" 2>&1
    says "$@"
}

vpd() {
    hex "$1"
    sg_vpd --inhex="$dir/hex" >"$dir/said" 2>&1
    says "$@"
}

sense() {
    hex "$1"
    sg_decode_sense --file="$dir/hex" >"$dir/said" 2>&1
    says "$@"
}

inquiry inquiry "PDT=17" "version=0x06  [SPC-4]" "Resp_data_format=2" "CmdQue=1" \
    "length=96 (0x60)   Peripheral device type: object based storage" \
    "Vendor identification: LIOSD   " "Product identification: Object Storage  " \
    "Product revision level: 0.1 " "SAM-4 (no version claimed)" "iSCSI (no version claimed)" \
    "SPC-4 (no version claimed)" "OSD ANSI INCITS 400-2004" "OSD-2 ANSI INCITS 458-2011"
vpd vpd-supported "Supported VPD pages [sv]" "Unit serial number [sn]" \
    "Device identification [di]" "Security token (OSD) [st]"
vpd vpd-serial "Unit serial number: 0123456789abcdef"
vpd vpd-identification "Addressed logical unit:" "designator type: NAA,  code set: Binary" \
    "0x3001020304050607" "designator type: T10 vendor identification,  code set: ASCII" \
    "vendor id: LIOSD   " "vendor specific: 0123456789abcdef"
# It knows this one by name only and prints the bytes.
vpd vpd-token "Security token VPD page (OSD):" "11 b1 00 10 73 69 78 74"
sense sense-field "Descriptor format, current; Sense key: Illegal Request" \
    "Additional sense: Invalid field in cdb" "Error in Command: byte 129" \
    "Descriptor type: OSD object identification" \
    "00 00 00 00 00 00 00 10 30 30 a0 00 00 00 00 00 00 00 00 01 00 00" "00 00 00 01 00 05"
sense sense-param "Additional sense: Invalid field in parameter list" \
    "Error in Data parameters: byte 300"
sense sense-quota "Sense key: Data Protect" "Additional sense: Quota error" \
    "Descriptor type: OSD attribute identification" "00 00 30 00 00 02 00 01 00 01"
sense sense-past-end "Sense key: Recovered Error" \
    "Additional sense: Read past end of user object" \
    "Descriptor type: Command specific: 0x0000000000001267"
sense sense-icv "Additional sense: Nonce not unique" \
    "Descriptor type: Information: 0x0000000000000063" \
    "Descriptor type: OSD response integrity check value"
echo "$checked statements compared, $failed differences"
[ $failed -eq 0 ] && [ $checked -gt 40 ]
