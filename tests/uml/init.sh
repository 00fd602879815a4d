#!/bin/bash
# init.sh - first process of the user-mode Linux guest (see uml-run)
#
# The host's root is mounted read-only; what must be written is a tmpfs (not /tmp: the tree
# itself may lie there). Brings up configfs, LIO,
# D-Bus and tcmu-runner, runs the script of the orders, keeps the logs, powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
ln -sfn /proc/self/fd /dev/fd
mount -t devpts devpts /dev/pts 2>/dev/null
for d in /run /var/log /etc/target /etc/rtslib-fb-target /lib/modules \
    /usr/lib/x86_64-linux-gnu/tcmu-runner; do
    if [ -d $d ]; then mount -t tmpfs tmpfs $d; fi
done
mkdir -p /etc/target/pr /etc/target/alua /etc/rtslib-fb-target/pr /etc/rtslib-fb-target/alua \
    /run/out /run/store /run/dbus /run/lock /run/tmp /run/home
export HOME=/run/home TMPDIR=/run/tmp
mount -t hostfs none /run/out -o "$UML_OUT"
# shellcheck disable=SC1091
. /run/out/orders
# The lists PATH and LD_PRELOAD take no names with a colon or a space.
ln -s "$ROOT" /run/root
ln -s "$BUILD" /run/build
export ROOT=/run/root BUILD=/run/build OUT=/run/out STORE=/run/store

finish() {
    dmesg >/run/out/dmesg.log 2>&1
    cp /var/log/tcmu-runner.log /run/out/runner.log 2>/dev/null
    echo "$1" >/run/out/rc
    sync
    # power off; there may be no init system on the host and so no halt
    echo 1 >/proc/sys/kernel/sysrq
    echo o >/proc/sysrq-trigger
    sleep 60
}

if [ -n "$DISK" ]; then
    mount -t ext4 /dev/ubda /run/store || finish 125
fi
hostname osdtest
ip link set lo up
ln -s /usr/lib/uml/modules/"$(uname -r)" /lib/modules/
modprobe -a target_core_user target_core_file iscsi_target_mod || finish 125
mount -t configfs none /sys/kernel/config
dbus-daemon --system --fork >/run/out/dbus.log 2>&1
# shellcheck source=tests/uml/lib.sh
. "$ROOT/tests/uml/lib.sh"
install_handler
start_runner || finish 125
"${SCRIPT[@]}" >>/run/out/script.log 2>&1 </dev/null
finish $?
