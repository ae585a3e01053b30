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

/* What a message of the error queue said. */
struct told {
	int type;
	unsigned int key;
	bool timed;
	ssize_t len;
};

/* The next one, within a second: false if there is none. */
static bool next(int fd, struct told *told)
{
	char data[2000], control[512];
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
		} else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
			   (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			struct sock_extended_err *ee = (void *)CMSG_DATA(c);

			if (ee->ee_origin == SO_EE_ORIGIN_TIMESTAMPING && ee->ee_errno == ENOMSG) {
				told->type = ee->ee_info;
				told->key = ee->ee_data;
			}
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
	test_long_tail();
	return ktap_end();
}
