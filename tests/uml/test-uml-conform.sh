#!/bin/bash
# The conformance suite through the whole stack: initiator, kernel LIO, tcmu-runner, store. Would
# catch: sense data, residuals or Data-In that the way through the kernel changes.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

(umask 077 && head -c 40 /dev/urandom | od -An -vtx1 | tr -d " \n" >$STORE/master.key)
create_osd osd0 "$STORE/osd0;capacity=1T;security=nosec;master_key_file=$STORE/master.key"
rc=0
osdctl --destructive --key $STORE/master.key conform >/run/tmp/tap || rc=$?
grep -v '^ok' /run/tmp/tap || true
[ $rc -eq 0 ] || die "osdctl conform: exit code $rc"
[ "$(grep -c '^ok' /run/tmp/tap)" -gt 3000 ] || die "fewer cases than there are"
osdctl -j info >/run/tmp/info

echo "== the store is whole after all of it"
stop_runner TERM
osdctl check $STORE/osd0
