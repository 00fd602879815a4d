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
    share/man/man3/libosd.3 share/man/man7/osd-url.7 share/man/man7/liosd.7 \
    share/bash-completion/completions/osdctl; do
    [ -f "$T/usr/$f" ] || { echo "FAILED: $f is not installed"; exit 1; }
done
lib=$(dirname "$(find "$T" -name libosd.so)")
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

# The man pages name documents; they lie in one place, with the examples.
for f in docs/conform.md docs/json.md docs/architecture.md examples/hello.c README.md; do
    [ -f "$T/usr/share/doc/liosd/$f" ] || { echo "FAILED: $f is not installed"; exit 1; }
done

# systemd takes the drop-ins, and the library they preload is where they say.
units=$T/usr/lib/systemd/system
preload=$(sed -n 's/^Environment=LD_PRELOAD=//p' "$units/tcmu-runner.service.d/liosd.conf")
[ -f "$T$preload" ] || { echo "FAILED: the drop-in preloads $preload"; exit 1; }
if command -v systemd-analyze >/dev/null; then
    for unit in tcmu-runner rtslib-fb-targetctl; do
        [ -f "/usr/lib/systemd/system/$unit.service" ] || continue
        mkdir -p "$T/units"
        cp -r "/usr/lib/systemd/system/$unit.service" "$units/$unit.service.d" "$T/units/"
        if systemd-analyze verify --man=no "$T/units/$unit.service" 2>&1 | grep liosd.conf; then
            echo "FAILED: the drop-in of $unit"
            exit 1
        fi
    done
fi

# An ABI of its own: nothing but the functions of the headers.
nm -D --defined-only "$lib/libosd.so" | awk '$2 != "A" {print $3}' | sed 's/@.*//' >"$T/names"
if grep -v '^osd_' "$T/names"; then
    echo "FAILED: libosd.so exports foreign names"
    exit 1
fi
