# shellcheck shell=bash
# ports.sh - sourced by tests whose servers cannot pick a TCP port themselves: a free port, and
# Debian's tgtd on one
#
# Ports are below those that Linux gives to whoever asks for any (ip_local_port_range, 32768 up):
# between these lines and the server's bind() no connection of another test gets one. Two tests may
# still pick the same: where it can be told, the server's own answer decides, and another is tried.
# Its functions set variables for the tests that source it.
# shellcheck disable=SC2034

# free_port - one that nobody listens at just now
free_port() {
    python3 - <<'END'
import random, socket
while True:
    port = random.randrange(10000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
END
}

# Is tgtd up, and at our port? When somebody else has that, tgtd says so in its log and goes on,
# at the usual port.
tgtd_listens() {
    for _ in $(seq 50); do
        tgtadm --lld iscsi --op show --mode portal >"$1/portals" 2>/dev/null && break
        kill -0 "$tgtd_pid" 2>/dev/null || return 1
        sleep 0.1
    done
    grep -q "127.0.0.1:$tgtd_port," "$1/portals"
}

tgtd_stop() {
    [ -z "${tgtd_pid:-}" ] || kill -9 "$tgtd_pid" 2>/dev/null || true
    [ -z "${tgtd_pid:-}" ] || wait "$tgtd_pid" 2>/dev/null || true
    tgtd_pid=
}

# tgtd_start DIR [WRAPPER...] - a tgtd of our own, without targets, at 127.0.0.1:$tgtd_port; tgtadm
# reaches it by TGT_IPC_SOCKET. Its log and its socket are in DIR, the process is $tgtd_pid. False:
# it does not start here, and the log says why.
tgtd_start() {
    local dir=$1
    shift
    export TGT_IPC_SOCKET=$dir/tgtd.ipc
    for _ in 1 2 3 4 5; do
        tgtd_port=$(free_port)
        "$@" tgtd -f --iscsi "portal=127.0.0.1:$tgtd_port" >"$dir/tgtd.log" 2>&1 &
        tgtd_pid=$!
        tgtd_listens "$dir" && return 0
        tgtd_stop
    done
    return 1
}
