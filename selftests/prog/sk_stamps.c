// SPDX-License-Identifier: GPL-2.0
/* SO_TIMESTAMPING of what is sent: the messages of the error queue, on either stack. */
#include "common.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <sched.h>

/* Newer than the C library's headers. */
#ifndef SOF_TIMESTAMPING_OPT_ID_TCP
#define SOF_TIMESTAMPING_OPT_ID_TCP (1 << 16)
#endif

#define ALL (SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK)
#define BASE (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID)

#define NLA_TYPES 28

/* What a message of the error queue said. */
struct told {
	int type;
	unsigned int key;
	bool timed;
	ssize_t len;
	/* SOF_TIMESTAMPING_OPT_STATS: bytes, which attributes there are, and their values. */
	size_t stats;
	unsigned int has;
	unsigned long long value[NLA_TYPES];
	/* SOF_TIMESTAMPING_OPT_CMSG: the interface, and whose packet it is. */
	int interface;
	struct endpoint from;
};

static void read_stats(struct told *told, const unsigned char *data, size_t len)
{
	told->stats = len;
	while (len >= 4) {
		unsigned short n, type;

		memcpy(&n, data, sizeof(n));
		memcpy(&type, data + 2, sizeof(type));
		if (n < 4 || n > len)
			break;
		if (type && type < NLA_TYPES && n - 4u <= sizeof(told->value[type])) {
			told->has |= 1u << type;
			memcpy(&told->value[type], data + 4, n - 4);
		}
		n = (n + 3) & ~3;
		if (n > len)
			break;
		data += n;
		len -= n;
	}
}

/* The next one, within a second: false if there is none. */
static bool next(int fd, struct told *told)
{
	char data[70000], control[1024];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};

	*told = (struct told){ .type = -1 };
	if (!(poll_for(fd, 0, 1000) & POLLERR))
		return false;
	told->len = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (told->len < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
			struct scm_timestamping *ts = (void *)CMSG_DATA(c);

			told->timed = ts->ts[0].tv_sec > 0;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING_OPT_STATS) {
			read_stats(told, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
		} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo *info = (void *)CMSG_DATA(c);

			told->interface = info->ipi_ifindex;
		} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo *info = (void *)CMSG_DATA(c);

			told->interface = info->ipi6_ifindex;
		} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
			   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			struct sock_extended_err *ee = (void *)CMSG_DATA(c);

			if (ee->ee_origin == SO_EE_ORIGIN_TIMESTAMPING && ee->ee_errno == ENOMSG) {
				told->type = ee->ee_info;
				told->key = ee->ee_data;
			}
			memcpy(&told->from, SO_EE_OFFENDER(ee), addr_len());
		}
	}
	return true;
}

static int ask(int fd, unsigned int flags)
{
	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

/* The three messages of a write whose last byte has that key, in any order. */
static bool all_three(int fd, unsigned int key, bool tsonly)
{
	unsigned int seen = 0;
	struct told told;

	for (int i = 0; i < 3; i++) {
		if (!next(fd, &told))
			break;
		if (told.timed && told.key == key && (!tsonly || told.len == 0))
			seen |= 1u << told.type;
		else
			printf("# %d: key %u, %zd bytes\n", told.type, told.key, told.len);
	}
	if (seen != (1 << SCM_TSTAMP_SND | 1 << SCM_TSTAMP_SCHED | 1 << SCM_TSTAMP_ACK))
		printf("# seen %x\n", seen);
	return seen == (1 << SCM_TSTAMP_SND | 1 << SCM_TSTAMP_SCHED | 1 << SCM_TSTAMP_ACK);
}

static void send_one(int fd, unsigned int flags, const void *data, size_t len)
{
	char control[CMSG_SPACE(sizeof(flags))] = "";
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_TIMESTAMPING;
	c->cmsg_len = CMSG_LEN(sizeof(flags));
	memcpy(CMSG_DATA(c), &flags, sizeof(flags));
	must(sendmsg(fd, &msg, 0) == (ssize_t)len);
}

static bool all_acked(int fd)
{
	int n;

	must(ioctl(fd, SIOCOUTQ, &n) == 0);
	return n == 0;
}

/* What a message says was decided when it was queued, not when it is read. */
static void test_keys_of_old(void)
{
	static char data[100];
	struct told told;
	int fds[2], fd;

	new_pair(fds);
	fd = fds[0];
	must(ask(fd, SOF_TIMESTAMPING_TX_ACK | BASE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, data, 100) == 100 && until(all_acked(fd)));
	must(poll_for(fd, 0, 1000) & POLLERR);
	must(ask(fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(ask(fd, SOF_TIMESTAMPING_TX_ACK | BASE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	ktap(next(fd, &told) && told.type == SCM_TSTAMP_ACK && told.key == 99,
	     "a key is from where it counted then");
	must(write(fd, data, 10) == 10 && until(all_acked(fd)));
	must(poll_for(fd, 0, 1000) & POLLERR);
	must(ask(fd, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	ktap(next(fd, &told) && told.key == 9, "or if nobody counts any more");
	must(write(fd, data, 10) == 10);
	must(ask(fd, SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
		     SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, data, 10) == 10 && until(all_acked(fd)));
	must(poll_for(fd, 0, 1000) & POLLERR);
	ktap(next(fd, &told) && told.type == SCM_TSTAMP_ACK && told.key == 0, "none without OPT_ID");
	close(fds[0]);
	close(fds[1]);
}

/*
 * A byte's times are those of the segment that it is in, whatever follows in the same buffer: here
 * more than may be sent, which the device swallows, before the first ACK.
 */
static void test_long_tail(void)
{
	static char data[50000];
	int mss = 536, size = 400000, on = 1, off = 0, fds[2];
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct endpoint sin;
	struct told told;
	int listener;

	must(unshare(CLONE_NEWNET) == 0);
	fds[0] = socket(AF_INET, SOCK_DGRAM, 0);
	must(fds[0] >= 0 && ioctl(fds[0], SIOCSIFFLAGS, &lo) == 0);
	close(fds[0]);
	listener = new_listener(1, &sin);
	must(setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)) == 0);
	fds[0] = new_socket();
	must(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	must(connect(fds[0], SA(sin), sizeof(sin)) == 0);
	fds[1] = accept(listener, NULL, NULL);
	must(fds[1] >= 0);
	close(listener);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_CORK, &on, sizeof(on)) == 0);
	must(ask(fds[0], BASE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(system("tc qdisc add dev lo root blackhole") == 0);
	send_one(fds[0], SOF_TIMESTAMPING_TX_SCHED, data, 100);
	must(send(fds[0], data, sizeof(data), MSG_DONTWAIT) > 10000);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_CORK, &off, sizeof(off)) == 0);
	ktap(next(fds[0], &told) && told.type == SCM_TSTAMP_SCHED && told.key == 99,
	     "a byte in front of what may not be sent yet");
	/* Or they would try for minutes, and keep the module. */
	must(system("tc qdisc del dev lo root") == 0);
	close(fds[0]);
	close(fds[1]);
}

/* A packet that netem holds back is still its socket's when the device takes it. In a namespace of its own. */
static void test_held_back(void)
{
	int fds[2];

	must(system("tc qdisc add dev lo root netem delay 20ms") == 0);
	new_pair(fds);
	must(ask(fds[0], ALL | BASE | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fds[0], "0123456789", 10) == 10);
	ktap(all_three(fds[0], 9, true), "of a packet that netem holds back");
	close(fds[0]);
	close(fds[1]);
}

/* How the connection stood, with each time. */
static void test_stats(void)
{
	enum { SNDQ = 13, CA_STATE = 14, SENT = 18, RETRANS = 19, NOTSENT = 24, TTL = 26 };
	/* All of them, but for the padding and the TTL. */
	const unsigned int all = (1u << NLA_TYPES) - 2 - (1u << TTL);
	bool whole = true, there = true, sums = true, queue = true, hops = true, data = true;
	static char bytes[10000];
	unsigned int seen = 0;
	struct told told;
	int fds[2], fd;

	new_pair(fds);
	fd = fds[0];
	expect(ask(fd, BASE | ALL | SOF_TIMESTAMPING_OPT_STATS), -1, EINVAL,
	       "OPT_STATS: only with OPT_TSONLY");
	must(ask(fd, BASE | ALL | SOF_TIMESTAMPING_OPT_STATS | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	for (int i = 0; i < 3 && next(fd, &told); i++) {
		bool ack = told.type == SCM_TSTAMP_ACK;

		seen |= 1u << told.type;
		there &= told.stats > 0 && told.timed && told.key == sizeof(bytes) - 1;
		data &= told.len == (ssize_t)told.stats;
		whole &= (told.has & ~(1u << TTL)) == all;
		hops &= !!(told.has & 1u << TTL) == ack && (!ack || told.value[TTL] == 64);
		/* On a busy machine a probe for a lost tail may be sooner than the ACK. */
		sums &= told.value[SENT] - told.value[RETRANS] == sizeof(bytes) &&
			told.value[NOTSENT] == (ack ? 0 : sizeof(bytes)) &&
			(ack || !told.value[CA_STATE]);
		queue &= told.value[SNDQ] == (ack ? 0 : sizeof(bytes));
		if (!whole || !sums || !queue)
			printf("# %d: has %x, sent %llu, not sent %llu, queued %llu\n", told.type, told.has,
			       told.value[SENT], told.value[NOTSENT], told.value[SNDQ]);
	}
	ktap(seen == (1 << SCM_TSTAMP_SND | 1 << SCM_TSTAMP_SCHED | 1 << SCM_TSTAMP_ACK) && there,
	     "OPT_STATS: with each of the three");
	ktap(whole, "OPT_STATS: the attributes");
	ktap(hops, "OPT_STATS: the TTL of an acknowledgment");
	ktap(sums, "OPT_STATS: bytes sent, sent again and not sent");
	ktap(queue, "OPT_STATS: bytes not acknowledged");
	ktap(data, "OPT_STATS: they are the message's data too");
	must(ask(fd, BASE | ALL | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, bytes, 10) == 10);
	there = false;
	for (int i = 0; i < 3 && next(fd, &told); i++)
		there |= told.stats || told.len;
	ktap(!there, "OPT_STATS: not any more");
	close(fds[0]);
	close(fds[1]);
}

/* Which interface a packet left by, and by whose address. */
static void test_packets(void)
{
	unsigned int flags = SOF_TIMESTAMPING_TX_SOFTWARE | BASE;
	struct endpoint local;
	struct told told;
	int fds[2], fd, on = 1, lo;

	new_pair(fds);
	fd = fds[0];
	local = local_of(fd);
	lo = if_nametoindex("lo");
	must(setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on)) == 0);
	must(ask(fd, flags) == 0 && write(fd, "x", 1) == 1 && next(fd, &told));
	ktap(told.len > 20, "OPT_CMSG: the packet is there");
	/* IPv6 tells without being asked. */
	ktap(told.interface == (v6 ? lo : 0), "OPT_CMSG: nothing of it without");
	must(ask(fd, flags | SOF_TIMESTAMPING_OPT_CMSG) == 0 && write(fd, "x", 1) == 1 && next(fd, &told));
	ktap(told.interface == lo, "OPT_CMSG: the interface");
	local.sin_port = 0;
	ktap(same_endpoint(&told.from, &local), "OPT_CMSG: our address");
	must(ask(fd, flags | SOF_TIMESTAMPING_OPT_CMSG | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, "x", 1) == 1 && next(fd, &told));
	ktap(told.interface == 0 && told.from.sin_family == 0, "OPT_CMSG: nothing without the packet");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static char data[50000];
	struct told told;
	int fds[2], fd;

	ktap_begin();
	new_pair(fds);
	fd = fds[0];
	must(write(fd, data, 10) == 10);
	must(until(({ int n; ioctl(fd, SIOCOUTQ, &n); n == 0; })));
	expect(ask(fd, ALL | BASE | SOF_TIMESTAMPING_OPT_TSONLY), 0, 0, "SO_TIMESTAMPING");
	must(write(fd, data, 100) == 100);
	ktap(all_three(fd, 99, true), "a write: SCHED, SND and ACK of its last byte");
	must(write(fd, data, 50) == 50);
	ktap(all_three(fd, 149, true), "the next one goes on counting");
	must(write(fd, data, sizeof(data)) == sizeof(data));
	ktap(all_three(fd, 149 + sizeof(data), true), "a long one");
	ktap(!next(fd, &told), "and no more");
	must(ask(fd, ALL | BASE) == 0);
	must(write(fd, data, 100) == 100);
	/* Headers and all, but for what was acknowledged. */
	ktap(next(fd, &told) && told.len >= 100, "without OPT_TSONLY the data comes along");
	while (next(fd, &told))
		;
	must(ask(fd, BASE) == 0);
	must(write(fd, data, 100) == 100);
	ktap(!next(fd, &told), "nobody asks for one that is sent");
	send_one(fd, SOF_TIMESTAMPING_TX_ACK, data, 100);
	ktap(next(fd, &told) && told.type == SCM_TSTAMP_ACK && told.timed, "a control message does, for this call");
	ktap(!next(fd, &told), "alone");
	must(ask(fd, 0) == 0);
	must(ask(fd, ALL | BASE | SOF_TIMESTAMPING_OPT_ID_TCP | SOF_TIMESTAMPING_OPT_TSONLY) == 0);
	must(write(fd, data, 7) == 7);
	ktap(all_three(fd, 6, true), "OPT_ID set anew counts from there");
	close(fds[0]);
	close(fds[1]);
	test_keys_of_old();
	test_stats();
	test_packets();
	test_long_tail();
	test_held_back();
	return ktap_end();
}
