#!/bin/bash
# discover and ping against a real iSCSI portal (Debian's tgtd), and a portal that is none.
# Would catch: a URL that the other verbs do not take, an answer "not ready" taken for none.
# Needs tgtd and tgtadm (package tgt) and the right to start them, otherwise exits 77.
# shellcheck source=tests/osdctl/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/ports.sh
. "$ROOT/tests/ports.sh"
if ! command -v tgtd >/dev/null || ! command -v tgtadm >/dev/null; then
    echo "tgtd is not installed"
    exit 77
fi

echo "== no portal"
(unset OSD_DEVICE && expect 2 osdctl discover && says "no portal") || exit 1
expect 6 osdctl discover 127.0.0.1:1
says 127.0.0.1:1
expect 6 osdctl --json discover iscsi://127.0.0.1:1
json 'error["code"] == 6 and data["targets"] == []'
expect 2 osdctl discover http://127.0.0.1

admin() {
    tgtadm --lld iscsi "$@"
}

trap 'tgtd_stop; rm -rf "$T"' EXIT
tgtd_start "$T" || { cat tgtd.log; exit 77; }
port=$tgtd_port
name=iqn.2026-11.org.liosd:portal
truncate -s 1M disk
admin --op new --mode target --tid 1 -T $name
admin --op new --mode logicalunit --tid 1 --lun 1 -b "$T/disk"
admin --op bind --mode target --tid 1 -I ALL

echo "== discover"
expect 0 osdctl discover "127.0.0.1:$port"
echo "$out" | grep -q "^iscsi://127.0.0.1:$port/$name/0\$" || die "discover: $out"
expect 0 osdctl --json -d "iscsi://127.0.0.1:$port" discover
json "data['targets'][0] == {'target': '$name', 'portal': '127.0.0.1:$port',
    'url': 'iscsi://127.0.0.1:$port/$name/0'} and data['count'] == 1"

echo "== ping: the first answer of a new session is a unit attention, then it is ready"
expect 7 osdctl -d "iscsi://127.0.0.1:$port/$name/1" ping --count 3 --interval 1
echo "$out" | grep -q '^1: not ready: UNIT ATTENTION' || die "ping: $out"
echo "$out" | grep -q '^3: ready, ' || die "ping: $out"
expect 7 osdctl --json -d "iscsi://127.0.0.1:$port/$name/1" ping --count 2 --interval 0
json '[r["ready"] for r in data["replies"]] == [False, True] and data["sent"] == 2
    and data["max_us"] >= data["min_us"] > 0 and error["status"] == "busy"'
expect 3 osdctl -d "iscsi://127.0.0.1:$port/iqn.2026-11.org.liosd:other/1" ping

echo "== a logical unit of another kind, and none at all"
expect 1 osdctl -d "iscsi://127.0.0.1:$port/$name/1" info
says "not an object-based storage device (device type 00h)"
expect 3 osdctl -d "iscsi://127.0.0.1:$port/$name/9" ls
says "no such logical unit"
