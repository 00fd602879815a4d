#!/bin/bash
# postgres.sh start|restart|stop DIR - a PostgreSQL server of a test's own in DIR, which listens on a
# Unix socket there only; user secmgr, database postgres. Ends with 77 where none is installed.
set -u
verb=$1
dir=$2
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
[ -x "$bin/initdb" ] || exit 77

# The server refuses to run as root.
as_user() {
    if [ "$(id -u)" -eq 0 ]; then
        runuser -u postgres -- "$@"
    else
        "$@"
    fi
}

case $verb in
start)
    [ "$(id -u)" -eq 0 ] && chown postgres "$dir" && chmod 755 "$dir"
    as_user "$bin/initdb" -D "$dir/data" -U secmgr -A trust -N >"$dir/initdb.log" 2>&1 || exit 1
    as_user "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/log" \
        -o "-k $dir -c listen_addresses= -c fsync=off -c max_connections=60" start
    ;;
restart)
    as_user "$bin/pg_ctl" -D "$dir/data" -w -t 60 -m fast restart
    ;;
stop)
    as_user "$bin/pg_ctl" -D "$dir/data" -w -t 60 -m immediate stop
    rm -rf "$dir"
    ;;
esac
