// SPDX-License-Identifier: GPL-2.0
/* SO_TIMESTAMPING of what is sent: the messages of the error queue, on either stack. */
#include "common.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

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
	return ktap_end();
}
