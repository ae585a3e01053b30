// SPDX-License-Identifier: GPL-2.0
/* The calls and their errnos, on either stack: socket to close. */
#include "common.h"

static void test_socket(void)
{
	expect(socket(family, SOCK_SEQPACKET, 0), -1, ESOCKTNOSUPPORT, "socket: other type");
	if (!v6) {
		int tcp = socket(family, SOCK_STREAM, IPPROTO_TCP);

		ktap(tcp >= 0, "socket: IPPROTO_TCP");
		close(tcp);
	}
	expect(socket(family, SOCK_STREAM, 17), -1, EPROTONOSUPPORT, "socket: other protocol");
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			family == AF_RUSTTCP ? protocol : IPPROTO_TCP);

	must(fd >= 0);
	expect(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK, 0, "socket: SOCK_NONBLOCK");
	expect(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, 0, "socket: SOCK_CLOEXEC");
	expect(get_int(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM, 0, "SO_TYPE");
	expect(get_int(fd, SOL_SOCKET, SO_DOMAIN), family, 0, "SO_DOMAIN");
	expect(get_int(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP, 0, "SO_PROTOCOL");
	expect(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 0, 0, "SO_ACCEPTCONN: not yet");
	close(fd);
	int pair[2];

	expect(socketpair(family, SOCK_STREAM, 0, pair), -1, EOPNOTSUPP, "socketpair");
}

static void test_bind(void)
{
	int fd = new_socket(), other;
	struct endpoint sin = at("127.0.0.1", 0), bad;

	expect(bind(fd, SA(sin), 4), -1, EINVAL, "bind: short address");
	expect(bind(fd, (void *)1, sizeof(sin)), -1, EFAULT, "bind: bad pointer");
	expect(bind(fd, SA(sin), -1), -1, EINVAL, "bind: negative length");
	bad = sin;
	bad.sin_family = AF_UNIX;
	expect(bind(fd, SA(bad), sizeof(bad)), -1, EAFNOSUPPORT, "bind: other family");
	bad = at("192.0.2.1", 0);
	expect(bind(fd, SA(bad), sizeof(bad)), -1, EADDRNOTAVAIL, "bind: not our address");
	expect(bind(fd, SA(sin), sizeof(sin)), 0, 0, "bind: any port");
	sin = local_of(fd);
	bad = at("127.0.0.1", ntohs(sin.sin_port));
	ktap(sin.sin_port != 0 && same_endpoint(&sin, &bad), "getsockname after bind");
	expect(bind(fd, SA(sin), sizeof(sin)), -1, EINVAL, "bind: twice");
	other = new_socket();
	expect(bind(other, SA(sin), sizeof(sin)), -1, EADDRINUSE, "bind: port in use");
	close(fd);
	expect(bind(other, SA(sin), sizeof(sin)), 0, 0, "bind: port free again");
	close(other);
	/* AF_UNSPEC with the wildcard address is an old way to write AF_INET. */
	fd = new_socket();
	bad = at("0.0.0.0", 0);
	bad.sin_family = AF_UNSPEC;
	if (v6)
		expect(bind(fd, SA(bad), sizeof(bad)), -1, EAFNOSUPPORT, "bind: AF_UNSPEC");
	else
		expect(bind(fd, SA(bad), sizeof(bad)), 0, 0, "bind: AF_UNSPEC, any address");
	close(fd);

	if (geteuid() == 0) {
		pid_t pid = fork();

		if (!pid) {
			struct endpoint low = at("127.0.0.1", 81);

			if (setuid(65534))
				_exit(9);
			fd = new_socket();
			_exit(bind(fd, SA(low), sizeof(low)) == -1 && errno == EACCES ? 0 : 1);
		}
		int status;

		waitpid(pid, &status, 0);
		expect(WEXITSTATUS(status), 0, 0, "bind: EACCES below 1024");
	}
}

static void test_listen_accept(void)
{
	struct endpoint sin, peer;
	socklen_t len = sizeof(peer);
	int fd = new_socket(), c, s;

	expect(accept(fd, NULL, NULL), -1, EINVAL, "accept: not listening");
	expect(listen(fd, 4), 0, 0, "listen: unbound takes a port");
	sin = local_of(fd);
	ktap(sin.sin_port != 0, "listen: the port is there");
	expect(get_int(fd, SOL_SOCKET, SO_ACCEPTCONN), 1, 0, "SO_ACCEPTCONN: listening");
	expect(listen(fd, 8), 0, 0, "listen: again");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	expect(accept(fd, NULL, NULL), -1, EAGAIN, "accept: none waits");
	expect(recv(fd, &c, 1, 0), -1, ENOTCONN, "recv: on a listener");
	expect(send(fd, &c, 1, MSG_NOSIGNAL), -1, EPIPE, "send: on a listener");
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EISCONN, "connect: on a listener");
	expect(getpeername(fd, SA(peer), &len), -1, ENOTCONN, "getpeername: on a listener");
	sin = at("127.0.0.1", ntohs(sin.sin_port));
	c = new_socket();
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "connect");
	must(poll_for(fd, POLLIN, 5000) > 0);
	len = sizeof(peer);
	s = accept4(fd, SA(peer), &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	must(s >= 0);
	expect(fcntl(s, F_GETFL) & O_NONBLOCK, O_NONBLOCK, 0, "accept4: SOCK_NONBLOCK");
	expect(fcntl(s, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, 0, "accept4: SOCK_CLOEXEC");
	struct endpoint mine = local_of(c);

	ktap(len == addr_len() && same_endpoint(&peer, &mine), "accept: peer's address");
	len = sizeof(peer);
	must(getpeername(c, SA(peer), &len) == 0);
	ktap(peer.sin_port == sin.sin_port, "getpeername");
	expect(getpeername(c, (void *)1, &len), -1, EFAULT, "getpeername: bad pointer");
	expect(getpeername(c, SA(peer), (void *)1), -1, EFAULT, "getpeername: bad pointer to the length");
	expect(getsockname(c, (void *)1, &len), -1, EFAULT, "getsockname: bad pointer");
	expect(getsockname(c, SA(peer), (void *)1), -1, EFAULT, "getsockname: bad pointer to the length");
	expect(connect(c, SA(sin), sizeof(sin)), -1, EISCONN, "connect: twice");
	expect(listen(c, 1), -1, EINVAL, "listen: connected");
	expect(accept(c, NULL, NULL), -1, EINVAL, "accept: connected");
	len = sizeof(peer);
	expect(accept(fd, (void *)1, &len), -1, EAGAIN, "accept: EAGAIN before EFAULT");
	close(s);
	close(c);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0 && poll_for(fd, POLLIN, 5000) == POLLIN);
	expect(accept(fd, (void *)1, &len), -1, EFAULT, "accept: bad pointer, with a connection");
	/* Which was taken off the queue, and had no descriptor to go to. */
	expect(poll_for(c, POLLIN, 5000) & POLLIN, POLLIN, 0, "accept: bad pointer ends the connection");
	expect(accept(fd, NULL, NULL), -1, EAGAIN, "accept: and nothing waits any more");
	close(c);
	close(fd);
}

/* connect() to one that listens, to nobody, and to addresses that it may not take (RFC 9293, MUST-46). */
static void test_connect(void)
{
	struct endpoint sin = at("127.0.0.1", 1), me;
	int fd = new_socket(), l;

	expect(connect(fd, SA(sin), sizeof(sin)), -1, ECONNREFUSED, "connect: refused");
	expect(connect(fd, SA(sin), sizeof(sin)), -1, ECONNREFUSED, "connect: refused again");
	l = new_listener(4, &me);
	expect(connect(fd, SA(me), sizeof(me)), 0, 0, "connect: after being refused");
	close(fd);
	fd = new_socket();
	expect(connect(fd, SA(me), 7), -1, EINVAL, "connect: short address");
	expect(connect(fd, (void *)1, sizeof(me)), -1, EFAULT, "connect: bad pointer");
	struct endpoint bad = me;

	bad.sin_family = AF_UNIX;
	expect(connect(fd, SA(bad), sizeof(bad)), -1, EAFNOSUPPORT, "connect: other family");
	expect(send(fd, "x", 1, MSG_NOSIGNAL), -1, EPIPE, "send: not connected");
	expect(recv(fd, &l, 1, 0), -1, ENOTCONN, "recv: not connected");
	expect(shutdown(fd, SHUT_RDWR), -1, ENOTCONN, "shutdown: not connected");
	expect(shutdown(fd, 7), -1, EINVAL, "shutdown: bad argument");
	if (!v6) {
		static const char *const many[] = { "224.0.0.1", "255.255.255.255", "127.255.255.255" };

		for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
			bad = at(many[i], ntohs(me.sin_port));
			expect(connect(fd, SA(bad), sizeof(bad)), -1, ENETUNREACH, "connect: multicast or broadcast");
		}
		expect(connect(fd, SA(me), sizeof(me)), 0, 0, "connect: after those");
	}
	close(fd);

	fd = new_socket();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	/* Over loopback the handshake may be complete before connect() returns. */
	int r = connect(fd, SA(me), sizeof(me));

	ktap(r == 0 || errno == EINPROGRESS, "connect: non-blocking");
	must(poll_for(fd, POLLOUT, 5000) > 0);
	expect(so_error(fd), 0, 0, "SO_ERROR: connected");
	close(fd);
	fd = new_socket();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	r = connect(fd, SA(sin), sizeof(sin));
	ktap(r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED), "connect: refused later");
	if (errno == EINPROGRESS) {
		must(poll_for(fd, POLLOUT, 5000) > 0);
		expect(so_error(fd), ECONNREFUSED, 0, "SO_ERROR: refused");
	} else {
		expect(so_error(fd), 0, 0, "SO_ERROR: was returned");
	}
	expect(so_error(fd), 0, 0, "SO_ERROR: cleared by reading");
	close(fd);

	/* connect(AF_UNSPEC) makes a fresh socket. */
	fd = new_socket();
	must(connect(fd, SA(me), sizeof(me)) == 0);
	bad = me;
	bad.sin_family = AF_UNSPEC;
	expect(connect(fd, SA(bad), sizeof(bad)), 0, 0, "connect: AF_UNSPEC");
	expect(send(fd, "x", 1, MSG_NOSIGNAL), -1, ECONNRESET, "send: after AF_UNSPEC");
	expect(send(fd, "x", 1, MSG_NOSIGNAL), -1, EPIPE, "send: after AF_UNSPEC, again");
	expect(connect(fd, SA(me), sizeof(me)), 0, 0, "connect: after AF_UNSPEC");
	/* What became of the last one is not told of the next. */
	struct endpoint other;
	int another = new_listener(4, &other);

	must(connect(fd, SA(bad), sizeof(bad)) == 0);
	expect(connect(fd, SA(other), sizeof(other)), 0, 0, "connect: after AF_UNSPEC, at once");
	expect(send(fd, "x", 1, MSG_NOSIGNAL), 1, 0, "send: the last connection's error is forgotten");
	close(another);
	close(fd);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	(void)sig;
	pipes++;
}

static void test_sigpipe(void)
{
	int fds[2];

	signal(SIGPIPE, on_pipe);
	new_pair(fds);
	must(shutdown(fds[0], SHUT_WR) == 0);
	expect(send(fds[0], "x", 1, 0), -1, EPIPE, "send: after SHUT_WR");
	expect(pipes, 1, 0, "SIGPIPE came");
	expect(send(fds[0], "x", 1, MSG_NOSIGNAL), -1, EPIPE, "send: MSG_NOSIGNAL");
	expect(pipes, 1, 0, "SIGPIPE did not come");
	close(fds[0]);
	close(fds[1]);
	signal(SIGPIPE, SIG_IGN);
}

static void test_options(void)
{
	int fd = new_socket(), v = 1;
	struct linger lin = { 1, 7 }, got = { 0, 0 };
	socklen_t len = sizeof(got);

	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)), 0, 0, "SO_REUSEADDR");
	expect(get_int(fd, SOL_SOCKET, SO_REUSEADDR), 1, 0, "SO_REUSEADDR: reads back");
	expect(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lin, sizeof(lin)), 0, 0, "SO_LINGER");
	must(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &len) == 0);
	ktap(got.l_onoff == 1 && got.l_linger == 7, "SO_LINGER: reads back");
	expect(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof(v)), 0, 0, "SO_KEEPALIVE");
	expect(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1, 0, "SO_KEEPALIVE: reads back");
	v = 65536;
	expect(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)), 0, 0, "SO_SNDBUF");
	expect(get_int(fd, SOL_SOCKET, SO_SNDBUF), 131072, 0, "SO_SNDBUF: doubled");
	expect(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), 0, 0, "SO_RCVBUF");
	expect(get_int(fd, SOL_SOCKET, SO_RCVBUF), 131072, 0, "SO_RCVBUF: doubled");
	v = 1;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)), 0, 0, "TCP_NODELAY");
	expect(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1, 0, "TCP_NODELAY: reads back");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, 1), -1, EINVAL, "TCP_NODELAY: short");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (void *)1, 4), -1, EFAULT,
	       "TCP_NODELAY: bad pointer");
	expect(setsockopt(fd, IPPROTO_TCP, 9999, &v, sizeof(v)), -1, ENOPROTOOPT,
	       "setsockopt: unknown option");
	expect(setsockopt(fd, 9999, 1, &v, sizeof(v)), -1, ENOPROTOOPT, "setsockopt: unknown level");
	v = 1000;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &v, sizeof(v)), 0, 0, "TCP_MAXSEG");
	expect(get_int(fd, IPPROTO_TCP, TCP_MAXSEG), 1000, 0, "TCP_MAXSEG: reads back");
	v = 10;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &v, sizeof(v)), -1, EINVAL,
	       "TCP_MAXSEG: too small");
	v = 40000;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &v, sizeof(v)), -1, EINVAL,
	       "TCP_MAXSEG: too large");
	v = 33;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)), 0, 0, "TCP_KEEPIDLE");
	expect(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 33, 0, "TCP_KEEPIDLE: reads back");
	v = 0;
	expect(setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &v, sizeof(v)), -1, EINVAL,
	       "TCP_KEEPCNT: zero");
	struct timeval tv = { 0, 50000 };

	expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0, 0, "SO_RCVTIMEO");
	expect(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0, 0, "SO_SNDTIMEO");
	close(fd);
}

/* What bind() asked for outlives a connect() that fails; any other port is told until there is a new one. */
static void test_refused(void)
{
	static const struct {
		bool binds, by_number, no_port;
		const char *name;
	} kinds[] = {
		{ false, false, false, "unbound" },
		{ true, false, false, "bound to an address" },
		{ true, false, true, "bound to an address, IP_BIND_ADDRESS_NO_PORT" },
		{ true, true, false, "bound to a port by number" },
	};
	struct endpoint closed = at("127.0.0.1", 9), any = at("0.0.0.0", 0);
	/* ::1 is the only address of its kind. */
	const char *where = v6 ? "::1" : "127.0.0.2";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct endpoint sin = at(where, kinds[i].by_number ? 7461 + v6 : 0), then, again;
		socklen_t len = sizeof(then);
		int fd = new_socket(), on = kinds[i].no_port;
		char name[120];

		must(setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0);
		must(!kinds[i].binds || bind(fd, SA(sin), sizeof(sin)) == 0);
		must(connect(fd, SA(closed), sizeof(closed)) == -1 && errno == ECONNREFUSED);
		must(getsockname(fd, SA(then), &len) == 0);
		if (!kinds[i].binds)
			sin = any;
		sin.sin_port = then.sin_port;
		snprintf(name, sizeof(name), "refused, %s: the address", kinds[i].name);
		ktap(same_endpoint(&sin, &then), name);
		snprintf(name, sizeof(name), "refused, %s: a port is told", kinds[i].name);
		ktap(then.sin_port != 0 && (!kinds[i].by_number || then.sin_port == htons(7461 + v6)), name);
		must(connect(fd, SA(closed), sizeof(closed)) == -1 && errno == ECONNREFUSED);
		len = sizeof(again);
		must(getsockname(fd, SA(again), &len) == 0);
		snprintf(name, sizeof(name), "refused, %s: the next time, %s port", kinds[i].name,
			 kinds[i].by_number ? "the same" : "another");
		ktap((then.sin_port == again.sin_port) == kinds[i].by_number, name);
		close(fd);
	}
}

int main(void)
{
	ktap_begin();
	test_socket();
	test_bind();
	test_listen_accept();
	test_connect();
	test_refused();
	test_sigpipe();
	test_options();
	return ktap_end();
}
