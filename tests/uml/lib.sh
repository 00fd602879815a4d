# shellcheck shell=bash
# lib.sh - sourced inside the guest: the stack as functions
#
# Variables from uml-run: ROOT (the tree), BUILD (build tree), OUT (results), STORE (for stores).

IQN=iqn.2026-11.org.liosd:test
TARGET=/sys/kernel/config/target
HANDLERS=/usr/lib/x86_64-linux-gnu/tcmu-runner
export OSD_DEVICE=iscsi://127.0.0.1/$IQN/0
PATH=$BUILD/client/osdctl:$PATH

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# wait_for SECONDS COMMAND... - until the command succeeds
wait_for() {
    local n=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        n=$((n - 1))
        [ $n -gt 0 ] || return 1
        sleep 0.1
    done
}

install_handler() {
    cp "$BUILD/handler/tcmu/handler_osd.so" $HANDLERS/
}

runner_ready() {
    dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
        org.freedesktop.DBus.NameHasOwner string:org.kernel.TCMUService1 | grep -q 'boolean true'
}

# start_runner - tcmu-runner as packaged, or with its libtcmu from the directory LIOSD_RUNNER
start_runner() {
    : >>/var/log/tcmu-runner.log
    PATH=${LIOSD_RUNNER:+$LIOSD_RUNNER:}$PATH LD_LIBRARY_PATH=${LIOSD_RUNNER:-} \
        LD_PRELOAD=$BUILD/handler/tcmu/libosd_tcmu_preload.so \
        tcmu-runner --handler-path $HANDLERS >>/run/runner.out 2>&1 </dev/null &
    RUNNER=$!
    echo $RUNNER >/run/runner.pid
    wait_for 20 runner_ready
}

# stop_runner [SIGNAL] - and wait for its end
stop_runner() {
    local pid
    pid=$(cat /run/runner.pid)
    kill -"${1:-TERM}" "$pid" 2>/dev/null
    wait_for 30 not_running "$pid"
}

not_running() {
    ! kill -0 "$1" || [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ]
}

# create_osd NAME [patient] [CFGSTRING] - create and export one OSD with targetcli; patient: the
# kernel waits for a killed tcmu-runner or a long command without limit (default: 30 s)
create_osd() {
    local name=$1 patience=
    if [ "${2:-}" = patient ]; then
        patience="/backstores/user:osd/$name set attribute cmd_time_out=0"
        shift
    fi
    targetcli <<END
/backstores/user:osd create name=$name size=4T cfgstring=${2:-$STORE/$name;capacity=1T;security=nosec}
$patience
/iscsi create $IQN
/iscsi/$IQN/tpg1/luns create /backstores/user:osd/$name
/iscsi/$IQN/tpg1 set attribute authentication=0 generate_node_acls=1 cache_dynamic_acls=1 demo_mode_write_protect=0
END
    [ -z "$patience" ] || grep -qx 0 $TARGET/core/user_*/"$name"/attrib/cmd_time_out ||
        die "cmd_time_out was not set"
}

# probe [OPTION]... CDBHEX - one SCSI command by hand; prints transport, status, in, sense, data
probe() {
    local cdb=${*: -1}
    "$BUILD/tests/initiator/iscsi_probe" -p 000000000000 "${@:1:$#-1}" "$OSD_DEVICE" "$cdb"
}

# cdb ACTION BYTE=HEX... - an OSD-2 CDB without a capability, these bytes set, in hexadecimal
cdb() {
    local c field at
    c=$(printf '%0472d' 0)
    for field in 0=7f 7=e4 "8=$1" "${@:2}"; do
        at=$((2 * ${field%%=*}))
        field=${field#*=}
        c=${c:0:at}$field${c:at+${#field}}
    done
    echo "$c"
}

# expect RC COMMAND... - it ends with this exit code, a program within 60 s
expect() {
    local want=$1 rc=0
    shift
    if [ "$(type -t "$1")" = function ]; then "$@" || rc=$?; else timeout 60 "$@" || rc=$?; fi
    [ $rc -eq "$want" ] || die "$*: exit code $rc, want $want"
}

# delete_osd NAME - take it out of the target and delete it
delete_osd() {
    targetcli "/iscsi/$IQN/tpg1/luns delete lun0"
    targetcli "/backstores/user:osd delete $1"
}

# rss [FIELD] - memory of tcmu-runner in MiB (VmRSS; VmHWM is its peak)
rss() {
    awk -v f="${1:-VmRSS}:" '$1 == f { print int($2 / 1024) }' /proc/"$(cat /run/runner.pid)"/status
}

now_ms() { echo $(($(date +%s%N) / 1000000)); }
