#!/bin/bash
# A directory tree goes in and comes out the same, through iSCSI and the kernel.
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
set -e

create_osd osd0
tree=${LIOSD_TREE:-$ROOT/docs}
mkdir -p /run/tmp/tree
cp -a "$tree" /run/tmp/tree/a
cp -a "$ROOT/tests" /run/tmp/tree/b
mkdir "/run/tmp/tree/odd names"
printf 'x' >"/run/tmp/tree/odd names/line
break"
: >"/run/tmp/tree/odd names/empty"
ln -s ../a "/run/tmp/tree/odd names/link"
head -c 5000000 /dev/urandom >/run/tmp/tree/big
time osdctl cp -r /run/tmp/tree 0x10000
time osdctl cp -r 0x10000 /run/tmp/back
diff -r /run/tmp/tree /run/tmp/back
echo "== a second copy finds everything there"
osdctl --json cp -r /run/tmp/tree 0x10000 | jq -e '.data.failed == 0 and .data.skipped == .data.items'
stop_runner TERM
osdctl check "$STORE/osd0"
