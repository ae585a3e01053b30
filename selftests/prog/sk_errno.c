// SPDX-License-Identifier: GPL-2.0
/*
 * Every errno of socket(2), bind(2), listen(2), accept(2), connect(2), send(2), recv(2), shutdown(2),
 * getsockopt(2), tcp(7), ip(7) and ipv6(7) that a stream socket can come to: brought about on the kernel's
 * TCP and then on ours, which has to say the same. What those pages have besides is in errno_rst.h, with
 * the reason or the place where it is tested.
 *
 * sk_errno --rst writes the table of Documentation/errnos.rst (make errnos).
 */
#include "common.h"
#include "errno_rst.h"
#include <linux/filter.h>
#include <sys/resource.h>

/* Ports that nobody else has: the namespace is our own. */
#define HELD	7501
#define TWICE	7502

static long said(long r)
{
	return r < 0 ? -(long)errno : r;
}

/* What a call says, with its socket closed after it. */
#define LAST(fd, call) ({							\
	long r_ = said(call);							\
										\
	close(fd);								\
	r_;									\
})

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void run(const char *command)
{
	must(system(command) == 0);
}

static void sysctl(const char *name, const char *value)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "w");
	must(f && fputs(value, f) >= 0 && fclose(f) == 0);
}

/* An address that is one thing in IPv4 and its like in IPv6. */
static struct endpoint either(const char *four, const char *six, int port)
{
	return at(v6 ? six : four, port);
}

/* --- sockets in one state or another --------------------------------------------------------- */

static int bound(void)
{
	struct endpoint sin = at("127.0.0.1", 0);
	int fd = new_socket();

	must(bind(fd, SA(sin), sizeof(sin)) == 0);
	return fd;
}

/* One end of a connection. */
static int connected(int *other)
{
	int fds[2];

	new_pair(fds);
	*other = fds[1];
	return fds[0];
}

static long connect_to(int fd, struct endpoint to)
{
	return connect(fd, SA(to), sizeof(to));
}

/* Nobody answers there: a network behind dummy0. */
static struct endpoint nowhere(void)
{
	return at("192.0.2.9", 80);
}

static int under_way(void)
{
	int fd = new_socket();

	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	must(connect_to(fd, nowhere()) == -1 && errno == EINPROGRESS);
	return fd;
}

/* The first end's buffers are full: no ACK makes room any more. */
static int full(int *other)
{
	int fd = connected(other);

	fill_up(fd);
	return fd;
}

/* --- circumstances ---------------------------------------------------------------------------- */

static long as_nobody(long (*ask)(void))
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		if (setuid(65534))
			_exit(255);
		_exit(-ask());
	}
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

/* More files than the host may have open are open already; that does not bind root. */
static long without_files(long (*ask)(void))
{
	FILE *f = fopen("/proc/sys/fs/file-max", "r+");
	char most[32] = "";
	long r;

	must(f && fgets(most, sizeof(most), f));
	rewind(f);
	must(fputs("1", f) >= 0 && fflush(f) == 0);
	r = as_nobody(ask);
	rewind(f);
	must(fputs(most, f) >= 0 && fclose(f) == 0);
	return r;
}

static struct rlimit descriptors;

static void no_descriptors(void)
{
	int lowest = open("/dev/null", O_RDONLY);
	struct rlimit none;

	must(lowest >= 0);
	close(lowest);
	must(getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
	none = (struct rlimit){ lowest, descriptors.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static void descriptors_again(void)
{
	must(setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
}

/* With one port to choose from, which another socket holds. */
static long without_ports(long (*ask)(int fd, struct endpoint *to))
{
	struct endpoint to, held = at("0.0.0.0", HELD);
	int listener = new_listener(1, &to), holder = new_socket(), fd = new_socket();
	char range[32];
	long r;

	must(bind(holder, SA(held), sizeof(held)) == 0);
	snprintf(range, sizeof(range), "%d %d", HELD, HELD);
	sysctl("ip_local_port_range", range);
	r = said(ask(fd, &to));
	sysctl("ip_local_port_range", "32768 60999");
	close(fd);
	close(holder);
	close(listener);
	return r;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal every 50 ms, so that one comes when the call sleeps. */
static void alarms(bool on)
{
	struct timeval tv = { 0, on ? 50000 : 0 };
	struct itimerval it = { tv, tv };
	struct sigaction sa = { .sa_handler = on_alarm };

	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static long interrupted(int fd, long (*call)(int fd))
{
	long r;

	alarms(true);
	r = said(call(fd));
	alarms(false);
	close(fd);
	return r;
}

/* --- calls that need no more than a descriptor ------------------------------------------------ */

static char byte;

static long do_bind(int fd)
{
	struct endpoint sin = at("127.0.0.1", 0);

	return bind(fd, SA(sin), sizeof(sin));
}

static long do_listen(int fd)
{
	return listen(fd, 1);
}

static long do_accept(int fd)
{
	return accept(fd, NULL, NULL);
}

static long do_connect(int fd)
{
	return connect_to(fd, nowhere());
}

static long do_send(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL);
}

static long do_recv(int fd)
{
	return recv(fd, &byte, 1, 0);
}

static long do_shutdown(int fd)
{
	return shutdown(fd, SHUT_RDWR);
}

static long do_getsockopt(int fd)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len);
}

static long do_setsockopt(int fd)
{
	return set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static const struct {
	const char *page;
	long (*call)(int fd);
} calls[] = {
	{ "bind(2)", do_bind }, { "listen(2)", do_listen }, { "accept(2)", do_accept },
	{ "connect(2)", do_connect }, { "send(2)", do_send }, { "recv(2)", do_recv },
	{ "shutdown(2)", do_shutdown }, { "getsockopt(2)", do_getsockopt },
	{ "setsockopt(2)", do_setsockopt },
};

static long of_closed(long (*call)(int fd))
{
	int fd = new_socket();

	close(fd);
	return said(call(fd));
}

static long of_file(long (*call)(int fd))
{
	int fd = open("/dev/null", O_RDWR);

	must(fd >= 0);
	return LAST(fd, call(fd));
}

/* --- socket(2) -------------------------------------------------------------------------------- */

static long make(int domain, int type, int proto)
{
	int fd = socket(domain, type, proto);
	long r = said(fd);

	if (fd >= 0)
		close(fd);
	return r < 0 ? r : 0;
}

static long socket_family(void)
{
	return make(AF_MAX, SOCK_STREAM, 0);
}

static long socket_type_flags(void)
{
	return make(family, SOCK_STREAM | 0x100, protocol);
}

static long socket_type_unknown(void)
{
	return make(family, 15, protocol);
}

static long socket_type(void)
{
	return make(family, SOCK_SEQPACKET, 0);
}

static long socket_protocol(void)
{
	return make(family, SOCK_STREAM, IPPROTO_UDP);
}

static long socket_descriptors(void)
{
	long r;

	no_descriptors();
	r = make(family, SOCK_STREAM, protocol);
	descriptors_again();
	return r;
}

static long socket_plain(void)
{
	return make(family, SOCK_STREAM, protocol);
}

static long socket_files(void)
{
	return without_files(socket_plain);
}

/* --- bind(2), listen(2) ----------------------------------------------------------------------- */

static long bind_low(void)
{
	struct endpoint sin = at("127.0.0.1", 81);
	int fd = new_socket();

	return LAST(fd, bind(fd, SA(sin), sizeof(sin)));
}

static long bind_privileged(void)
{
	return as_nobody(bind_low);
}

static long bind_taken(void)
{
	int holder = bound(), fd = new_socket();
	struct endpoint sin = local_of(holder);
	long r = LAST(fd, bind(fd, SA(sin), sizeof(sin)));

	close(holder);
	return r;
}

static long bind_any(int fd, struct endpoint *to)
{
	(void)to;
	return do_bind(fd);
}

static long bind_no_ports(void)
{
	return without_ports(bind_any);
}

static long bind_twice(void)
{
	int fd = bound();

	return LAST(fd, do_bind(fd));
}

static long bind_short(void)
{
	struct endpoint sin = at("127.0.0.1", 0);
	int fd = new_socket();

	return LAST(fd, bind(fd, SA(sin), 4));
}

static long bind_other_family(void)
{
	struct endpoint sin = at("127.0.0.1", 0);
	int fd = new_socket();

	sin.sin_family = AF_UNIX;
	return LAST(fd, bind(fd, SA(sin), sizeof(sin)));
}

static long bind_not_ours(void)
{
	struct endpoint sin = either("203.0.113.1", "2001:db9::1", 0);
	int fd = new_socket();

	return LAST(fd, bind(fd, SA(sin), sizeof(sin)));
}

/* Which link it is on is not said, or there is no such. */
static long bind_link(int scope)
{
	struct endpoint sin = { 0 };
	int fd = new_socket();

	sin.sin_family = AF_INET6;
	sin.in6.sin6_scope_id = scope;
	must(inet_pton(AF_INET6, "fe80::77", &sin.in6.sin6_addr) == 1);
	return LAST(fd, bind(fd, SA(sin), sizeof(sin)));
}

static long bind_no_link(void)
{
	return bind_link(0);
}

static long bind_wrong_link(void)
{
	return bind_link(4711);
}

static long bind_pointer(void)
{
	int fd = new_socket();

	return LAST(fd, bind(fd, (void *)8, sizeof(struct endpoint)));
}

static long listen_taken(void)
{
	int first = new_socket(), fd = new_socket();
	struct endpoint sin = at("127.0.0.1", 0);
	long r;

	must(set_int(first, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	must(set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	must(bind(first, SA(sin), sizeof(sin)) == 0);
	sin = local_of(first);
	must(bind(fd, SA(sin), sizeof(sin)) == 0 && listen(first, 1) == 0);
	r = LAST(fd, listen(fd, 1));
	close(first);
	return r;
}

static long listen_any(int fd, struct endpoint *to)
{
	(void)to;
	return listen(fd, 1);
}

static long listen_no_ports(void)
{
	return without_ports(listen_any);
}

/* --- accept(2) -------------------------------------------------------------------------------- */

static int listener_with(bool waiting, int *client)
{
	struct endpoint sin;
	int fd = new_listener(4, &sin);

	*client = new_socket();
	if (waiting)
		must(connect_to(*client, sin) == 0 && poll_for(fd, POLLIN, 5000) == POLLIN);
	return fd;
}

static long accept_none(void)
{
	int client, fd = listener_with(false, &client);

	close(client);
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return LAST(fd, do_accept(fd));
}

static long accept_pointer(void)
{
	int client, fd = listener_with(true, &client);
	socklen_t len = sizeof(struct endpoint);
	long r = LAST(fd, accept(fd, (void *)8, &len));

	close(client);
	return r;
}

static long accept_interrupted(void)
{
	int client, fd = listener_with(false, &client);

	close(client);
	return interrupted(fd, do_accept);
}

static long accept_not_listening(void)
{
	int fd = bound();

	return LAST(fd, do_accept(fd));
}

static long accept_length(void)
{
	int client, fd = listener_with(true, &client);
	struct endpoint peer;
	socklen_t len = (socklen_t)-1;
	long r = LAST(fd, accept(fd, SA(peer), &len));

	close(client);
	return r;
}

static long accept_flags(void)
{
	int client, fd = listener_with(true, &client);
	long r = LAST(fd, accept4(fd, NULL, NULL, 1));

	close(client);
	return r;
}

/* Nothing was taken off the queue for it. */
static long accept_descriptors(void)
{
	int client, fd = listener_with(true, &client), s;
	long r;

	no_descriptors();
	r = said(do_accept(fd));
	descriptors_again();
	s = accept(fd, NULL, NULL);
	if (s < 0)
		r = 0;
	close(s);
	close(client);
	close(fd);
	return r;
}

static int waiting_listener;

static long accept_waiting(void)
{
	return said(do_accept(waiting_listener));
}

static long accept_files(void)
{
	int client;
	long r;

	waiting_listener = listener_with(true, &client);
	r = without_files(accept_waiting);
	close(client);
	close(waiting_listener);
	return r;
}

/* --- connect(2) ------------------------------------------------------------------------------- */

static long fresh_connect(struct endpoint to)
{
	int fd = new_socket();

	return LAST(fd, connect_to(fd, to));
}

static long connect_prohibited(void)
{
	return fresh_connect(either("198.51.100.1", "2001:db8:a::1", 80));
}

static long connect_unreachable(void)
{
	return fresh_connect(either("198.51.100.65", "2001:db8:b::1", 80));
}

static long connect_black_hole(void)
{
	return fresh_connect(either("198.51.100.129", "2001:db8:c::1", 80));
}

static long connect_no_route(void)
{
	return fresh_connect(either("203.0.113.1", "2001:db9::1", 80));
}

static long connect_many(void)
{
	return fresh_connect(either("192.0.2.255", "ff02::1", 80));
}

static long connect_refused(void)
{
	return fresh_connect(at("127.0.0.1", 1));
}

static long connect_other_family(void)
{
	struct endpoint to = at("127.0.0.1", 1);

	to.sin_family = AF_UNIX;
	return fresh_connect(to);
}

static long connect_pointer(void)
{
	int fd = new_socket();

	return LAST(fd, connect(fd, (void *)8, sizeof(struct endpoint)));
}

static long connect_short(void)
{
	struct endpoint to = at("127.0.0.1", 1);
	int fd = new_socket();

	return LAST(fd, connect(fd, SA(to), 7));
}

static long connect_any(int fd, struct endpoint *to)
{
	return connect_to(fd, *to);
}

static long connect_no_ports(void)
{
	return without_ports(connect_any);
}

/* These two addresses and ports have a connection already. */
static long connect_same(void)
{
	struct endpoint to, me = at("127.0.0.1", TWICE + !is_kernels());
	int listener = new_listener(2, &to), fds[2];
	struct linger hard = { 1, 0 };
	long r;

	for (int i = 0; i < 2; i++) {
		fds[i] = new_socket();
		must(set_int(fds[i], SOL_SOCKET, SO_REUSEADDR, 1) == 0);
		must(bind(fds[i], SA(me), sizeof(me)) == 0);
	}
	must(connect_to(fds[0], to) == 0);
	r = LAST(fds[1], connect_to(fds[1], to));
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
	close(fds[0]);
	close(listener);
	return r;
}

static long connect_nonblocking(void)
{
	int fd = new_socket();

	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return LAST(fd, do_connect(fd));
}

static long connect_again(void)
{
	int fd = under_way();

	return LAST(fd, do_connect(fd));
}

/* Its time is up: as if it were non-blocking. */
static int short_of_time(void)
{
	struct timeval tv = { 0, 100000 };
	int fd = new_socket();

	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	return fd;
}

static long connect_late(void)
{
	int fd = short_of_time();

	return LAST(fd, do_connect(fd));
}

static long connect_late_again(void)
{
	int fd = short_of_time();

	must(do_connect(fd) == -1);
	return LAST(fd, do_connect(fd));
}

static long connect_interrupted(void)
{
	return interrupted(new_socket(), do_connect);
}

/* It goes on behind the caller's back. */
static long connect_interrupted_again(void)
{
	int fd = new_socket();

	alarms(true);
	must(do_connect(fd) == -1 && errno == EINTR);
	alarms(false);
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return LAST(fd, do_connect(fd));
}

static long connect_twice(void)
{
	int other, fd = connected(&other);
	long r = LAST(fd, do_connect(fd));

	close(other);
	return r;
}

static long connect_timed_out(void)
{
	int fd = new_socket();

	must(set_int(fd, IPPROTO_TCP, TCP_SYNCNT, 1) == 0);
	return LAST(fd, do_connect(fd));
}

/* --- send(2) ---------------------------------------------------------------------------------- */

static long send_full(void)
{
	int other, fd = full(&other);
	long r = LAST(fd, send(fd, "x", 1, MSG_DONTWAIT));

	close(other);
	return r;
}

static long send_late(void)
{
	struct timeval tv = { 0, 100000 };
	int other, fd = full(&other);
	long r;

	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	r = LAST(fd, do_send(fd));
	close(other);
	return r;
}

static long send_interrupted(void)
{
	int other, fd = full(&other);
	long r = interrupted(fd, do_send);

	close(other);
	return r;
}

/* Who was reset, and has not been told yet. */
static int reset(void)
{
	struct linger hard = { 1, 0 };
	int other, fd = connected(&other);

	must(setsockopt(other, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
	close(other);
	must(poll_for(fd, POLLERR, 5000) & POLLERR);
	return fd;
}

static long send_reset(void)
{
	int fd = reset();

	return LAST(fd, do_send(fd));
}

static long send_after_reset(void)
{
	int fd = reset();

	must(do_send(fd) == -1);
	return LAST(fd, do_send(fd));
}

static long send_pointer(void)
{
	int other, fd = connected(&other);
	long r = LAST(fd, send(fd, (void *)8, 10, 0));

	close(other);
	return r;
}

static long send_control(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int other, fd = connected(&other);
	long r;

	/* Shorter than its own header. */
	c->cmsg_len = 5;
	c->cmsg_level = SOL_SOCKET;
	r = LAST(fd, sendmsg(fd, &msg, 0));
	close(other);
	return r;
}

/* The address is ignored. */
static long send_addressed(void)
{
	struct endpoint to = nowhere();
	int other, fd = connected(&other);
	long r = LAST(fd, sendto(fd, "x", 1, 0, SA(to), sizeof(to)));

	close(other);
	return r;
}

static long send_unconnected(void)
{
	int fd = new_socket();

	return LAST(fd, do_send(fd));
}

static long send_shut(void)
{
	int other, fd = connected(&other);
	long r;

	must(shutdown(fd, SHUT_WR) == 0);
	r = LAST(fd, do_send(fd));
	close(other);
	return r;
}

static long send_fast(void)
{
	struct endpoint to = nowhere();
	int fd = new_socket();
	long r;

	sysctl("tcp_fastopen", "0");
	r = LAST(fd, sendto(fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT, SA(to), sizeof(to)));
	sysctl("tcp_fastopen", "1");
	return r;
}

static long send_fast_again(void)
{
	struct endpoint to = nowhere();
	int fd = new_socket();

	must(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT, SA(to), sizeof(to)) == -1);
	must(errno == EINPROGRESS);
	return LAST(fd, sendto(fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT, SA(to), sizeof(to)));
}

static long send_fast_nowhere(void)
{
	int fd = new_socket();

	return LAST(fd, send(fd, "x", 1, MSG_FASTOPEN | MSG_DONTWAIT));
}

/* --- recv(2) ---------------------------------------------------------------------------------- */

static long recv_none(void)
{
	int other, fd = connected(&other);
	long r = LAST(fd, recv(fd, &byte, 1, MSG_DONTWAIT));

	close(other);
	return r;
}

static long recv_late(void)
{
	struct timeval tv = { 0, 100000 };
	int other, fd = connected(&other);
	long r;

	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	r = LAST(fd, do_recv(fd));
	close(other);
	return r;
}

/* With a path that takes its time, so that connect() is not told itself. */
static long recv_refused(void)
{
	struct endpoint to = at("127.0.0.1", 1);
	int fd = new_socket();
	long r;

	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	run("tc qdisc add dev lo root netem delay 20ms");
	must(connect_to(fd, to) == -1 && errno == EINPROGRESS);
	must(poll_for(fd, POLLIN, 5000) > 0);
	r = LAST(fd, do_recv(fd));
	run("tc qdisc del dev lo root");
	return r;
}

static long recv_reset(void)
{
	int fd = reset();

	return LAST(fd, do_recv(fd));
}

static long recv_pointer(void)
{
	int other, fd = connected(&other);
	long r;

	must(send(other, "x", 1, 0) == 1 && poll_for(fd, POLLIN, 5000) > 0);
	r = LAST(fd, recv(fd, (void *)8, 1, 0));
	close(other);
	return r;
}

static long recv_interrupted(void)
{
	int other, fd = connected(&other);
	long r = interrupted(fd, do_recv);

	close(other);
	return r;
}

static long recv_name_length(void)
{
	struct endpoint name;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = (socklen_t)-1,
	};
	int other, fd = connected(&other);
	long r = LAST(fd, recvmsg(fd, &msg, MSG_DONTWAIT));

	close(other);
	return r;
}

static long recv_urgent(void)
{
	int other, fd = connected(&other);
	long r = LAST(fd, recv(fd, &byte, 1, MSG_OOB));

	close(other);
	return r;
}

static long recv_unconnected(void)
{
	int fd = new_socket();

	return LAST(fd, do_recv(fd));
}

/* --- shutdown(2), getsockopt(2), setsockopt(2) ------------------------------------------------ */

static long shutdown_how(void)
{
	int other, fd = connected(&other);
	long r = LAST(fd, shutdown(fd, 7));

	close(other);
	return r;
}

static long shutdown_unconnected(void)
{
	int fd = new_socket();

	return LAST(fd, do_shutdown(fd));
}

static long get_value_pointer(void)
{
	socklen_t len = sizeof(int);
	int fd = new_socket();

	return LAST(fd, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (void *)8, &len));
}

static long get_length_pointer(void)
{
	int fd = new_socket(), value;

	return LAST(fd, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, (void *)8));
}

static long get_length(void)
{
	socklen_t len = (socklen_t)-1;
	int fd = new_socket(), value;

	return LAST(fd, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len));
}

static long get_unknown(void)
{
	socklen_t len = sizeof(int);
	int fd = new_socket(), value;

	return LAST(fd, getsockopt(fd, IPPROTO_TCP, 9999, &value, &len));
}

static long set_pointer(void)
{
	int fd = new_socket();

	return LAST(fd, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (void *)8, sizeof(int)));
}

static long set_length(void)
{
	int fd = new_socket(), value = 1;

	return LAST(fd, setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 1));
}

static long set_value(void)
{
	int fd = new_socket();

	return LAST(fd, set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 0));
}

static long set_unknown(void)
{
	int fd = new_socket();

	return LAST(fd, set_int(fd, IPPROTO_TCP, 9999, 1));
}

/* --- tcp(7), ip(7) ---------------------------------------------------------------------------- */

/* What reading says once nothing gets through any more. */
static long read_in_the_dark(int fd, int other)
{
	struct timeval tv = { 20, 0 };
	long r;

	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	run("tc qdisc add dev lo root blackhole");
	if (other >= 0)
		must(send(fd, "x", 1, 0) == 1);
	r = LAST(fd, do_recv(fd));
	run("tc qdisc del dev lo root");
	return r;
}

static long data_timed_out(void)
{
	int other, fd = connected(&other);
	long r;

	must(set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 600) == 0);
	r = read_in_the_dark(fd, other);
	close(other);
	return r;
}

static long keepalive_timed_out(void)
{
	int other, fd = connected(&other);
	long r;

	must(set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
	must(set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1) == 0);
	must(set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1) == 0);
	must(set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 1) == 0);
	r = read_in_the_dark(fd, -1);
	close(other);
	return r;
}

static long no_stamp(void)
{
	struct timeval tv;
	int fd = new_socket();

	return LAST(fd, ioctl(fd, SIOCGSTAMP, &tv));
}

/* What only an administrator may set. */
static const struct {
	const char *name;
	int level, option, value;
	long want;
} guarded[] = {
	{ "EPERM, SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 7, -EPERM },
	{ "EPERM, SO_MARK", SOL_SOCKET, SO_MARK, 1, -EPERM },
	{ "EPERM, SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, 10000, -EPERM },
	{ "EPERM, SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, 10000, -EPERM },
	{ "EACCES, SO_DEBUG", SOL_SOCKET, SO_DEBUG, 1, -EACCES },
	{ "EPERM, IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, 1, -EPERM },
	{ "EPERM, TCP_REPAIR", IPPROTO_TCP, TCP_REPAIR, 1, -EPERM },
};
static size_t which;

static long set_guarded(void)
{
	int fd = new_socket();

	return LAST(fd, set_int(fd, guarded[which].level, guarded[which].option, guarded[which].value));
}

static long attach_filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog program = { 1, &all };
	int fd = new_socket();

	return LAST(fd, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static long nobody_attaches(void)
{
	return as_nobody(attach_filter);
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	long want;
	long (*ask)(void);
} rows[] = {
	{ "socket(2): EAFNOSUPPORT, no such family", -EAFNOSUPPORT, socket_family },
	{ "socket(2): EINVAL, flags in the type", -EINVAL, socket_type_flags },
	{ "socket(2): EINVAL, no such type", -EINVAL, socket_type_unknown },
	{ "socket(2): EMFILE", -EMFILE, socket_descriptors },
	{ "socket(2): ENFILE", -ENFILE, socket_files },
	{ "socket(2): EPROTONOSUPPORT", -EPROTONOSUPPORT, socket_protocol },
	{ "ip(7): ESOCKTNOSUPPORT", -ESOCKTNOSUPPORT, socket_type },

	{ "bind(2): EACCES, a privileged port", -EACCES, bind_privileged },
	{ "bind(2): EADDRINUSE", -EADDRINUSE, bind_taken },
	{ "bind(2): EADDRINUSE, no port is left", -EADDRINUSE, bind_no_ports },
	{ "bind(2): EINVAL, bound already", -EINVAL, bind_twice },
	{ "bind(2): EINVAL, a short address", -EINVAL, bind_short },
	{ "bind(2): EAFNOSUPPORT, another family", -EAFNOSUPPORT, bind_other_family },
	{ "bind(2): EADDRNOTAVAIL", -EADDRNOTAVAIL, bind_not_ours },
	{ "bind(2): EFAULT", -EFAULT, bind_pointer },
	{ "ipv6(7): EINVAL, a link-local address of no link", -EINVAL, bind_no_link },
	{ "ipv6(7): ENODEV, a link-local address of a link that is not there", -ENODEV, bind_wrong_link },
	{ "listen(2): EADDRINUSE, somebody listens there", -EADDRINUSE, listen_taken },
	{ "listen(2): EADDRINUSE, no port is left", -EADDRINUSE, listen_no_ports },

	{ "accept(2): EAGAIN", -EAGAIN, accept_none },
	{ "accept(2): EFAULT", -EFAULT, accept_pointer },
	{ "accept(2): EINTR", -EINTR, accept_interrupted },
	{ "accept(2): EINVAL, not a listener", -EINVAL, accept_not_listening },
	{ "accept(2): EINVAL, a length below zero", -EINVAL, accept_length },
	{ "accept(2): EINVAL, accept4()'s flags", -EINVAL, accept_flags },
	{ "accept(2): ENFILE", -ENFILE, accept_files },
	{ "accept(2): EMFILE, and the connection still waits", -EMFILE, accept_descriptors },

	{ "connect(2): EACCES, a prohibited route", -EACCES, connect_prohibited },
	{ "connect(2): EPERM, a broadcast address, which is ENETUNREACH for TCP", -ENETUNREACH, connect_many },
	{ "connect(2): EADDRNOTAVAIL, no port is left", -EADDRNOTAVAIL, connect_no_ports },
	{ "connect(2): EADDRNOTAVAIL, that connection exists", -EADDRNOTAVAIL, connect_same },
	{ "connect(2): EAFNOSUPPORT", -EAFNOSUPPORT, connect_other_family },
	{ "connect(2): EALREADY", -EALREADY, connect_again },
	{ "connect(2): EALREADY, when its time is up again", -EALREADY, connect_late_again },
	{ "connect(2): ECONNREFUSED", -ECONNREFUSED, connect_refused },
	{ "connect(2): EFAULT", -EFAULT, connect_pointer },
	{ "connect(2): EINVAL, a short address", -EINVAL, connect_short },
	{ "connect(2): EINPROGRESS", -EINPROGRESS, connect_nonblocking },
	{ "connect(2): EINPROGRESS, when its time is up", -EINPROGRESS, connect_late },
	{ "connect(2): EINTR", -EINTR, connect_interrupted },
	{ "connect(2): EALREADY after EINTR", -EALREADY, connect_interrupted_again },
	{ "connect(2): EISCONN", -EISCONN, connect_twice },
	{ "connect(2): ENETUNREACH", -ENETUNREACH, connect_no_route },
	{ "connect(2): ETIMEDOUT", -ETIMEDOUT, connect_timed_out },
	{ "ip(7): EHOSTUNREACH, an unreachable route", -EHOSTUNREACH, connect_unreachable },
	{ "ip(7): EINVAL, a black-hole route", -EINVAL, connect_black_hole },

	{ "send(2): EAGAIN", -EAGAIN, send_full },
	{ "send(2): EAGAIN, when its time is up", -EAGAIN, send_late },
	{ "send(2): EINTR", -EINTR, send_interrupted },
	{ "send(2): ECONNRESET", -ECONNRESET, send_reset },
	{ "send(2): EPIPE, a reset that was told already", -EPIPE, send_after_reset },
	{ "send(2): EPIPE, shut for writing", -EPIPE, send_shut },
	{ "send(2): ENOTCONN, which is EPIPE in Linux", -EPIPE, send_unconnected },
	{ "send(2): EISCONN, or the address is ignored", 1, send_addressed },
	{ "send(2): EFAULT", -EFAULT, send_pointer },
	{ "send(2): EINVAL, a broken control message", -EINVAL, send_control },
	{ "send(2): EOPNOTSUPP, MSG_FASTOPEN switched off", -EOPNOTSUPP, send_fast },
	{ "send(2): EDESTADDRREQ, MSG_FASTOPEN without an address, which is EINVAL", -EINVAL, send_fast_nowhere },
	{ "send(2): EALREADY, MSG_FASTOPEN again", -EALREADY, send_fast_again },

	{ "recv(2): EAGAIN", -EAGAIN, recv_none },
	{ "recv(2): EAGAIN, when its time is up", -EAGAIN, recv_late },
	{ "recv(2): ECONNREFUSED", -ECONNREFUSED, recv_refused },
	{ "tcp(7): ECONNRESET", -ECONNRESET, recv_reset },
	{ "recv(2): EFAULT", -EFAULT, recv_pointer },
	{ "recv(2): EINTR", -EINTR, recv_interrupted },
	{ "recv(2): EINVAL, a name's length below zero", -EINVAL, recv_name_length },
	{ "recv(2): EINVAL, MSG_OOB without urgent data", -EINVAL, recv_urgent },
	{ "recv(2): ENOTCONN", -ENOTCONN, recv_unconnected },

	{ "shutdown(2): EINVAL", -EINVAL, shutdown_how },
	{ "shutdown(2): ENOTCONN", -ENOTCONN, shutdown_unconnected },
	{ "getsockopt(2): EFAULT, the value", -EFAULT, get_value_pointer },
	{ "getsockopt(2): EFAULT, the length", -EFAULT, get_length_pointer },
	{ "getsockopt(2): EINVAL", -EINVAL, get_length },
	{ "getsockopt(2): ENOPROTOOPT", -ENOPROTOOPT, get_unknown },
	{ "setsockopt(2): EFAULT", -EFAULT, set_pointer },
	{ "setsockopt(2): EINVAL, the length", -EINVAL, set_length },
	{ "setsockopt(2): EINVAL, the value", -EINVAL, set_value },
	{ "setsockopt(2): ENOPROTOOPT", -ENOPROTOOPT, set_unknown },

	{ "tcp(7): ETIMEDOUT, data is not acknowledged", -ETIMEDOUT, data_timed_out },
	{ "tcp(7): ETIMEDOUT, keepalive is not answered", -ETIMEDOUT, keepalive_timed_out },
	{ "ip(7): ENOENT, SIOCGSTAMP without a packet", -ENOENT, no_stamp },
	{ "ip(7): EPERM, SO_ATTACH_FILTER", -EPERM, nobody_attaches },
};

static const char *tested;
static bool rst;

/* On the kernel's TCP, then on the stack under test. */
static void judge(const char *name, long want, long (*ask)(void))
{
	long control, r;

	choose_family(v6 ? "inet6" : "inet");
	control = ask();
	choose_family(tested);
	r = ask();
	if (control != want || r != want)
		fprintf(rst ? stderr : stdout, "# %s: the kernel's TCP says %ld (%s), this one %ld (%s)\n", name, control,
		       strerror(control < 0 ? -control : 0), r, strerror(r < 0 ? -r : 0));
	if (rst)
		rst_test(name, control == want && r == want);
	else
		ktap(control == want && r == want, name);
}

static long (*bad_call)(int fd);

static long ask_closed(void)
{
	return of_closed(bad_call);
}

static long ask_file(void)
{
	return of_file(bad_call);
}

static long ask_guarded(void)
{
	return as_nobody(set_guarded);
}

int main(int argc, char **argv)
{
	char name[100];

	rst = argc > 1 && !strcmp(argv[1], "--rst");
	tested = getenv("RUSTTCP_FAMILY");
	if (rst) {
		choose_family(tested);
		signal(SIGPIPE, SIG_IGN);
		setvbuf(stdout, NULL, _IOLBF, 0);
		rst_head();
	} else {
		ktap_begin();
	}
	/* The other runs have the kernel's TCP as their control. */
	if (is_kernels())
		return ktap_end();
	own_namespace();
	run("ip link add dummy0 type dummy && ip link set dummy0 up");
	run("ip addr add 192.0.2.254/24 dev dummy0 && ip addr add 2001:db8::254/64 dev dummy0 nodad");
	run("ip route add prohibit 198.51.100.0/26 && ip -6 route add prohibit 2001:db8:a::/48");
	run("ip route add unreachable 198.51.100.64/26 && ip -6 route add unreachable 2001:db8:b::/48");
	run("ip route add blackhole 198.51.100.128/26 && ip -6 route add blackhole 2001:db8:c::/48");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (v6 || strncmp(rows[i].name, "ipv6(7)", 7))
			judge(rows[i].name, rows[i].want, rows[i].ask);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		bad_call = calls[i].call;
		snprintf(name, sizeof(name), "%s: EBADF", calls[i].page);
		judge(name, -EBADF, ask_closed);
		snprintf(name, sizeof(name), "%s: ENOTSOCK", calls[i].page);
		judge(name, -ENOTSOCK, ask_file);
	}
	for (which = 0; which < ARRAY_SIZE(guarded); which++) {
		snprintf(name, sizeof(name), "ip(7): %s", guarded[which].name);
		judge(name, guarded[which].want, ask_guarded);
	}
	if (!rst)
		return ktap_end();
	rst_others();
	return 0;
}
