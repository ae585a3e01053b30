# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# PostgreSQL: pgbench, COPY both ways, a query cancelled, the keepalive settings of a connection.
# shellcheck source=selftests/programs/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -n 1)
data=$work/data
# The server refuses to be root.
as_user=(setpriv --reuid postgres --regid postgres --clear-groups env "PATH=$bin:$PATH" HOME=/tmp LC_ALL=C)
mkdir -p /dev/shm "$data"
mountpoint -q /dev/shm || mount -t tmpfs none /dev/shm
chmod 1777 /dev/shm
# One cluster, made once, serves each pairing in a copy.
made=/tmp/rusttcp-pgdata
if [ ! -e $made/PG_VERSION ]; then
	mkdir -p $made
	chown postgres $made
	"${as_user[@]}" initdb -A trust -N -D $made >"$work/initdb.log" 2>&1 || check 1 "initdb"
fi
cp -a $made/. "$data"
chown -R postgres "$data"
chmod 700 "$data"
cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '10.0.0.2,fd00::2'
unix_socket_directories = '$data'
fsync = off
shared_buffers = 32MB
client_connection_check_interval = 100ms
CONF
echo "host all all 10.0.0.0/24 trust
host all all fd00::/64 trust" >>"$data/pg_hba.conf"
serve "${as_user[@]}" postgres -D "$data"
listening 5432
export PGHOST=10.0.0.2 PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=30
ready() {
	client "$bin/pg_isready" -q
}
wait_for 30 ready
ask() {
	client "$bin/psql" -AtXqc "$1" 2>>"$work/client.log"
}

client "$bin/pgbench" -i -q -s 1 >"$work/pgbench.log" 2>&1
check $? "pgbench -i: 100,000 rows by COPY"
client "$bin/pgbench" -n -c 4 -j 2 -t 25 >"$work/pgbench.log" 2>&1 &&
	grep -q 'processed: 100/100' "$work/pgbench.log"
check $? "pgbench: 4 clients, 100 transactions"
[ "$(ask 'select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)
	and (select count(*) from pgbench_history) = 100')" = t ]
check $? "pgbench: the books balance"
client "$bin/pgbench" -n -S -C -c 2 -t 10 >"$work/pgbench.log" 2>&1 &&
	grep -q 'processed: 20/20' "$work/pgbench.log"
check $? "pgbench: a connection for each transaction"
client "$bin/pgbench" -n -S -M prepared -c 4 -t 50 >"$work/pgbench.log" 2>&1 &&
	grep -q 'processed: 200/200' "$work/pgbench.log"
check $? "pgbench: prepared statements"
PGHOST=fd00::2 client "$bin/pgbench" -n -S -c 2 -t 25 >"$work/pgbench.log" 2>&1 &&
	grep -q 'processed: 50/50' "$work/pgbench.log"
check $? "pgbench: over IPv6"
seq 1 200000 | awk '{ print $1 "\t" $1 * 7919 % 100003 }' >"$work/rows"
ask 'create table t (a int, b int)' && client "$bin/psql" -Xqc 'copy t from stdin' <"$work/rows" &&
	client "$bin/psql" -Xqc 'copy (select * from t order by a) to stdout' >"$work/rows.back" &&
	same "$work/rows" "$work/rows.back"
check $? "COPY: 200,000 rows there and back"
# What it shows is what the socket says.
[ "$(ask "set tcp_keepalives_idle = 77; set tcp_user_timeout = 12345;
	show tcp_keepalives_idle; show tcp_user_timeout" | tr '\n' ' ')" = "77 12345 " ]
check $? "the server sets its connection's keepalive and user timeout"
# Cancelling takes a connection of its own.
client "$bin/psql" -XAtqc 'select pg_sleep(100)' >"$work/cancel" 2>&1 &
sleeper=$!
sleeping() {
	[ "$(ask "select count(*) from pg_stat_activity where query = 'select pg_sleep($1)'")" = "$2" ]
}
wait_for 20 sleeping 100 1
pkill -INT -f 'psql -XAtqc select pg_sleep\(100\)'
wait $sleeper
grep -q 'canceling statement' "$work/cancel"
check $? "a query cancelled from the keyboard"
client "$bin/psql" -XAtqc 'select pg_sleep(200)' >"$work/gone" 2>&1 &
wait_for 20 sleeping 200 1
pkill -KILL -f 'psql -XAtqc select pg_sleep\(200\)'
wait_for 20 sleeping 200 0
check $? "the server sees that a client is gone (POLLRDHUP) while a query runs"
kill -INT "$pid"
wait "$pid"
check $? "the server's end"
finish
