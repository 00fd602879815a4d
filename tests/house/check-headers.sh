#!/usr/bin/env bash
# Every header compiles alone, public ones also as C++17. Would catch: a header that leans on
# what its includer happened to include.
set -euo pipefail
cd "$1"
# shellcheck source=tests/house/lib.sh
. "$(dirname "$0")/lib.sh"
inc=$(mktemp -d)
trap 'rm -rf "$inc"' EXIT
# The include names of the rooms, as cmake/Rooms.cmake lays them out.
for room in common wire store security handler/interpreter handler/tcmu client/initiator \
    client/libosd client/osdctl secmgr osdfs; do
    [ -d "$room" ] && ln -s "$PWD/$room" "$inc/$(basename "$room")"
done
bad=0
while read -r h; do
    if ! gcc -std=gnu17 -D_GNU_SOURCE -DLIOSD_VERSION='"x"' -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -I"$inc" \
        -I"$(dirname "$h")" -fsyntax-only -x c "$h" -Wno-pragma-once-outside-header; then
        bad=$((bad + 1))
    fi
    case $h in include/*)
        g++ -std=c++17 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ "$h" || bad=$((bad + 1)) ;;
    esac
done < <(own_files . '*.h' | grep -v '^tests/\|^fuzz/')
finish headers $bad
