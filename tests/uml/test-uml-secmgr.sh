#!/bin/bash
# The security manager over the real stack: it takes a fresh LUN over with its random master key,
# which then opens nothing any more; clients work by rules, through rotation, revocation and a
# killed tcmu-runner; who has no rule stays outside. Would catch: SET MASTER KEY that does not get
# through two-phase transfer, keys that a restart loses, a client that does not ask again.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e
umask 077
cd /run/tmp
dd if=/dev/urandom of=file bs=1k count=3000 2>/dev/null
export OSD_SECMGR=unix:/run/tmp/secmgr.socket

create_osd osd0 patient "$STORE/osd0;capacity=1T"
mv "$STORE/osd0/master.key" first.key
echo "a passphrase for tests only" >passphrase
cat >secmgr.conf <<END
[listen]
unix = /run/tmp/secmgr.socket
[database]
where = /run/tmp/secmgr.db
[keys]
passphrase_file = /run/tmp/passphrase
rotate = 3s
[credentials]
lifetime = 15s
max_lifetime = 30s
[audit]
file = /run/tmp/audit
END
"$BUILD/secmgr/osd-secmgr" -c secmgr.conf >"$OUT/secmgr.log" 2>&1 &
wait_for 20 test -S /run/tmp/secmgr.socket || die "osd-secmgr does not start"

echo "== it takes the LUN over"
expect 0 osdctl key enrol osd0 "$OSD_DEVICE" first.key
expect 5 env OSD_SECMGR= osdctl --key first.key ls
expect 5 osdctl ls
expect 0 osdctl acl set osd0 root uid:0 all all
expect 0 osdctl mk partition 0x10000
expect 0 osdctl put file 0x10000/0x10000

echo "== clients work while keys are rotated every three seconds"
for _ in $(seq 12); do
    expect 0 osdctl get 0x10000/0x10000 back
    cmp file back || die "other bytes came back"
    rm back
    sleep 1
done
[ "$(grep -c '"outcome":"granted"' audit)" -gt 12 ] || die "credentials are not in the audit log"
osdctl key ls osd0
osdctl key ls osd0 | grep -q 'version 0$' && die "no key was rotated"

echo "== tcmu-runner is killed and comes back"
stop_runner KILL
start_runner || die "tcmu-runner did not come back"
expect 0 osdctl get 0x10000/0x10000 back
cmp file back || die "other bytes after the restart"
expect 0 osdctl key revoke osd0 0x10000
expect 0 osdctl cp -q -r "$ROOT/docs" 0x10000
expect 0 osdctl key reenrol osd0
expect 0 osdctl ls 0x10000 >/dev/null

echo "== who has no rule stays outside"
expect 0 osdctl acl set osd0 0x10000/0x10000 uid:0 get-attr
expect 5 osdctl cat 0x10000/0x10000
expect 5 env OSD_SECMGR= osdctl cat 0x10000/0x10000
delete_osd osd0
echo "security manager: good"
