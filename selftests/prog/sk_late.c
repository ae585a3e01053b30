// SPDX-License-Identifier: GPL-2.0
/*
 * Options that are set later than usual, and what a socket keeps or does not keep: after bind(), after listen(),
 * before connect(), after the end; a child beside its listener. The kernel's TCP does the same on inet and inet6.
 */
#include "common.h"
#include <sys/mman.h>

static void shell(const char *command)
{
	must(system(command) == 0);
}

static void set_up(void)
{
	own_namespace();
	shell("ip -batch - <<-END\n"
	      "	link set lo up\n"
	      "	link add dummy0 up type dummy\n"
	      "	addr add 192.0.2.1/24 dev dummy0\n"
	      "	addr add 2001:db8::1/64 dev dummy0 nodad\n"
	      "END");
}

static void set(int fd, int level, int name, int value)
{
	must(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static void to_device(int fd, const char *device)
{
	must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)) == 0);
}

static int bound(struct endpoint sin, int reuse)
{
	int fd = new_socket();

	if (reuse)
		set(fd, SOL_SOCKET, reuse, 1);
	must(bind(fd, SA(sin), sizeof(sin)) == 0);
	return fd;
}

/* What connect() to there says; who waits for more than a second is not answered. */
static int reached(struct endpoint sin)
{
	struct timeval tv = { 1, 0 };
	int fd = new_socket(), error;

	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	error = connect(fd, SA(sin), sizeof(sin)) ? errno : 0;
	close(fd);
	return error;
}

/* --- a device that a socket is bound to late ---------------------------------------------------- */

static void test_device(void)
{
	struct endpoint sin = at("0.0.0.0", 7101), lo = at("127.0.0.1", 7101);
	int fd = bound(sin, 0);

	to_device(fd, "dummy0");
	must(listen(fd, 9) == 0);
	expect(reached(lo), ECONNREFUSED, 0, "bound to a device before listen(): others are refused");
	to_device(fd, "lo");
	expect(reached(lo), 0, 0, "bound to another after it: it is reached by that");
	to_device(fd, "dummy0");
	expect(reached(lo), ECONNREFUSED, 0, "and to the first again: refused again");
	to_device(fd, "");
	expect(reached(lo), 0, 0, "to none any more: reached by all");
	close(fd);
}

static void test_device_shares(void)
{
	struct endpoint sin = at("0.0.0.0", 7102);
	int one = bound(sin, 0), other = new_socket();

	to_device(one, "dummy0");
	to_device(other, "lo");
	expect(bind(other, SA(sin), sizeof(sin)), 0, 0, "a port at another device than the one it is bound to by now");
	close(other);
	close(one);
}

/* --- who shares a port -------------------------------------------------------------------------- */

static void test_sharing(int option, const char *name)
{
	struct endpoint sin = at("0.0.0.0", option == SO_REUSEADDR ? 7103 : 7104);
	int one = bound(sin, 0), other = new_socket();
	char what[100];

	set(other, SOL_SOCKET, option, 1);
	snprintf(what, sizeof(what), "%s: of two alone", name);
	expect(bind(other, SA(sin), sizeof(sin)), -1, EADDRINUSE, what);
	set(one, SOL_SOCKET, option, 1);
	snprintf(what, sizeof(what), "%s: of both, one of them after bind()", name);
	expect(bind(other, SA(sin), sizeof(sin)), 0, 0, what);
	close(other);
	/* Linux remembers of a port that all who have it shared it by SO_REUSEPORT. */
	if (option == SO_REUSEPORT) {
		close(one);
		return;
	}
	set(one, SOL_SOCKET, option, 0);
	other = new_socket();
	set(other, SOL_SOCKET, option, 1);
	snprintf(what, sizeof(what), "%s: and taken back", name);
	expect(bind(other, SA(sin), sizeof(sin)), -1, EADDRINUSE, what);
	close(other);
	close(one);
}

/* --- ports that connections wait on ------------------------------------------------------------- */

/* Two ports, of which one or both have a connection in TIME-WAIT: bind() to any takes none of these. */
static void test_waited_out(void)
{
	struct endpoint sin = at("127.0.0.1", 7109), one = at("127.0.0.1", 40110), any = at("127.0.0.1", 0);
	struct endpoint other = at("127.0.0.1", 40111);
	int s = listener_at(sin, 5), fd, b, taken = 0;

	fd = bound(one, 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	b = accept(s, NULL, NULL);
	close(fd);
	close(b);
	fd = new_socket();
	must(until(bind(fd, SA(one), sizeof(one)) == -1 && errno == EADDRINUSE));
	close(fd);
	for (int i = 0; i < 20; i++) {
		fd = new_socket();
		set(fd, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, 40110 | 40111 << 16);
		must(bind(fd, SA(any), sizeof(any)) == 0);
		taken += ntohs(local_of(fd).sin_port) == 40110;
		close(fd);
	}
	expect(taken, 0, 0, "bind() to any port finds none that a connection waits on");
	b = bound(other, 0);
	fd = new_socket();
	set(fd, IPPROTO_IP, 51, 40110 | 40111 << 16);
	expect(bind(fd, SA(any), sizeof(any)), -1, EADDRINUSE, "and says so if there is no other");
	close(fd);
	close(b);
	close(s);
}

/* --- a child is not its listener ---------------------------------------------------------------- */

static unsigned long long cookie(int fd)
{
	unsigned long long n = 0;
	socklen_t len = sizeof(n);

	must(getsockopt(fd, SOL_SOCKET, 57 /* SO_COOKIE */, &n, &len) == 0);
	return n;
}

static int connected_to(struct endpoint sin)
{
	int fd = new_socket();

	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	return fd;
}

static void test_children(void)
{
	struct endpoint sin = at("127.0.0.1", 7105);
	int s = bound(sin, 0), a[2], b[2];
	unsigned long long own;

	set(s, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	must(listen(s, 9) == 0);
	own = cookie(s);
	for (int i = 0; i < 2; i++) {
		a[i] = connected_to(sin);
		must(write(a[i], "x", 1) == 1);
		b[i] = accept(s, NULL, NULL);
		must(b[i] >= 0);
	}
	ktap(cookie(b[0]) != own && cookie(b[1]) != own && cookie(b[0]) != cookie(b[1]),
	     "SO_COOKIE: each child has its own");
	expect(get_int(s, IPPROTO_TCP, TCP_DEFER_ACCEPT), 1, 0, "TCP_DEFER_ACCEPT: the listener's");
	expect(get_int(b[0], IPPROTO_TCP, TCP_DEFER_ACCEPT), 0, 0, "TCP_DEFER_ACCEPT: not its child's");
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	close(s);
}

/* --- a socket that was shut down before --------------------------------------------------------- */

static void test_shut_before(void)
{
	struct endpoint sin = at("127.0.0.1", 7106);
	int s = listener_at(sin, 2), fd = new_socket();

	expect(shutdown(fd, SHUT_WR), -1, ENOTCONN, "shutdown() before connect()");
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	expect(send(fd, "x", 1, MSG_NOSIGNAL), -1, EPIPE, "and nothing can be sent after it");
	close(fd);
	close(s);
}

/* --- the urgent byte ---------------------------------------------------------------------------- */

static void test_urgent(void)
{
	int fds[2], through[2];
	char buf[4];

	new_pair(fds);
	must(pipe(through) == 0);
	must(send(fds[0], "aU", 2, MSG_OOB) == 2 && send(fds[0], "b", 1, 0) == 1);
	must(until(poll_for(fds[1], POLLPRI, 0) == POLLPRI));
	must(recv(fds[1], buf, 1, 0) == 1);
	must(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
	expect(splice(fds[1], NULL, through[1], NULL, 9, SPLICE_F_NONBLOCK), -1, EAGAIN,
	       "splice() at the mark is not at the end");
	close_hard(fds[0]);
	must(until(poll_for(fds[1], POLLHUP, 0) & POLLHUP));
	expect(recv(fds[1], buf, 1, MSG_OOB), -1, ENOTCONN, "MSG_OOB after a reset");
	expect(so_error(fds[1]), ECONNRESET, 0, "and the reset is still to be told");
	close(fds[1]);
	close(through[0]);
	close(through[1]);
}

/* --- what is read once, or rounded -------------------------------------------------------------- */

static void test_saved_syn(void)
{
	struct endpoint sin = at("127.0.0.1", 7107);
	int s = bound(sin, 0), a, b;
	unsigned char syn[200];
	socklen_t len = sizeof(syn);
	void *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(nothing != MAP_FAILED);
	set(s, IPPROTO_TCP, TCP_SAVE_SYN, 1);
	must(listen(s, 2) == 0);
	a = connected_to(sin);
	b = accept(s, NULL, NULL);
	must(b >= 0);
	expect(getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, nothing, &len), -1, EFAULT, "TCP_SAVED_SYN to nowhere");
	len = sizeof(syn);
	expect(getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len), 0, 0, "TCP_SAVED_SYN after that");
	ktap(len >= 40, "TCP_SAVED_SYN: is still there");
	len = sizeof(syn);
	must(getsockopt(b, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len) == 0);
	expect(len, 0, 0, "TCP_SAVED_SYN: and then is not");
	munmap(nothing, 4096);
	close(a);
	close(b);
	close(s);
}

/* In microseconds; the kernel's TCP keeps them in ticks, of which these are halves. */
static void test_rounded(void)
{
	static const int options[] = { 45 /* TCP_RTO_MIN_US */, 46 /* TCP_DELACK_MAX_US */ };
	struct timespec res;
	int tick;

	must(clock_getres(CLOCK_MONOTONIC_COARSE, &res) == 0);
	tick = res.tv_nsec / 1000;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int fd = new_socket(), value;

		value = tick;
		expect(setsockopt(fd, IPPROTO_TCP, options[i], &value, sizeof(value)), -1, EINVAL, "a tick is too short");
		value = tick + 1;
		expect(setsockopt(fd, IPPROTO_TCP, options[i], &value, sizeof(value)), 0, 0, "a little more is two");
		expect(get_int(fd, IPPROTO_TCP, options[i]), 2 * tick, 0, "which it reads as");
		value = 200000;
		expect(setsockopt(fd, IPPROTO_TCP, options[i], &value, sizeof(value)), 0, 0, "the longest");
		value = 200001;
		expect(setsockopt(fd, IPPROTO_TCP, options[i], &value, sizeof(value)), -1, EINVAL, "and too long");
		close(fd);
	}
}

static void test_fast_open(void)
{
	int s;

	shell("sysctl -qw net.ipv4.tcp_fastopen=0x402");
	s = new_socket();
	must(listen(s, 5) == 0);
	expect(get_int(s, IPPROTO_TCP, TCP_FASTOPEN), 5, 0, "TCP_FASTOPEN where all listeners have it: the backlog");
	close(s);
	shell("sysctl -qw net.ipv4.tcp_fastopen=1");
	s = new_socket();
	must(listen(s, 5) == 0);
	expect(get_int(s, IPPROTO_TCP, TCP_FASTOPEN), 0, 0, "TCP_FASTOPEN where they don't");
	close(s);
}

/* --- before the answer -------------------------------------------------------------------------- */

static void test_unanswered(int ecn, const char *name)
{
	struct endpoint sin = at("192.0.2.9", 80);
	struct tcp_info i = { 0 };
	socklen_t len = sizeof(i);
	char command[100];
	int fd;

	snprintf(command, sizeof(command), "sysctl -qw net.ipv4.tcp_ecn=%d", ecn);
	shell(command);
	fd = new_socket();
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EINPROGRESS, name);
	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) == 0);
	expect(i.tcpi_state, TCP_SYN_SENT, 0, "TCP_INFO before the answer");
	expect(i.tcpi_options, ecn ? TCPI_OPT_ECN : 0, 0, "TCP_INFO: no option is in use but what is asked for");
	expect(i.tcpi_rcv_wscale, 0, 0, "TCP_INFO: nor a scale");
	close(fd);
}

/* --- where a connection begins to number its packets -------------------------------------------- */

/* Eight connections whose packets may be cut: the first number is not the same for all. */
static void test_packet_numbers(void)
{
	struct endpoint sin = at("127.0.0.1", 7108);
	int s = listener_at(sin, 20), sniffer, first = -1, same = 0, n = 0;
	unsigned char packet[200];
	struct timeval tv = { 5, 0 };

	sniffer = socket(AF_PACKET, SOCK_DGRAM, htons(0x0800));
	must(sniffer >= 0 && setsockopt(sniffer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	for (int i = 0; i < 8; i++) {
		int fd = new_socket(), b;

		set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
		must(connect(fd, SA(sin), sizeof(sin)) == 0);
		b = accept(s, NULL, NULL);
		must(send(fd, "x", 1, 0) == 1);
		/* The packet of a byte. */
		for (;;) {
			ssize_t len = recv(sniffer, packet, sizeof(packet), 0);
			int head = (packet[0] & 15) * 4;

			must(len > head + 13);
			if (len == head + (packet[head + 12] >> 4) * 4 + 1)
				break;
		}
		if (first < 0)
			first = packet[4] << 8 | packet[5];
		same += first == (packet[4] << 8 | packet[5]);
		n++;
		close(fd);
		close(b);
		/* What else came of it. */
		while (recv(sniffer, packet, sizeof(packet), MSG_DONTWAIT) > 0)
			;
	}
	ktap(n == 8 && same < 8, "IPv4: packets are not numbered alike");
	close(sniffer);
	close(s);
}

int main(void)
{
	ktap_begin();
	set_up();
	test_device();
	test_device_shares();
	test_sharing(SO_REUSEADDR, "SO_REUSEADDR");
	test_sharing(SO_REUSEPORT, "SO_REUSEPORT");
	test_waited_out();
	test_children();
	test_shut_before();
	test_urgent();
	test_saved_syn();
	test_rounded();
	test_fast_open();
	test_unanswered(0, "a connection that nobody answers");
	test_unanswered(1, "one that asks for ECN");
	if (!v6)
		test_packet_numbers();
	return ktap_end();
}
