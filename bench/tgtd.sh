#!/usr/bin/env bash
# tgtd.sh - Debian's tgtd with a file as its disk, measured natively by our initiator
# usage: tgtd.sh LIO_PROGRAM DIR CPU [OPTION OF lio...]
# Load generator and tgtd share one CPU, as the two do inside user-mode Linux.
set -euo pipefail
program=$1 dir=$2 cpu=$3
shift 3
# shellcheck source=tests/ports.sh
. "$(dirname "$0")/../tests/ports.sh"
iqn=iqn.2026-11.org.liosd:tgtd
file=$dir/liosd-tgtd-$$
own=$(mktemp -d) # log and control socket; the usual one is root's

adm() { tgtadm --lld iscsi "$@"; }
trap 'tgtd_stop; rm -rf "$file" "$own"' EXIT

truncate -s 128M "$file"
tgtd_start "$own" taskset -c "$cpu" || {
    cat "$own/tgtd.log" >&2
    exit 1
}
adm --mode target --op new --tid 1 -T "$iqn"
adm --mode logicalunit --op new --tid 1 --lun 1 -b "$file"
adm --mode logicalunit --op update --tid 1 --lun 1 --params thin_provisioning=1
adm --mode target --op bind --tid 1 -I ALL
taskset -c "$cpu" "$program" --url "iscsi://127.0.0.1:$tgtd_port/$iqn" --only-block --block 1 "$@"
