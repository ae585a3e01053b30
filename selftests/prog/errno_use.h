/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cases of sk_errno of a connection that is used: send(2), recv(2), shutdown(2), options, and what
 * tcp(7) and ip(7) have besides.
 */
#ifndef RUSTTCP_ERRNO_USE_H
#define RUSTTCP_ERRNO_USE_H

#include "errno_setting.h"
#include <linux/filter.h>

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
	int other, fd = connected(&other);

	close_hard(other);
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

static long set_guarded(size_t which)
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

#endif /* RUSTTCP_ERRNO_USE_H */
