// SPDX-License-Identifier: GPL-2.0
/* What socket options do, on either stack. */
/* The kernel's struct tcp_info in place of the C library's, which is old. */
#define _NETINET_TCP_H 1
#include "common.h"
#include <linux/filter.h>
#include <linux/tcp.h>
#include <net/if.h>

enum { TCP_ESTABLISHED = 1, TCP_FIN_WAIT2 = 5, TCP_CLOSE = 7, TCP_CLOSE_WAIT, TCP_LISTEN = 10 };

#define SOL_TCP 6

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info;
}

static bool within(uint64_t value, uint64_t low, uint64_t high, const char *what)
{
	if (value < low || value > high)
		printf("# %s: %llu is not in %llu..%llu\n", what, (unsigned long long)value,
		       (unsigned long long)low, (unsigned long long)high);
	return value >= low && value <= high;
}

#define in(field, low, high) (ok &= within(i.field, low, high, #field))

static void test_info(void)
{
	static char data[100000];
	struct endpoint sin;
	struct tcp_info i;
	int fds[2], fd, listener;
	ssize_t n;
	size_t got = 0;
	bool ok = true;

	fd = new_socket();
	i = info_of(fd);
	ktap(i.tcpi_state == TCP_CLOSE && i.tcpi_unacked == 0, "TCP_INFO: a fresh socket");
	close(fd);
	listener = new_listener(7, &sin);
	fd = new_socket();
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	must(poll_for(listener, POLLIN, 1000) > 0);
	i = info_of(listener);
	ktap(i.tcpi_state == TCP_LISTEN && i.tcpi_unacked == 1 && i.tcpi_sacked == 7,
	     "TCP_INFO: a listener tells its queue");
	close(fd);
	close(listener);

	new_pair(fds);
	must(write(fds[0], data, sizeof(data)) == sizeof(data));
	while (got < sizeof(data) && (n = read(fds[1], data, sizeof(data))) > 0)
		got += n;
	must(got == sizeof(data));
	must(until(info_of(fds[0]).tcpi_unacked == 0));
	usleep(30000);
	i = info_of(fds[0]);
	in(tcpi_state, TCP_ESTABLISHED, TCP_ESTABLISHED);
	in(tcpi_ca_state, 0, 0);
	in(tcpi_options, TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE, 0xff);
	/* RFC 6298: the mean and, with so little of a variance, the least of the rest; in ticks. */
	in(tcpi_rto, 200000, 210000 + i.tcpi_rtt);
	in(tcpi_snd_mss, 16384, v6 ? 65464 : 65483);
	in(tcpi_advmss, v6 ? 65464 : 65483, v6 ? 65476 : 65496);
	in(tcpi_pmtu, 65535, 65536);
	in(tcpi_unacked, 0, 0);
	in(tcpi_lost, 0, 0);
	in(tcpi_retrans, 0, 0);
	in(tcpi_last_data_sent, 25, 5000);
	in(tcpi_last_ack_recv, 25, 5000);
	in(tcpi_rtt, 1, 100000);
	in(tcpi_rttvar, 1, 100000);
	in(tcpi_min_rtt, 0, i.tcpi_rtt);
	in(tcpi_snd_cwnd, 2, 1000);
	in(tcpi_snd_ssthresh, 2, 0x7fffffff);
	in(tcpi_bytes_acked, sizeof(data), sizeof(data) + 1);
	in(tcpi_bytes_sent - i.tcpi_bytes_retrans, sizeof(data), sizeof(data));
	in(tcpi_bytes_received, 0, 0);
	in(tcpi_data_segs_out, 2, 50);
	in(tcpi_segs_out, i.tcpi_data_segs_out + 2, i.tcpi_data_segs_out + 10);
	in(tcpi_segs_in, 2, 50);
	in(tcpi_data_segs_in, 0, 0);
	in(tcpi_delivered, i.tcpi_data_segs_out, i.tcpi_data_segs_out + 1);
	in(tcpi_notsent_bytes, 0, 0);
	in(tcpi_snd_wnd, 1000, 10000000);
	in(tcpi_delivery_rate, 100000, ~0ull);
	in(tcpi_pacing_rate, 1000000, ~0ull);
	in(tcpi_max_pacing_rate, ~0ull, ~0ull);
	/* In ticks: less than one is none. */
	in(tcpi_busy_time, 0, 1000000);
	ktap(ok, "TCP_INFO: the sender");
	ok = true;
	i = info_of(fds[1]);
	in(tcpi_bytes_received, sizeof(data), sizeof(data));
	in(tcpi_bytes_sent, 0, 0);
	in(tcpi_data_segs_in, 2, 50);
	in(tcpi_segs_in, i.tcpi_data_segs_in, i.tcpi_data_segs_in + 10);
	in(tcpi_last_data_recv, 25, 5000);
	in(tcpi_rcv_mss, 500, 65483);
	in(tcpi_rcv_space, 1000, 10000000);
	in(tcpi_rcv_ooopack, 0, 0);
	ktap(ok, "TCP_INFO: the receiver");
	/* A short structure, as old programs have it. */
	struct tcp_info old;
	socklen_t len = 104;

	memset(&old, 0xee, sizeof(old));
	must(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &old, &len) == 0);
	ktap(len == 104 && ((unsigned char *)&old)[104] == 0xee, "TCP_INFO: no more than asked for");
	close(fds[0]);
	close(fds[1]);
}

static void test_limits_in_info(void)
{
	static char data[4000000];
	struct tcp_info i;
	int fds[2];

	new_pair(fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	/* Nobody reads: the window shuts with data left to send. */
	for (int k = 0; k < 50 && write(fds[0], data, sizeof(data)) != -1; k++)
		;
	usleep(100000);
	while (write(fds[0], data, sizeof(data)) > 0)
		;
	usleep(200000);
	i = info_of(fds[0]);
	ktap(within(i.tcpi_rwnd_limited, 100000, 2000000, "rwnd_limited") &&
	     i.tcpi_busy_time >= i.tcpi_rwnd_limited && i.tcpi_notsent_bytes > 0,
	     "TCP_INFO: limited by the peer's window");
	close(fds[0]);
	close(fds[1]);
}

/* What recvmsg() of @len bytes, of which it gets all, says is left; -1: nothing. */
static int left_after(int fd, size_t len, int flags)
{
	char buf[64], control[64];
	struct iovec iov = { buf, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	int inq = -1;

	must(len <= sizeof(buf));
	must(recvmsg(fd, &msg, flags) == (ssize_t)len);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (c && c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ)
		memcpy(&inq, CMSG_DATA(c), sizeof(inq));
	return inq;
}

static void test_inq(void)
{
	int fds[2];

	new_pair(fds);
	must(set_int(fds[1], IPPROTO_TCP, TCP_INQ, 1) == 0);
	must(write(fds[0], "0123456789abcdefghij", 20) == 20);
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	expect(left_after(fds[1], 5, 0), 15, 0, "TCP_INQ: what is left");
	expect(left_after(fds[1], 5, MSG_PEEK), 15, 0, "TCP_INQ: a look takes nothing");
	must(shutdown(fds[0], SHUT_WR) == 0 && poll_for(fds[1], POLLRDHUP, 1000) > 0);
	expect(left_after(fds[1], 5, 0), 11, 0, "TCP_INQ: the end counts as a byte");
	expect(left_after(fds[1], 10, 0), 1, 0, "TCP_INQ: the end is left");
	expect(left_after(fds[1], 0, 0), 1, 0, "TCP_INQ: the end is left for ever");
	close(fds[0]);
	close(fds[1]);
	new_pair(fds);
	must(set_int(fds[1], IPPROTO_TCP, TCP_INQ, 1) == 0);
	must(send(fds[0], "0123456789", 10, MSG_OOB) == 10);
	must(poll_for(fds[1], POLLPRI, 1000) > 0);
	expect(left_after(fds[1], 1, MSG_OOB), 10, 0, "TCP_INQ: the urgent byte counts, and MSG_OOB tells");
	expect(left_after(fds[1], 9, 0), 1, 0, "TCP_INQ: the urgent byte counts, read or not");
	must(shutdown(fds[1], SHUT_RD) == 0);
	close(fds[0]);
	close(fds[1]);
}

static void test_saved_syn(void)
{
	struct endpoint sin, me;
	int listener = new_socket(), c, s;
	unsigned char syn[200];
	socklen_t len = 10;

	sin = at("127.0.0.1", 0);
	must(bind(listener, SA(sin), sizeof(sin)) == 0 && listen(listener, 4) == 0);
	must(set_int(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1) == 0);
	sin = local_of(listener);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	me = local_of(c);
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	expect(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len), -1, EINVAL, "TCP_SAVED_SYN: no room");
	ktap(len >= 40 && len <= 120, "TCP_SAVED_SYN: tells how much it takes");
	len = sizeof(syn);
	expect(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len), 0, 0, "TCP_SAVED_SYN");
	if (v6)
		ktap(len >= 60 && syn[0] >> 4 == 6 && syn[6] == 6 &&
		     !memcmp(syn + 8, &me.in6.sin6_addr, 16) && !memcmp(syn + 40, &me.sin_port, 2) &&
		     (syn[53] & 0x12) == 2, "TCP_SAVED_SYN: is the SYN");
	else
		ktap(len >= 40 && syn[0] == 0x45 && syn[9] == 6 &&
		     !memcmp(syn + 12, &me.sin_addr, 4) && !memcmp(syn + 20, &me.sin_port, 2) &&
		     (syn[33] & 0x12) == 2, "TCP_SAVED_SYN: is the SYN");
	len = sizeof(syn);
	must(getsockopt(s, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len) == 0);
	expect(len, 0, 0, "TCP_SAVED_SYN: once");
	close(s);
	close(c);
	close(listener);
}

static void test_defer_accept(void)
{
	struct endpoint sin;
	int listener = new_listener(4, &sin), c = new_socket();

	must(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3) == 0);
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	expect(poll_for(listener, POLLIN, 300), 0, 0, "TCP_DEFER_ACCEPT: not without data");
	must(write(c, "x", 1) == 1);
	expect(poll_for(listener, POLLIN, 1000), POLLIN, 0, "TCP_DEFER_ACCEPT: with data");
	int s = accept(listener, NULL, NULL);
	char byte = 0;

	ktap(s >= 0 && read(s, &byte, 1) == 1 && byte == 'x', "TCP_DEFER_ACCEPT: the data is there");
	close(s);
	close(c);
	/* A client that never sends gets in at last. */
	must(set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1) == 0);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	expect(poll_for(listener, POLLIN, 4000), POLLIN, 0, "TCP_DEFER_ACCEPT: not for ever");
	close(c);
	close(listener);
}

static void test_linger2(void)
{
	struct tcp_info i;
	int fds[2];
	char byte;

	new_pair(fds);
	must(set_int(fds[0], IPPROTO_TCP, TCP_LINGER2, -1) == 0);
	must(shutdown(fds[0], SHUT_WR) == 0);
	must(until(info_of(fds[0]).tcpi_state == TCP_FIN_WAIT2));
	i = info_of(fds[1]);
	must(i.tcpi_state == TCP_CLOSE_WAIT);
	close(fds[0]);
	must(until(info_of(fds[1]).tcpi_state == TCP_CLOSE));
	must(read(fds[1], &byte, 1) <= 0);
	ktap(true, "TCP_LINGER2: below zero an orphan is aborted");
	close(fds[1]);
}

static void test_notsent_lowat(void)
{
	static char data[100000];
	int fds[2], total = 0;
	ssize_t n;

	new_pair(fds);
	must(set_int(fds[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, 20000) == 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while ((n = write(fds[0], data, sizeof(data))) > 0) {
		total += n;
		usleep(1000);
	}
	int notsent = info_of(fds[0]).tcpi_notsent_bytes;

	ktap(within(notsent, 20000, 300000, "notsent"), "TCP_NOTSENT_LOWAT: no more is taken");
	expect(poll_for(fds[0], POLLOUT, 0), 0, 0, "TCP_NOTSENT_LOWAT: not writable");
	while (total > 0 && (n = read(fds[1], data, sizeof(data))) > 0) {
		total -= n;
		if (poll_for(fds[0], POLLOUT, 0) > 0)
			break;
	}
	expect(poll_for(fds[0], POLLOUT, 2000), POLLOUT, 0, "TCP_NOTSENT_LOWAT: writable again");
	close(fds[0]);
	close(fds[1]);
}

static void test_peek_off(void)
{
	char buf[32] = "";
	int fds[2];

	new_pair(fds);
	must(set_int(fds[1], SOL_SOCKET, SO_PEEK_OFF, 2) == 0);
	must(write(fds[0], "0123456789", 10) == 10);
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	expect(recv(fds[1], buf, 3, MSG_PEEK), 3, 0, "SO_PEEK_OFF: peeks from there");
	ktap(!memcmp(buf, "234", 3), "SO_PEEK_OFF: the right bytes");
	expect(get_int(fds[1], SOL_SOCKET, SO_PEEK_OFF), 5, 0, "SO_PEEK_OFF: moves on");
	expect(recv(fds[1], buf, 4, 0), 4, 0, "SO_PEEK_OFF: reading");
	expect(get_int(fds[1], SOL_SOCKET, SO_PEEK_OFF), 1, 0, "SO_PEEK_OFF: moves back");
	expect(recv(fds[1], buf, 32, MSG_PEEK), 5, 0, "SO_PEEK_OFF: the rest");
	ktap(!memcmp(buf, "56789", 5), "SO_PEEK_OFF: the right rest");
	expect(recv(fds[1], buf, 32, MSG_PEEK | MSG_DONTWAIT), -1, EAGAIN, "SO_PEEK_OFF: beyond the end");
	close(fds[0]);
	close(fds[1]);
}

/* A size that was asked for stays, whatever is done next. */
static void test_buffer_sizes_stay(void)
{
	static const int names[] = { SO_RCVBUF, SO_SNDBUF };
	int fds[2], on = 1, half = 100000;
	char c;

	for (int connected = 0; connected < 2; connected++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			int value = 0;
			socklen_t len = sizeof(value);

			new_pair(fds);
			int fd = connected ? fds[0] : new_socket();

			must(setsockopt(fd, SOL_SOCKET, names[i], &half, sizeof(half)) == 0);
			must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
			must(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0);
			must(recv(fd, &c, 1, MSG_DONTWAIT) == -1);
			must(getsockopt(fd, SOL_SOCKET, names[i], &value, &len) == 0);
			expect(value, 2 * half, 0, i ? "SO_SNDBUF stays" : "SO_RCVBUF stays");
			close(fds[0]);
			close(fds[1]);
			if (!connected)
				close(fd);
		}
	}
}

static void test_rcvlowat(void)
{
	char buf[100];
	int fds[2];

	new_pair(fds);
	must(set_int(fds[1], SOL_SOCKET, SO_RCVLOWAT, 10) == 0);
	must(write(fds[0], "01234", 5) == 5);
	expect(poll_for(fds[1], POLLIN, 100), 0, 0, "SO_RCVLOWAT: too little");
	must(set_int(fds[1], SOL_SOCKET, SO_RCVLOWAT, 5) == 0);
	expect(poll_for(fds[1], POLLIN, 0), POLLIN, 0, "SO_RCVLOWAT: lowered");
	must(set_int(fds[1], SOL_SOCKET, SO_RCVLOWAT, 10) == 0);
	must(write(fds[0], "56789", 5) == 5);
	expect(poll_for(fds[1], POLLIN, 1000), POLLIN, 0, "SO_RCVLOWAT: enough");
	expect(recv(fds[1], buf, sizeof(buf), 0), 10, 0, "SO_RCVLOWAT: read");
	/* Less than asked for, and less than that is there. */
	must(write(fds[0], "01234", 5) == 5);
	struct timeval tv = { .tv_usec = 100000 };
	long long since = now_ms();

	must(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	expect(recv(fds[1], buf, sizeof(buf), MSG_PEEK), 5, 0, "SO_RCVLOWAT: a look gives what there is");
	ktap(now_ms() - since >= 90, "SO_RCVLOWAT: after it waited for the rest");
	expect(recv(fds[1], buf, 3, 0), 3, 0, "SO_RCVLOWAT: a shorter read does not wait");
	expect(recv(fds[1], buf, 20, MSG_DONTWAIT), 2, 0, "SO_RCVLOWAT: MSG_DONTWAIT takes what is there");
	close(fds[0]);
	close(fds[1]);
}

/* Who waits for more than the buffer takes is woken when it is full. */
static void test_rcvlowat_of_a_full_buffer(void)
{
	static char data[10];
	struct endpoint sin = at("127.0.0.1", 0);
	int listener = new_socket(), c = new_socket(), s;

	must(set_int(listener, SOL_SOCKET, SO_RCVBUF, 6000) == 0);
	must(bind(listener, SA(sin), sizeof(sin)) == 0 && listen(listener, 1) == 0);
	sin = local_of(listener);
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0 && set_int(s, SOL_SOCKET, SO_RCVLOWAT, 1000000) == 0);
	expect(get_int(s, SOL_SOCKET, SO_RCVLOWAT), 6000, 0, "SO_RCVLOWAT: half the buffer at most");
	must(set_int(c, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
	for (int i = 0; i < 3000 && send(c, data, sizeof(data), MSG_DONTWAIT) > 0; i++)
		;
	expect(poll_for(s, POLLIN, 3000), POLLIN, 0, "SO_RCVLOWAT: the buffer is full before");
	close(s);
	close(c);
	close(listener);
}

static int ask_queue(int fd, unsigned long what)
{
	int n = -1;

	return ioctl(fd, what, &n) ? -errno : n;
}

static void test_queues(void)
{
	struct endpoint sin;
	int fds[2], listener = new_listener(1, &sin), lone = new_socket();

	new_pair(fds);
	must(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 1) == 0);
	must(write(fds[0], "0123456789", 10) == 10);
	expect(ask_queue(fds[0], SIOCOUTQNSD), 10, 0, "SIOCOUTQNSD: what is held back");
	expect(ask_queue(fds[0], SIOCOUTQ), 10, 0, "SIOCOUTQ: that too");
	must(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 0) == 0);
	expect(ask_queue(fds[0], SIOCOUTQNSD), 0, 0, "SIOCOUTQNSD: it is sent");
	ktap(until(ask_queue(fds[0], SIOCOUTQ) == 0), "SIOCOUTQ: and acknowledged");
	expect(ask_queue(fds[1], SIOCINQ), 10, 0, "SIOCINQ: and there");
	expect(ask_queue(listener, SIOCINQ), -EINVAL, 0, "SIOCINQ: of a listener");
	expect(ask_queue(listener, SIOCOUTQ), -EINVAL, 0, "SIOCOUTQ: of a listener");
	expect(ask_queue(listener, SIOCOUTQNSD), -EINVAL, 0, "SIOCOUTQNSD: of a listener");
	expect(ask_queue(listener, SIOCATMARK), 0, 0, "SIOCATMARK: of a listener");
	expect(ask_queue(lone, SIOCOUTQNSD), 0, 0, "SIOCOUTQNSD: of a fresh socket");
	close(lone);
	close(listener);
	close(fds[0]);
	close(fds[1]);
}

static void test_window_clamp(void)
{
	int listener, c, s;
	struct endpoint sin;

	listener = new_listener(2, &sin);
	must(set_int(listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000) == 0);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	usleep(20000);
	ktap(within(info_of(c).tcpi_snd_wnd, 10000, 20000, "snd_wnd"), "TCP_WINDOW_CLAMP: bounds the window");
	close(s);
	close(c);
	close(listener);
}

static void test_quickack(void)
{
	char buf[100];
	int fds[2];
	uint32_t before;

	new_pair(fds);
	/* Delayed: an answer within the delay makes the connection interactive. */
	for (int i = 0; i < 30; i++) {
		must(write(fds[0], "ping", 4) == 4 && read(fds[1], buf, 100) > 0);
		must(write(fds[1], "pong", 4) == 4 && read(fds[0], buf, 100) > 0);
	}
	must(set_int(fds[1], IPPROTO_TCP, TCP_QUICKACK, 0) == 0);
	expect(get_int(fds[1], IPPROTO_TCP, TCP_QUICKACK), 0, 0, "TCP_QUICKACK: off");
	usleep(300000);
	before = info_of(fds[1]).tcpi_segs_out;
	must(write(fds[0], "ping", 4) == 4);
	must(read(fds[1], buf, 100) == 4);
	usleep(5000);
	uint32_t at_once = info_of(fds[1]).tcpi_segs_out - before;

	must(set_int(fds[1], IPPROTO_TCP, TCP_QUICKACK, 1) == 0);
	expect(get_int(fds[1], IPPROTO_TCP, TCP_QUICKACK), 1, 0, "TCP_QUICKACK: on");
	usleep(5000);
	ktap(at_once == 0 && info_of(fds[1]).tcpi_segs_out - before == 1,
	     "TCP_QUICKACK: sends the ACK that was delayed");
	close(fds[0]);
	close(fds[1]);
}

static void test_user_timeout_and_cork(void)
{
	char buf[100];
	int fds[2];

	new_pair(fds);
	must(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 1) == 0);
	must(write(fds[0], "head", 4) == 4 && write(fds[0], "tail", 4) == 4);
	expect(poll_for(fds[1], POLLIN, 50), 0, 0, "TCP_CORK: holds back");
	must(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 0) == 0);
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	expect(read(fds[1], buf, 100), 8, 0, "TCP_CORK: goes as one");
	must(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 1) == 0);
	must(write(fds[0], "late", 4) == 4);
	expect(poll_for(fds[1], POLLIN, 1000), POLLIN, 0, "TCP_CORK: not for ever");
	close(fds[0]);
	close(fds[1]);
}

static void test_cookie(void)
{
	uint64_t a = 0, b = 0, again = 0;
	socklen_t len = 8;
	int fds[2];

	new_pair(fds);
	must(getsockopt(fds[0], SOL_SOCKET, SO_COOKIE, &a, &len) == 0);
	must(getsockopt(fds[0], SOL_SOCKET, SO_COOKIE, &again, &len) == 0);
	must(getsockopt(fds[1], SOL_SOCKET, SO_COOKIE, &b, &len) == 0);
	ktap(a && a == again && a != b, "SO_COOKIE: one for each socket");
	ktap(get_int(fds[0], SOL_SOCKET, SO_INCOMING_CPU) >= 0, "SO_INCOMING_CPU: is known");
	close(fds[0]);
	close(fds[1]);
}

static void test_congestion(void)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	int fds[2];

	new_pair(fds);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	must(getsockopt(fds[0], IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0);
	ktap(len == 16 && !strcmp(name, "reno"), "TCP_CONGESTION: of a connection");
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_CONGESTION, "cubic", 6) == 0);
	len = 3;
	must(getsockopt(fds[0], IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0);
	ktap(len == 3 && !memcmp(name, "cub", 3), "TCP_CONGESTION: cut short");
	close(fds[0]);
	close(fds[1]);
}

/*
 * A filter that lets pass what is shorter than 60 bytes, TCP header included; and IP_MINTTL
 * (IPV6_MINHOPCOUNT), which keeps off who is too far away (RFC 5082, 3).
 */
static void test_filter_and_min_ttl(void)
{
	struct sock_filter shorter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 60, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	struct sock_fprog program = { 4, shorter };
	char buf[200] = "";
	int fds[2], none = 0;

	new_pair(fds);
	must(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	must(write(fds[0], buf, 10) == 10);
	expect(poll_for(fds[1], POLLIN, 1000), POLLIN, 0, "SO_ATTACH_FILTER: lets pass");
	must(read(fds[1], buf, 200) == 10);
	must(write(fds[0], buf, 200) == 200);
	expect(poll_for(fds[1], POLLIN, 100), 0, 0, "SO_ATTACH_FILTER: drops");
	must(setsockopt(fds[1], SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) == 0);
	expect(poll_for(fds[1], POLLIN, 5000), POLLIN, 0, "SO_DETACH_FILTER: and it comes again");
	must(read(fds[1], buf, 200) == 200);
	/* Loopback has a TTL of 64. */
	int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? 73 /* IPV6_MINHOPCOUNT */ : IP_MINTTL;

	must(set_int(fds[1], level, name, 65) == 0);
	must(write(fds[0], buf, 10) == 10);
	expect(poll_for(fds[1], POLLIN, 100), 0, 0, "IP_MINTTL: from too far away");
	must(set_int(fds[1], level, name, 64) == 0);
	expect(poll_for(fds[1], POLLIN, 5000), POLLIN, 0, "IP_MINTTL: near enough");
	close(fds[0]);
	close(fds[1]);
}

/* A listener refuses SYNs as a connection refuses segments. */
static void test_listener_refuses(void)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { 1, &nothing };
	int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, name = v6 ? 73 /* IPV6_MINHOPCOUNT */ : IP_MINTTL;
	struct endpoint sin;
	int listener, c, none = 0;

	for (int kind = 0; kind < 2; kind++) {
		listener = new_listener(2, &sin);
		if (kind)
			must(set_int(listener, level, name, 65) == 0);
		else
			must(setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program,
					sizeof(program)) == 0);
		c = new_socket();
		fcntl(c, F_SETFL, O_NONBLOCK);
		must(connect(c, SA(sin), sizeof(sin)) == -1 && errno == EINPROGRESS);
		expect(poll_for(c, POLLOUT, 300), 0, 0, kind ? "IP_MINTTL: a listener's, a SYN from too far away" :
		       "SO_ATTACH_FILTER: a listener's drops a SYN");
		if (kind)
			must(set_int(listener, level, name, 64) == 0);
		else
			must(setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) == 0);
		/* When the SYN is sent again. */
		expect(poll_for(c, POLLOUT, 5000), POLLOUT, 0, kind ? "IP_MINTTL: a listener's, near enough" :
		       "SO_DETACH_FILTER: a listener's, and it is connected");
		close(c);
		close(listener);
	}
}

static void test_ioctls(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	int fd = new_socket();

	if (v6) {
		expect(ioctl(fd, SIOCGIFADDR, &r), -1, ENOTTY, "SIOCGIFADDR: of IPv4 only");
	} else {
		expect(ioctl(fd, SIOCGIFADDR, &r), 0, 0, "SIOCGIFADDR");
		ktap(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK),
		     "SIOCGIFADDR: the address");
	}
	expect(ioctl(fd, SIOCGIFINDEX, &r), 0, 0, "SIOCGIFINDEX");
	expect(ioctl(fd, 0x4242, &r), -1, ENOTTY, "ioctl: unknown");
	expect(ioctl(fd, FIONREAD, (void *)1), -1, EFAULT, "FIONREAD: bad pointer");
	close(fd);
}

/* TCP_CC_INFO of a pair that uses @name: how many bytes there are; -1 if there is no such. */
static int cc_info(const char *name, uint32_t info[16])
{
	static char data[200000];
	socklen_t len = 16 * sizeof(info[0]), short_len = 4;
	uint32_t part;
	size_t got = 0;
	ssize_t n;
	int fds[2];

	new_pair(fds);
	if (setsockopt(fds[0], IPPROTO_TCP, TCP_CONGESTION, name, strlen(name)))
		return -1;
	if (!fork()) {
		n = write(fds[0], data, sizeof(data));
		_exit(n != sizeof(data));
	}
	while (got < sizeof(data) && (n = read(fds[1], data, sizeof(data))) > 0)
		got += n;
	wait(NULL);
	must(getsockopt(fds[0], IPPROTO_TCP, TCP_CC_INFO, info, &len) == 0);
	must(getsockopt(fds[0], IPPROTO_TCP, TCP_CC_INFO, &part, &short_len) == 0);
	must(short_len == (len < 4 ? len : 4));
	close(fds[0]);
	close(fds[1]);
	return len;
}

static void test_cc_info(void)
{
	uint32_t info[16] = { 0 };
	int len;

	expect(cc_info("cubic", info), 0, 0, "TCP_CC_INFO: cubic has none");
	len = cc_info("dctcp", info);
	/* The kernel may be built without it. Without ECN it is not in use. */
	ktap((is_kernels() && len < 0) || (len == 16 && info[0] == 0), "TCP_CC_INFO: dctcp");
	len = cc_info("bbr", info);
	ktap((is_kernels() && len < 0) ||
	     (len == 20 && (info[0] || info[1]) && info[2] < 1000000 &&
	      info[3] >= 128 && info[3] < 1024 && info[4] >= 128 && info[4] < 1024),
	     "TCP_CC_INFO: bbr's rate, round-trip time and gains");
}

/* What the header of a SYN-ACK on loopback from @port has. */
static bool syn_ack(int sniffer, int port, int *tos, int *ttl)
{
	unsigned char p[200];
	struct timeval tv = { 2, 0 };
	ssize_t n;

	setsockopt(sniffer, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	while ((n = recv(sniffer, p, sizeof(p), 0)) > 0) {
		const unsigned char *th = p + (v6 ? 40 : 20);

		if (n < (v6 ? 60 : 40) || p[v6 ? 6 : 9] != IPPROTO_TCP ||
		    th[0] << 8 != (port & 0xff00) || th[1] != (port & 0xff) || (th[13] & 0x12) != 0x12)
			continue;
		*tos = v6 ? (p[0] << 4 | p[1] >> 4) & 0xff : p[1];
		*ttl = v6 ? p[7] : p[8];
		return true;
	}
	return false;
}

/* What a SYN-ACK has of its listener's options (RFC 9293, MUST-48, MUST-49, SHLD-22). */
static void test_syn_ack(void)
{
	int protocols[2] = { 0x0800, 0x86dd }, tos = 0, ttl = 0, fd, listener, sniffer;
	struct endpoint sin;

	sniffer = socket(AF_PACKET, SOCK_DGRAM, htons(protocols[v6]));
	must(sniffer >= 0);
	listener = new_listener(1, &sin);
	must(set_int(listener, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, 0x28) == 0);
	must(set_int(listener, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL, 33) == 0);
	fd = new_socket();
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	must(syn_ack(sniffer, ntohs(sin.sin_port), &tos, &ttl));
	expect(tos, 0x28, 0, "IP_TOS of the listener: the SYN-ACK has it");
	expect(ttl, 33, 0, "IP_TTL of the listener: the SYN-ACK has it");
	close(fd);
	close(listener);
	close(sniffer);
}

/* What each packet has besides is not there for data (RFC 9293, 3.7.1, MUST-16). */
static void test_ip_options(void)
{
	/* Eight bytes of nothing: NOP, and a PadN of four. */
	const unsigned char v4_options[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	const unsigned char v6_options[8] = { 0, 0, 1, 4 };
	int listener, fds[2], mss[2], s;
	struct endpoint sin;
	static char bytes[30000];

	/* With packets as large as loopback's it is not the MTU that bounds segments. */
	own_namespace();
	must(system("ip link set lo mtu 1500") == 0);
	listener = new_listener(2, &sin);
	for (int i = 0; i < 2; i++) {
		fds[i] = new_socket();
		must(!i || (v6 ? setsockopt(fds[i], IPPROTO_IPV6, IPV6_DSTOPTS, v6_options, 8) :
				 setsockopt(fds[i], IPPROTO_IP, IP_OPTIONS, v4_options, 8)) == 0);
		must(connect(fds[i], SA(sin), sizeof(sin)) == 0);
		mss[i] = info_of(fds[i]).tcpi_snd_mss;
	}
	ktap(within(mss[0] - mss[1], 7, 8, "bytes less"), "options of IP: segments are shorter");
	close(accept(listener, NULL, NULL));
	s = accept(listener, NULL, NULL);
	must(s >= 0 && write(fds[1], bytes, sizeof(bytes)) == sizeof(bytes));
	ktap(recv(s, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes) &&
	     !info_of(fds[1]).tcpi_total_retrans, "options of IP: they arrive");
	close(s);
	close(fds[0]);
	close(fds[1]);
	close(listener);
}

#define TX_DELAY	37	/* TCP_TX_DELAY, newer than the C library's headers. */

/* How long until the other end has what is written here, milliseconds. */
static long long one_way(int from, int to)
{
	long long start = now_ms();
	char c;

	must(write(from, "x", 1) == 1 && read(to, &c, 1) == 1);
	return now_ms() - start;
}

/* With fq, which keeps departure times; as for the kernel's TCP nothing comes of it without. */
static void test_tx_delay(void)
{
	int listener, c, s;
	struct endpoint sin;
	long long took;

	must(system("tc qdisc add dev lo root fq") == 0);
	listener = new_listener(2, &sin);
	must(set_int(listener, IPPROTO_TCP, TX_DELAY, 60000) == 0);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	expect(get_int(s, IPPROTO_TCP, TX_DELAY), 60000, 0, "TCP_TX_DELAY: a child has its listener's");
	took = one_way(s, c);
	ktap(within(took, 60, 150, "ms"), "TCP_TX_DELAY: what it sends comes later");
	took = one_way(c, s);
	ktap(within(took, 0, 30, "ms"), "TCP_TX_DELAY: what the other end sends does not");
	must(set_int(c, IPPROTO_TCP, TX_DELAY, 250000) == 0);
	took = one_way(c, s);
	ktap(within(took, 250, 400, "ms"), "TCP_TX_DELAY: of a connection that is open");
	usleep(400000);
	expect(info_of(c).tcpi_total_retrans, 0, 0, "TCP_TX_DELAY: the time-out takes it into account");
	ktap(within(info_of(c).tcpi_rtt / 1000, 100, 400, "ms"), "TCP_TX_DELAY: so does the round-trip time");
	must(set_int(c, IPPROTO_TCP, TX_DELAY, 0) == 0);
	took = one_way(c, s);
	ktap(within(took, 0, 30, "ms"), "TCP_TX_DELAY: taken back");
	close(c);
	close(s);
	close(listener);
	must(system("tc qdisc del dev lo root") == 0);
}

int main(void)
{
	ktap_begin();
	test_info();
	test_limits_in_info();
	test_inq();
	test_saved_syn();
	test_defer_accept();
	test_linger2();
	test_notsent_lowat();
	test_peek_off();
	test_buffer_sizes_stay();
	test_rcvlowat();
	test_rcvlowat_of_a_full_buffer();
	test_queues();
	test_window_clamp();
	test_quickack();
	test_user_timeout_and_cork();
	test_cookie();
	test_congestion();
	test_cc_info();
	test_syn_ack();
	test_filter_and_min_ttl();
	test_listener_refuses();
	test_ioctls();
	/* Last: it has a namespace of its own. */
	test_ip_options();
	test_tx_delay();
	return ktap_end();
}
