#!/bin/bash
# One object's way through the whole stack: created with targetcli, stored and fetched over iSCSI.
# If this fails, nothing else matters.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

create_osd osd0
echo "== INQUIRY by somebody else's tool"
iscsi-ls -s iscsi://127.0.0.1/ || true
iscsi-inq iscsi://127.0.0.1/$IQN/0 || true

echo "== osdctl"
osdctl info
osdctl mk partition 0x10000
head -c 3000000 /dev/urandom >/run/tmp/in
osdctl put /run/tmp/in 0x10000/0x10005
osdctl get 0x10000/0x10005 /run/tmp/out
cmp /run/tmp/in /run/tmp/out
osdctl attr set 0x10000/0x10005 0x10000 7 hello
[ "$(osdctl attr get 0x10000/0x10005 0x10000 7)" = hello ]
osdctl stat 0x10000/0x10005
[ "$(osdctl ls 0x10000)" = 0x10000/0x10005 ]
osdctl -g 1 ls 0x10000
osdctl -g 1 stat 0x10000/0x10005
osdctl rm 0x10000/0x10005
rc=0
osdctl cat 0x10000/0x10005 || rc=$?
[ $rc -eq 3 ] || die "reading a removed object: exit code $rc, want 3"
osdctl rm partition 0x10000
expect 3 osdctl -d iscsi://127.0.0.1/$IQN/7 info

echo "== clean stop leaves a clean store"
stop_runner TERM
osdctl check "$STORE/osd0"
