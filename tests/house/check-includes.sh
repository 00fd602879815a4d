#!/usr/bin/env bash
# A room includes only what its USES line allows. The build enforces it for "<room>/x.h" (the
# include path of a room exists only for rooms that name it); this check closes the side doors:
# paths with "..", and include/osd only being reached by rooms below it through the public path.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
bad=0
if own_files . '*.c' '*.h' | xargs grep -nE '#[[:space:]]*include[[:space:]]*"[^"]*\.\./'; then
    bad=$((bad + 1))
fi
# osdctl and osdfs see the public headers of libosd and their own; how numbers and permissions are
# written is said once for all programs.
if own_files . 'client/osdctl/*.c' 'client/osdctl/*.h' | xargs -r \
    grep -nE '#[[:space:]]*include[[:space:]]*"(common|wire|store|interpreter|initiator)/' |
    grep -vE 'common/(descriptors|number)\.h'; then
    echo "client/osdctl may include osd/*.h, common/descriptors.h, common/number.h and security/names.h only"
    bad=$((bad + 1))
fi
# RocksDB belongs to the store.
if own_files . '*.c' '*.h' | grep -vE '^(store|tests/store|bench)/' |
    xargs -r grep -nE '#[[:space:]]*include[[:space:]]*<rocksdb/' | grep .; then
    bad=$((bad + 1))
fi
finish includes $bad
