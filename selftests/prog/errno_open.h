/* SPDX-License-Identifier: GPL-2.0 */
/* The cases of sk_errno up to a connection: socket(2), bind(2), listen(2), accept(2), connect(2). */
#ifndef RUSTTCP_ERRNO_OPEN_H
#define RUSTTCP_ERRNO_OPEN_H

#include "errno_setting.h"

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
	long r;

	for (int i = 0; i < 2; i++) {
		fds[i] = new_socket();
		must(set_int(fds[i], SOL_SOCKET, SO_REUSEADDR, 1) == 0);
		must(bind(fds[i], SA(me), sizeof(me)) == 0);
	}
	must(connect_to(fds[0], to) == 0);
	r = LAST(fds[1], connect_to(fds[1], to));
	close_hard(fds[0]);
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

#endif /* RUSTTCP_ERRNO_OPEN_H */
