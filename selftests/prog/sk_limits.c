// SPDX-License-Identifier: GPL-2.0
/*
 * What costs memory without a user: orphans (tcp_max_orphans), TIME-WAIT (tcp_max_tw_buckets), and
 * ports in TIME-WAIT that connect() takes (tcp_tw_reuse, tcp_tw_reuse_delay). And what may be had of
 * it at all (tcp_mem).
 */
#include "common.h"

/* A file of the settings of the stack under test. */
static FILE *setting(const char *name, const char *mode)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/%s", is_kernels() ? "ipv4" : "rusttcp", name);
	f = fopen(path, mode);
	must(f);
	return f;
}

static void set(const char *name, long value)
{
	FILE *f = setting(name, "w");

	must(fprintf(f, "%ld\n", value) > 0 && fclose(f) == 0);
}

static long get(const char *name)
{
	FILE *f = setting(name, "r");
	long value;

	must(fscanf(f, "%ld", &value) == 1);
	fclose(f);
	return value;
}

/* How many connections with that local port are in that state. */
static int in_state(int port, unsigned int state)
{
	FILE *f = fopen(proc_file(), "r");
	unsigned int local, is;
	char line[512];
	int n = 0;

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*[^:]:%x %*[^:]:%*x %x", &local, &is) == 2)
			n += (int)local == port && is == state;
	fclose(f);
	return n;
}

static int port_of(int fd)
{
	return ntohs(local_of(fd).sin_port);
}

/* Two ends, of which the first has more to send than the second, who does not read, has room for. */
static void new_full_pair(int fds[2])
{
	static char data[65536];

	new_pair(fds);
	while (send(fds[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

/*
 * The kernel counts its orphans ten times a second, by a timer that does not wake a CPU that sleeps
 * (TIMER_DEFERRABLE): every CPU is kept awake for two such periods.
 */
static void let_timers_run(void)
{
	cpu_set_t all, one;

	must(sched_getaffinity(0, sizeof(all), &all) == 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		must(sched_setaffinity(0, sizeof(one), &one) == 0);
		for (long long end = now_ms() + 250; now_ms() < end;)
			;
	}
	must(sched_setaffinity(0, sizeof(all), &all) == 0);
}

/* What the host had. */
static long max_orphans = -1;
static long pool[3];

static void set_pool(long a, long b, long c)
{
	FILE *f = setting("tcp_mem", "w");

	must(fprintf(f, "%ld %ld %ld\n", a, b, c) > 0 && fclose(f) == 0);
}

static void get_pool(long to[3])
{
	FILE *f = setting("tcp_mem", "r");

	must(fscanf(f, "%ld %ld %ld", &to[0], &to[1], &to[2]) == 3 && fclose(f) == 0);
}

static void restore(void)
{
	if (max_orphans >= 0)
		set("tcp_max_orphans", max_orphans);
	if (pool[2])
		set_pool(pool[0], pool[1], pool[2]);
}

/* How many MiB fit into connections whose buffers are large, while nobody reads. */
static long fill_pairs(int pairs[][2], int n)
{
	static char data[65536];
	int size = 4 << 20;
	long long sent = 0;

	for (int i = 0; i < n; i++) {
		ssize_t r;

		new_pair(pairs[i]);
		must(setsockopt(pairs[i][0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0);
		while ((r = send(pairs[i][0], data, sizeof(data), MSG_DONTWAIT)) > 0)
			sent += r;
	}
	return sent >> 20;
}

static void close_pairs(int pairs[][2], int n)
{
	for (int i = 0; i < n; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
}

/* tcp_mem: pages for all sockets of the stack. */
static void test_pool(void)
{
	enum { PAIRS = 6 };
	static char data[65536];
	int pairs[PAIRS][2];
	long now[3], roomy, tight;
	ssize_t r;
	FILE *f;

	get_pool(pool);
	ktap(pool[0] > 0 && pool[0] <= pool[1] && pool[1] <= pool[2], "pool: three bounds");
	roomy = fill_pairs(pairs, PAIRS);
	close_pairs(pairs, PAIRS);
	/* A megabyte per CPU is not counted exactly. */
	set_pool(32, 48, 64);
	get_pool(now);
	ktap(now[0] == 32 && now[1] == 48 && now[2] == 64, "pool: they can be set");
	tight = fill_pairs(pairs, PAIRS);
	if (roomy < 2 * PAIRS || tight > roomy / 3)
		printf("# %ld MiB, %ld MiB\n", roomy, tight);
	ktap(roomy >= 2 * PAIRS && tight <= roomy / 3, "pool: beyond the last there is none");
	set_pool(pool[0], pool[1], pool[2]);
	/* Who had to wait goes on. */
	must(poll_for(pairs[PAIRS - 1][0], POLLOUT, 10000) & POLLOUT);
	r = send(pairs[PAIRS - 1][0], data, sizeof(data), MSG_DONTWAIT);
	ktap(r == sizeof(data), "pool: but once they are large again");
	close_pairs(pairs, PAIRS);
	f = setting("tcp_mem", "w");
	ktap(fprintf(f, "many\n") < 0 || fclose(f) != 0, "pool: nonsense is refused");
}

static void test_orphans(void)
{
	enum { ORPHANS = 3 };
	int old[ORPHANS][2], new[2], held[2], gone = 0;
	long aborted;

	max_orphans = get("tcp_max_orphans");
	must(atexit(restore) == 0);
	set("tcp_max_orphans", 1000);
	for (int i = 0; i < ORPHANS; i++) {
		new_full_pair(old[i]);
		close(old[i][0]);
	}
	new_full_pair(new);
	new_full_pair(held);
	let_timers_run();
	for (int i = 0; i < ORPHANS; i++)
		gone += so_error(old[i][1]) != 0;
	ktap(gone == 0, "orphans: below the limit they go on");
	aborted = counter("TCPAbortOnMemory");
	set("tcp_max_orphans", ORPHANS - 1);
	close(new[0]);
	ktap(until(so_error(new[1]) == ECONNRESET), "orphans: one too many is reset");
	ktap(until(counter("TCPAbortOnMemory") > aborted), "orphans: and counted");
	for (int i = 0; i < 8000 && !gone; i++) {
		for (int j = 0; j < ORPHANS; j++)
			gone += so_error(old[j][1]) == ECONNRESET;
		usleep(1000);
	}
	ktap(gone > 0, "orphans: those that are there end at their timers");
	ktap(so_error(held[1]) == 0 && send(held[1], "x", 1, 0) == 1, "orphans: who has a user goes on");
	set("tcp_max_orphans", max_orphans);
	close(held[0]);
	close(held[1]);
	close(new[1]);
	for (int i = 0; i < ORPHANS; i++)
		close(old[i][1]);
}

/* A connection whose first end closes first. */
static int finished_pair(void)
{
	int fds[2], port;
	char byte;

	new_pair(fds);
	port = port_of(fds[0]);
	close(fds[0]);
	must(recv(fds[1], &byte, 1, 0) == 0);
	close(fds[1]);
	return port;
}

static void test_time_waits(void)
{
	long was = get("tcp_max_tw_buckets"), overflows = counter("TCPTimeWaitOverflow");
	int port = finished_pair();

	ktap(until(in_state(port, 6) == 1), "TIME-WAIT: there is an entry");
	ktap(counter("TCPTimeWaitOverflow") == overflows, "TIME-WAIT: no overflow");
	set("tcp_max_tw_buckets", 0);
	port = finished_pair();
	ktap(until(counter("TCPTimeWaitOverflow") > overflows), "TIME-WAIT: an overflow is counted");
	ktap(in_state(port, 6) == 0, "TIME-WAIT: without an entry");
	set("tcp_max_tw_buckets", was);
	port = finished_pair();
	ktap(until(in_state(port, 6) == 1), "TIME-WAIT: with the old limit there is one again");
}

/* From now on connect(), and bind() to any port, have these to choose from. */
static void ports(int first, int last)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");

	must(f && fprintf(f, "%d %d\n", first, last) > 0 && fclose(f) == 0);
}

/* From now on connect() has one port to choose from. */
static void one_port(int port)
{
	ports(port, port);
}

/* connect() from the one port there is, or from the same one by bind(). */
static int connect_from(int port, struct endpoint *to)
{
	struct endpoint sin = at("127.0.0.1", port);
	int fd = new_socket(), one = 1, error;

	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(!port || bind(fd, SA(sin), sizeof(sin)) == 0);
	if (connect(fd, SA(*to), sizeof(*to)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The listener's end of the connection, which closes second. False if it does not work. */
static bool serve(int listener, int fd)
{
	int s = accept(listener, NULL, NULL);
	char byte;
	bool good = s >= 0 && send(fd, "a", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 &&
		    send(s, "b", 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1;

	close(fd);
	good = good && recv(s, &byte, 1, 0) == 0;
	close(s);
	return good;
}

static void test_reuse(void)
{
	long was = get("tcp_tw_reuse"), delay = get("tcp_tw_reuse_delay"), recycled;
	int port = 7401 + 4 * v6, listener, fd, s;
	struct endpoint to;
	char byte;

	ktap(was == 2 && delay == 1000, "tcp_tw_reuse: the defaults");
	listener = new_listener(4, &to);
	one_port(port);
	fd = connect_from(0, &to);
	must(fd >= 0 && port_of(fd) == port);
	ktap(serve(listener, fd) && until(in_state(port, 6) == 1), "tcp_tw_reuse: a port in TIME-WAIT");
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "tcp_tw_reuse: not within a second");
	set("tcp_tw_reuse", 0);
	usleep(1200000);
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "tcp_tw_reuse: 0, not later either");
	recycled = counter("TWRecycled");
	set("tcp_tw_reuse", 2);
	fd = connect_from(0, &to);
	ktap(fd >= 0 && port_of(fd) == port, "tcp_tw_reuse: 2, the port again after a second");
	ktap(fd >= 0 && serve(listener, fd), "tcp_tw_reuse: which works");
	ktap(counter("TWRecycled") == recycled + 1, "tcp_tw_reuse: counted");
	set("tcp_tw_reuse_delay", 10);
	must(until(in_state(port, 6) == 1));
	usleep(50000);
	fd = connect_from(0, &to);
	ktap(fd >= 0 && serve(listener, fd), "tcp_tw_reuse_delay: 10 ms");
	set("tcp_tw_reuse", 0);
	must(until(in_state(port, 6) == 1));
	fd = connect_from(port, &to);
	ktap(fd >= 0 && serve(listener, fd), "a port that bind() chose: at once, with tcp_tw_reuse 0");
	/* Without timestamps nothing tells the old connection from the new. */
	set("tcp_timestamps", 0);
	port++;
	one_port(port);
	fd = connect_from(0, &to);
	ktap(fd >= 0 && serve(listener, fd), "a connection without timestamps");
	must(until(in_state(port, 6) == 1));
	set("tcp_timestamps", 1);
	expect(connect_from(port, &to), -1, EADDRNOTAVAIL, "without timestamps: not even by bind()");
	set("tcp_tw_reuse", 1);
	usleep(50000);
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "without timestamps: not with tcp_tw_reuse 1");
	/* FIN-WAIT-2 is not searched out. */
	port++;
	one_port(port);
	fd = connect_from(0, &to);
	must(fd >= 0);
	s = accept(listener, NULL, NULL);
	close(fd);
	must(recv(s, &byte, 1, 0) == 0 && until(in_state(port, 5) == 1));
	usleep(50000);
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "FIN-WAIT-2: not with tcp_tw_reuse 1");
	fd = connect_from(port, &to);
	ktap(fd >= 0 && serve(listener, fd), "FIN-WAIT-2: by bind(); the peer's half is reset");
	ktap(so_error(s) == EPIPE, "FIN-WAIT-2: and knows");
	close(s);
	close(listener);
}

/* A port that bind() holds is left alone by connect(), though it is at another address. */
static void test_bound(void)
{
	struct endpoint to, other = at(v6 ? "::ffff:127.0.0.2" : "127.0.0.2", 7451 + 4 * v6);
	int listener, one = 1, fd, holder = new_socket();

	/* The one port of the test before may be in TIME-WAIT. */
	ports(32768, 60999);
	listener = new_listener(4, &to);
	one_port(7451 + 4 * v6);
	must(setsockopt(holder, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(bind(holder, SA(other), sizeof(other)) == 0);
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "connect(): not from a port that is bound elsewhere");
	must(listen(holder, 1) == 0);
	expect(connect_from(0, &to), -1, EADDRNOTAVAIL, "connect(): nor from one that is listened at");
	close(holder);
	fd = connect_from(0, &to);
	ktap(fd >= 0 && serve(listener, fd), "connect(): from there when it is free again");
	close(listener);
}

/* Handshakes one after the other need one place in the queue of half-open ones, and no cookie. */
static void test_half_open(void)
{
	struct endpoint to;
	int listener = new_listener(0, &to);
	long cookies = counter("SyncookiesSent");

	for (int i = 0; i < 50; i++) {
		int fd = new_socket(), s;

		must(connect(fd, SA(to), sizeof(to)) == 0);
		s = accept(listener, NULL, NULL);
		must(s >= 0);
		close(s);
		close(fd);
	}
	expect(counter("SyncookiesSent") - cookies, 0, 0, "half-open: a place is free at once");
	close(listener);
}

int main(void)
{
	/* Some settings are the first namespace's, and count what all have. */
	ktap_begin_here();
	test_orphans();
	test_pool();
	/* The other settings are a namespace's. */
	max_orphans = -1;
	pool[2] = 0;
	own_namespace();
	test_half_open();
	test_time_waits();
	test_reuse();
	test_bound();
	return ktap_end();
}
