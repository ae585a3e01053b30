// SPDX-License-Identifier: GPL-2.0
/* poll, select and epoll in every transition of a connection, on either stack. */
#include "common.h"
#include <sys/select.h>

#define ALL (POLLIN | POLLOUT | POLLRDHUP | POLLPRI | POLLRDNORM | POLLWRNORM)

/* What poll() reports at this moment. */
static int state_of(int fd)
{
	return poll_for(fd, ALL, 0);
}

/* Waits until poll() reports exactly `want`, and says what came instead. */
static void becomes(int fd, int want, const char *name)
{
	bool ok = until(state_of(fd) == want);

	if (!ok)
		printf("# %s: poll() says %#x, want %#x\n", name, state_of(fd), want);
	ktap(ok, name);
}

#define IN (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

static void test_levels(void)
{
	int fds[2];
	char buf[16];
	struct endpoint sin;
	int fd = new_socket();

	becomes(fd, OUT | POLLHUP, "a fresh socket");
	close(fd);
	int l = new_listener(4, &sin);

	becomes(l, 0, "a listener with nobody waiting");
	fd = new_socket();
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	becomes(l, IN, "a listener with a connection waiting");
	fds[1] = accept(l, NULL, NULL);
	becomes(l, 0, "and accepted");
	fds[0] = fd;
	becomes(fds[0], OUT, "established: the client");
	becomes(fds[1], OUT, "established: the server");
	must(send(fds[0], "ab", 2, 0) == 2);
	becomes(fds[1], IN | OUT, "data waits");
	must(recv(fds[1], buf, 1, 0) == 1);
	becomes(fds[1], IN | OUT, "part of it read");
	must(recv(fds[1], buf, 1, 0) == 1);
	becomes(fds[1], OUT, "all of it read");
	must(shutdown(fds[0], SHUT_WR) == 0);
	becomes(fds[0], OUT, "after SHUT_WR here");
	becomes(fds[1], IN | OUT | POLLRDHUP, "after the peer's FIN");
	must(shutdown(fds[1], SHUT_WR) == 0);
	becomes(fds[1], IN | OUT | POLLRDHUP | POLLHUP, "both FINs: who closed last");
	becomes(fds[0], IN | OUT | POLLRDHUP | POLLHUP, "both FINs: who closed first");
	close(fds[0]);
	close(fds[1]);
	close(l);

	new_pair(fds);
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(fds[0]);
	becomes(fds[1], IN | OUT | POLLRDHUP | POLLHUP | POLLERR, "after a reset");
	must(so_error(fds[1]) == ECONNRESET);
	becomes(fds[1], IN | OUT | POLLRDHUP | POLLHUP, "after a reset, the error read");
	close(fds[1]);

	new_pair(fds);
	must(shutdown(fds[0], SHUT_RD) == 0);
	becomes(fds[0], IN | OUT | POLLRDHUP, "after SHUT_RD here");
	must(shutdown(fds[0], SHUT_WR) == 0);
	becomes(fds[0], IN | OUT | POLLRDHUP | POLLHUP, "after both here");
	close(fds[0]);
	close(fds[1]);
}

static void test_connecting(void)
{
	struct endpoint refused = at("127.0.0.1", 1);
	int fd = new_socket();

	fcntl(fd, F_SETFL, O_NONBLOCK);
	int r = connect(fd, SA(refused), sizeof(refused));

	must(r == -1);
	if (errno == EINPROGRESS) {
		becomes(fd, IN | OUT | POLLRDHUP | POLLHUP | POLLERR, "a refused connection");
		must(so_error(fd) == ECONNREFUSED);
	}
	close(fd);

	/* A full accept queue drops the SYN: a connection in SYN-SENT is not writable. */
	struct endpoint sin;
	int l = new_listener(0, &sin), filler = new_socket();

	must(connect(filler, SA(sin), sizeof(sin)) == 0);
	must(poll_for(l, POLLIN, 5000) > 0);
	fd = new_socket();
	fcntl(fd, F_SETFL, O_NONBLOCK);
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EINPROGRESS, "connect: SYN-SENT");
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EALREADY, "connect: EALREADY");
	expect(state_of(fd), 0, 0, "SYN-SENT: nothing");
	expect(send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1, EAGAIN, "SYN-SENT: send");
	expect(recv(fd, &r, 1, MSG_DONTWAIT), -1, EAGAIN, "SYN-SENT: recv");
	int queued = accept(l, NULL, NULL);

	must(queued >= 0);
	/* Room now: the SYN sent again, a second after the first, gets its answer. */
	becomes(fd, OUT, "connected when the SYN is sent again");
	expect(so_error(fd), 0, 0, "SO_ERROR: none");
	expect(connect(fd, SA(sin), sizeof(sin)), 0, 0, "connect: tells once that it worked");
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EISCONN, "connect: then EISCONN");
	close(fd);
	close(queued);
	close(filler);
	close(l);
}

static void test_select(void)
{
	int fds[2];
	fd_set in, out, ex;
	struct timeval none = { 0, 0 }, wait = { 5, 0 };

	new_pair(fds);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(fds[1], &in);
	FD_SET(fds[1], &out);
	FD_SET(fds[1], &ex);
	expect(select(fds[1] + 1, &in, &out, &ex, &none), 1, 0, "select: idle");
	ktap(!FD_ISSET(fds[1], &in) && FD_ISSET(fds[1], &out), "select: writable alone");
	must(send(fds[0], "x", 1, 0) == 1);
	FD_SET(fds[1], &in);
	expect(select(fds[1] + 1, &in, NULL, NULL, &wait), 1, 0, "select: readable");
	close(fds[0]);
	close(fds[1]);
}

static void test_edges(void)
{
	int fds[2];
	char buf[16];
	struct epoll_event ev, got;
	int ep = epoll_create1(0);

	new_pair(fds);
	ev.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	ev.data.fd = fds[1];
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &ev) == 0);
	expect(epoll_wait(ep, &got, 1, 1000), 1, 0, "EPOLLET: what is already so comes once");
	expect(got.events, EPOLLOUT, 0, "EPOLLET: writable");
	expect(epoll_wait(ep, &got, 1, 0), 0, 0, "EPOLLET: and not again");
	must(send(fds[0], "ab", 2, 0) == 2);
	expect(epoll_wait(ep, &got, 1, 5000), 1, 0, "EPOLLET: data is an edge");
	ktap(got.events & EPOLLIN, "EPOLLET: readable");
	must(recv(fds[1], buf, 1, 0) == 1);
	expect(epoll_wait(ep, &got, 1, 0), 0, 0, "EPOLLET: leftover data is none");
	must(send(fds[0], "c", 1, 0) == 1);
	expect(epoll_wait(ep, &got, 1, 5000), 1, 0, "EPOLLET: more data is");
	must(recv(fds[1], buf, sizeof(buf), 0) == 2);
	must(shutdown(fds[0], SHUT_WR) == 0);
	expect(epoll_wait(ep, &got, 1, 5000), 1, 0, "EPOLLET: the peer's FIN is");
	ktap((got.events & (EPOLLIN | EPOLLRDHUP)) == (EPOLLIN | EPOLLRDHUP), "EPOLLET: EPOLLRDHUP");
	close(fds[1]);
	close(fds[0]);

	/* Full, then drained: the edge that a sender waits for. */
	new_pair(fds);
	static char block[1 << 16];

	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	while (send(fds[0], block, sizeof(block), 0) > 0)
		;
	must(errno == EAGAIN);
	/* Wait for what is in flight to settle: an ACK can still make room. */
	for (int calm = 0; calm < 5; calm++) {
		usleep(10000);
		while (send(fds[0], block, sizeof(block), 0) > 0)
			calm = 0;
	}
	expect(state_of(fds[0]) & POLLOUT, 0, 0, "a full send buffer is not writable");
	ev.events = EPOLLOUT | EPOLLET;
	ev.data.fd = fds[0];
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev) == 0);
	expect(epoll_wait(ep, &got, 1, 0), 0, 0, "EPOLLET: full");
	while (epoll_wait(ep, &got, 1, 0) == 0) {
		if (poll_for(fds[1], POLLIN, 5000) <= 0)
			break;
		while (recv(fds[1], block, sizeof(block), 0) > 0)
			;
	}
	ktap(got.events == EPOLLOUT, "EPOLLET: room again is an edge");
	ktap(send(fds[0], "x", 1, 0) == 1, "and there is room");
	close(fds[0]);
	close(fds[1]);

	new_pair(fds);
	ev.events = EPOLLIN | EPOLLONESHOT;
	ev.data.fd = fds[1];
	must(epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &ev) == 0);
	must(send(fds[0], "1", 1, 0) == 1);
	expect(epoll_wait(ep, &got, 1, 5000), 1, 0, "EPOLLONESHOT: once");
	must(send(fds[0], "2", 1, 0) == 1);
	expect(epoll_wait(ep, &got, 1, 20), 0, 0, "EPOLLONESHOT: not twice");
	must(epoll_ctl(ep, EPOLL_CTL_MOD, fds[1], &ev) == 0);
	expect(epoll_wait(ep, &got, 1, 5000), 1, 0, "EPOLLONESHOT: armed again");
	close(fds[0]);
	close(fds[1]);
	close(ep);
}

/* A sleeper must be woken by each kind of event: poll() starts before it happens. */
static void wakes(int fd, int events, int want, pid_t child, const char *name)
{
	int status;
	int r = poll_for(fd, events, 5000);

	waitpid(child, &status, 0);
	if (!(r & want))
		printf("# poll() says %#x\n", r);
	ktap((r & want) == want, name);
}

static pid_t later(void)
{
	pid_t pid = fork();

	if (!pid)
		usleep(20000);
	return pid;
}

static void test_wakeups(void)
{
	int fds[2];
	struct endpoint sin;
	pid_t pid;
	int l = new_listener(4, &sin);

	pid = later();
	if (!pid) {
		int c = new_socket();

		_exit(connect(c, SA(sin), sizeof(sin)));
	}
	wakes(l, POLLIN, POLLIN, pid, "woken by a connection");
	close(l);
	new_pair(fds);
	pid = later();
	if (!pid)
		_exit(send(fds[0], "x", 1, 0) != 1);
	wakes(fds[1], POLLIN, POLLIN, pid, "woken by data");
	pid = later();
	if (!pid)
		_exit(shutdown(fds[0], SHUT_WR));
	wakes(fds[1], POLLRDHUP, POLLRDHUP, pid, "woken by a FIN");
	pid = later();
	if (!pid)
		_exit(shutdown(fds[1], SHUT_WR));
	wakes(fds[1], 0, POLLHUP, pid, "woken by our own shutdown");
	close(fds[0]);
	close(fds[1]);
	new_pair(fds);
	pid = later();
	if (!pid) {
		struct sockaddr any = { .sa_family = AF_UNSPEC };

		/* Disconnecting aborts the connection: a RST. */
		_exit(connect(fds[0], &any, sizeof(any)));
	}
	wakes(fds[1], 0, POLLERR | POLLHUP, pid, "woken by a reset");
	close(fds[0]);
	close(fds[1]);
}

static int queued(int fd)
{
	int n;

	must(ioctl(fd, SIOCOUTQ, &n) == 0);
	return n;
}

/*
 * A full buffer is worth writing to once a third of it is free, not before: who writes is not woken for each
 * byte. In memory, of which each piece of data takes a little more than its size.
 */
static void test_room(void)
{
	int fds[2], size = 1 << 20, full, left, before;
	static char some[8192];

	new_pair(fds);
	must(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0);
	fill_up(fds[0]);
	full = queued(fds[0]);
	expect(poll_for(fds[0], POLLOUT, 0), 0, 0, "full: no POLLOUT");
	before = full;
	for (;;) {
		must(recv(fds[1], some, sizeof(some), 0) > 0);
		/* Until it has been told of the room, and has used it. */
		usleep(3000);
		left = queued(fds[0]);
		if (poll_for(fds[0], POLLOUT, 0))
			break;
		before = left;
	}
	/* Between two looks much may have gone: a slow kernel's window opens in steps. */
	left = queued(fds[0]);
	ktap(before * 1000ll / full >= 580 && left * 1000ll / full <= 690, "a third is free: POLLOUT");
	printf("# %d of %d, and %d at the look before\n", left, full, before);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	ktap_begin();
	test_levels();
	test_connecting();
	test_select();
	test_edges();
	test_wakeups();
	test_room();
	return ktap_end();
}
