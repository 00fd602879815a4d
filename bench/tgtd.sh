#!/usr/bin/env bash
# tgtd.sh - Debian's tgtd with a file as its disk, measured natively by our initiator
# usage: tgtd.sh LIO_PROGRAM DIR CPU [OPTION OF lio...]
# Load generator and tgtd share one CPU, as the two do inside user-mode Linux.
set -euo pipefail
program=$1 dir=$2 cpu=$3
shift 3
port=$((20000 + $$ % 10000)) control=$(($$ % 30000 + 100))
iqn=iqn.2026-11.org.liosd:tgtd
file=$dir/liosd-tgtd-$$
own=$(mktemp -d) # log and control socket; the usual one is root's
export TGT_IPC_SOCKET=$own/socket

adm() { tgtadm -C "$control" --lld iscsi "$@"; }
finish() {
    adm --mode sys --op update --name State -v offline >/dev/null 2>&1 || true
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    rm -rf "$file" "$own"
}

truncate -s 128M "$file"
taskset -c "$cpu" tgtd -f -C "$control" --iscsi portal=127.0.0.1:$port >"$own/log" 2>&1 &
pid=$!
trap finish EXIT
for _ in $(seq 50); do
    adm --mode sys --op show >/dev/null 2>&1 && break
    sleep 0.1
done
adm --mode target --op new --tid 1 -T "$iqn" || {
    cat "$own/log" >&2
    exit 1
}
adm --mode logicalunit --op new --tid 1 --lun 1 -b "$file"
adm --mode logicalunit --op update --tid 1 --lun 1 --params thin_provisioning=1
adm --mode target --op bind --tid 1 -I ALL
taskset -c "$cpu" "$program" --url "iscsi://127.0.0.1:$port/$iqn" --only-block --block 1 "$@"
