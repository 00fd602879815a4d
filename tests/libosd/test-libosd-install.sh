#!/bin/bash
# What `cmake --install` leaves is enough for somebody else's program: headers, library,
# pkg-config file; man pages and completion lie where they are looked for.
# Would catch: a header that is not installed, a symbol that is not exported.
# Arguments: cmake, the build tree, the source tree.
set -eu
cmake=$1 build=$2 source=$3
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT

# With DESTDIR also what has an absolute place (the handler, unit files) stays below it.
DESTDIR=$T "$cmake" --install "$build" --prefix /usr >/dev/null
for f in bin/osdctl include/osd/osd.h include/osd/status.h share/man/man1/osdctl.1 \
    share/man/man3/libosd.3 share/man/man7/osd-url.7 \
    share/bash-completion/completions/osdctl; do
    [ -f "$T/usr/$f" ] || { echo "FAILED: $f is not installed"; exit 1; }
done
lib=$(dirname "$(find "$T" -name libosd.so)")
sed -i "s,^libdir=.*,libdir=$lib,; s,^includedir=.*,includedir=$T/usr/include," \
    "$lib/pkgconfig/libosd.pc"
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
for example in hello many; do
    # shellcheck disable=SC2046
    cc -Wall -Werror "$source/examples/$example.c" -o "$T/$example" \
        $(pkg-config --cflags --libs libosd)
done
"$T/hello" "file://$T/store" | grep -q '"greeting": hello, object'
"$T/many" "file://$T/store" 1000 | grep -q '^1000 objects made, 0 failed$'
OSD_DEVICE=file://$T/store "$T/usr/bin/osdctl" stat 0x20000 | grep -q '^objects  *1000$'
"$T/usr/bin/osdctl" check "$T/store"

# An ABI of its own: nothing but the functions of the headers.
nm -D --defined-only "$lib/libosd.so" | awk '$2 != "A" {print $3}' | sed 's/@.*//' >"$T/names"
if grep -v '^osd_' "$T/names"; then
    echo "FAILED: libosd.so exports foreign names"
    exit 1
fi
