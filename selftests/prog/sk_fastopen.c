// SPDX-License-Identifier: GPL-2.0
/*
 * Fast Open (RFC 7413) as programs see it: MSG_FASTOPEN, TCP_FASTOPEN_CONNECT,
 * TCP_FASTOPEN_NO_COOKIE, TCP_FASTOPEN_KEY, on either stack. Each group of tests has a
 * network namespace of its own, whose cookies nobody has yet.
 */
#define _NETINET_TCP_H 1
#include "common.h"
#include <linux/tcp.h>

#define SOL_TCP 6
#define HAS(fd, option) (!!(info_of(fd).tcpi_options & (option)))

#ifndef TCPI_OPT_TFO_CHILD
#define TCPI_OPT_TFO_CHILD 128
#endif

enum { CLIENT = 1, SERVER = 2 };

static struct tcp_info info_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info;
}

static int set_int(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_TCP, name, &value, sizeof(value));
}

static void allow(int bits)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");

	must(f && fprintf(f, "%d", bits) > 0 && fclose(f) == 0);
}

/* A namespace without a past, and a listener there. */
static int fresh(struct endpoint *sin, int bits)
{
	int fd;

	own_namespace();
	allow(bits);
	fd = new_listener(5, sin);
	must(set_int(fd, TCP_FASTOPEN, 5) == 0);
	return fd;
}

/* Gets a cookie. */
static void warm_up(int listener, struct endpoint *sin)
{
	int fd = new_socket(), peer;

	must(sendto(fd, "a", 1, MSG_FASTOPEN, SA(*sin), sizeof(*sin)) == 1);
	peer = accept(listener, NULL, NULL);
	must(peer >= 0);
	close(fd);
	close(peer);
}

/* Reads what is there within a second, up to `len` bytes, and tells how much it is. */
static size_t read_all(int fd, char *buf, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len && poll_for(fd, POLLIN, 1000) > 0) {
		n = read(fd, buf + got, len - got);
		if (n <= 0)
			break;
		got += n;
	}
	return got;
}

static void test_message(void)
{
	static char data[200000], back[200000];
	struct endpoint sin;
	int listener = fresh(&sin, CLIENT | SERVER), fd, peer;
	const int now = MSG_FASTOPEN | MSG_DONTWAIT;
	ssize_t n;

	memset(data, 'x', sizeof(data));
	fd = new_socket();
	expect(sendto(fd, "abc", 3, now, SA(sin), sizeof(sin)), -1, EINPROGRESS,
	       "MSG_FASTOPEN: without a cookie nothing is sent at once");
	must(poll_for(fd, POLLOUT, 1000) & POLLOUT);
	expect(info_of(fd).tcpi_fastopen_client_fail, 1, 0, "and TCP_INFO says why");
	expect(send(fd, "abc", 3, 0), 3, 0, "it is a connection all the same");
	peer = accept(listener, NULL, NULL);
	expect(read_all(peer, back, 3), 3, 0, "whose data arrives");
	ktap(!HAS(fd, TCPI_OPT_SYN_DATA) && !HAS(peer, TCPI_OPT_SYN_DATA),
	     "on no SYN");
	expect(sendto(fd, "abc", 3, now, SA(sin), sizeof(sin)), 3, 0, "MSG_FASTOPEN again ends the first one");
	expect(sendto(fd, "abc", 3, now, SA(sin), sizeof(sin)), -1, EISCONN, "once");
	close(fd);
	close(peer);

	fd = new_socket();
	expect(sendto(fd, "request", 7, now, SA(sin), sizeof(sin)), 7, 0, "with the cookie all of it goes");
	peer = accept(listener, NULL, NULL);
	expect(read_all(peer, back, 7), 7, 0, "and arrives");
	expect(write(peer, "answer", 6), 6, 0, "the answer");
	expect(read_all(fd, back, 6), 6, 0, "is read");
	ktap(HAS(fd, TCPI_OPT_SYN_DATA) && HAS(peer, TCPI_OPT_SYN_DATA), "it was on the SYN");
	ktap(HAS(peer, TCPI_OPT_TFO_CHILD) && !HAS(fd, TCPI_OPT_TFO_CHILD),
	     "TCPI_OPT_TFO_CHILD: for who was accepted");
	expect(info_of(fd).tcpi_fastopen_client_fail, 0, 0, "nothing failed");
	expect(info_of(fd).tcpi_bytes_sent, 7, 0, "tcpi_bytes_sent");
	close(fd);
	close(peer);

	fd = new_socket();
	n = sendto(fd, data, sizeof(data), now, SA(sin), sizeof(sin));
	ktap(n > 400 && n < (ssize_t)sizeof(data), "no more than a segment goes with the SYN");
	peer = accept(listener, NULL, NULL);
	ktap(read_all(peer, back, n) == (size_t)n, "all of that arrives");
	close(fd);
	close(peer);

	fd = new_socket();
	must(set_int(fd, TCP_NODELAY, 1) == 0);
	if (!fork()) {
		n = sendto(fd, data, sizeof(data), MSG_FASTOPEN, SA(sin), sizeof(sin));
		_exit(n != sizeof(data));
	}
	peer = accept(listener, NULL, NULL);
	ktap(read_all(peer, back, sizeof(back)) == sizeof(back) && !memcmp(data, back, sizeof(back)),
	     "blocking: all of it goes, the rest behind the handshake");
	int status;

	wait(&status);
	expect(status, 0, 0, "the call says so");
	ktap(HAS(peer, TCPI_OPT_SYN_DATA), "and the start of it was on the SYN");
	close(fd);
	close(peer);

	fd = new_socket();
	expect(sendto(fd, NULL, 0, now, SA(sin), sizeof(sin)), -1, EINPROGRESS, "no data");
	must(poll_for(fd, POLLOUT, 1000) & POLLOUT);
	ktap(!HAS(fd, TCPI_OPT_SYN_DATA), "is on no SYN");
	peer = accept(listener, NULL, NULL);
	close(peer);
	close(fd);
	fd = new_socket();
	expect(sendto(fd, NULL, 1, now, SA(sin), sizeof(sin)), -1, EINPROGRESS,
	       "what can't be read is told of later");
	must(poll_for(fd, POLLOUT, 1000) & POLLOUT);
	expect(send(fd, NULL, 1, 0), -1, EFAULT, "as usual");
	close(accept(listener, NULL, NULL));
	close(fd);
	close(listener);
}

static void test_refusals(void)
{
	struct endpoint sin, other = at("192.0.2.1", 1);
	int listener = fresh(&sin, CLIENT | SERVER), fd, full, fds[4];
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct endpoint there;

	fd = new_socket();
	expect(send(fd, "a", 1, MSG_FASTOPEN), -1, EINVAL, "MSG_FASTOPEN: nobody named");
	expect(sendto(fd, "a", 1, MSG_FASTOPEN, &nobody, sizeof(nobody)), -1, EOPNOTSUPP, "AF_UNSPEC named");
	expect(sendto(fd, "a", 1, MSG_FASTOPEN, SA(sin), 6), -1, EINVAL, "half a name");
	expect(sendto(fd, "a", 1, MSG_FASTOPEN, SA(other), sizeof(other)), -1, ENETUNREACH, "no route");
	expect(sendto(listener, "a", 1, MSG_FASTOPEN, SA(sin), sizeof(sin)), -1, EISCONN, "a listener");
	allow(0);
	expect(sendto(fd, "a", 1, MSG_FASTOPEN, SA(sin), sizeof(sin)), -1, EOPNOTSUPP,
	       "MSG_FASTOPEN: where it is switched off");
	expect(set_int(fd, TCP_FASTOPEN_CONNECT, 1), -1, EOPNOTSUPP, "TCP_FASTOPEN_CONNECT too");
	allow(CLIENT | SERVER);
	expect(set_int(fd, TCP_FASTOPEN_CONNECT, 2), -1, EINVAL, "TCP_FASTOPEN_CONNECT: not 2");
	expect(set_int(fd, TCP_FASTOPEN_CONNECT, -1), -1, EINVAL, "nor -1");
	expect(set_int(listener, TCP_FASTOPEN_CONNECT, 1), -1, EINVAL, "nor for listeners");
	expect(set_int(listener, TCP_FASTOPEN_NO_COOKIE, 1), 0, 0, "which may do without cookies");
	expect(set_int(listener, TCP_FASTOPEN_NO_COOKIE, 0), 0, 0, "or not");
	expect(set_int(fd, TCP_FASTOPEN_NO_COOKIE, 2), -1, EINVAL, "TCP_FASTOPEN_NO_COOKIE: not 2");

	warm_up(listener, &sin);
	full = new_listener(0, &there);
	must(set_int(full, TCP_FASTOPEN, 5) == 0);
	/* The queue is full with one more than the backlog; the kernel's TCP drops SYNs then. */
	for (int i = 0; i < 4; i++) {
		fds[i] = new_socket();
		must(fcntl(fds[i], F_SETFL, O_NONBLOCK) == 0);
		connect(fds[i], SA(there), sizeof(there));
		usleep(20000);
	}
	close(fd);
	fd = new_socket();
	must(sendto(fd, "abc", 3, MSG_FASTOPEN | MSG_DONTWAIT, SA(there), sizeof(there)) == 3);
	expect(sendto(fd, "abc", 3, MSG_FASTOPEN | MSG_DONTWAIT, SA(there), sizeof(there)), -1, EALREADY,
	       "MSG_FASTOPEN: while the SYN has no answer");
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	expect(connect(fd, SA(there), sizeof(there)), -1, EALREADY, "connect() then");
	close(fd);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	close(full);
	close(listener);
}

static void test_connect(void)
{
	char back[100];
	struct endpoint sin, name, gone;
	socklen_t len = sizeof(name);
	int listener = fresh(&sin, CLIENT | SERVER), fd, peer;

	fd = new_socket();
	expect(set_int(fd, TCP_FASTOPEN_CONNECT, 1), 0, 0, "TCP_FASTOPEN_CONNECT");
	expect(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT), 1, 0, "is read back");
	expect(connect(fd, SA(sin), sizeof(sin)), 0, 0, "without a cookie connect() is what it was");
	expect(info_of(fd).tcpi_state, 1, 0, "and ends with a connection");
	expect(set_int(fd, TCP_FASTOPEN_CONNECT, 0), -1, EINVAL, "for which it is too late to change");
	peer = accept(listener, NULL, NULL);
	must(peer >= 0);
	close(fd);
	close(peer);

	must(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	expect(connect(fd, SA(sin), sizeof(sin)), 0, 0, "with one it does not wait");
	expect(accept(listener, NULL, NULL), -1, EAGAIN, "nor send");
	expect(info_of(fd).tcpi_state, 2, 0, "the state is SYN-SENT");
	expect(poll_for(fd, POLLOUT | POLLIN, 0), POLLOUT, 0, "poll() says that it may be written");
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EISCONN, "connect() again");
	expect(getpeername(fd, SA(name), &len), -1, ENOTCONN, "getpeername()");
	expect(recv(fd, back, 1, 0), -1, EAGAIN, "recv()");
	expect(so_error(fd), 0, 0, "SO_ERROR");
	expect(write(fd, "hello", 5), 5, 0, "the first write");
	must(until((peer = accept(listener, NULL, NULL)) >= 0));
	expect(read_all(peer, back, 5), 5, 0, "arrives");
	ktap(HAS(fd, TCPI_OPT_SYN_DATA) && HAS(peer, TCPI_OPT_SYN_DATA), "with the SYN");
	expect(write(fd, "more", 4), 4, 0, "the second write");
	expect(read_all(peer, back, 4), 4, 0, "follows");
	close(fd);
	close(peer);

	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	expect(write(fd, "hello", 5), 5, 0, "the same with a blocking write");
	must(until((peer = accept(listener, NULL, NULL)) >= 0));
	expect(read_all(peer, back, 5), 5, 0, "arrives");
	close(fd);
	close(peer);

	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	close(fd);
	usleep(20000);
	expect(accept(listener, NULL, NULL), -1, EAGAIN, "closed before it was written: nothing was sent");
	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	expect(connect(fd, &nobody, sizeof(nobody)), 0, 0, "connect(AF_UNSPEC) takes it back");
	expect(so_error(fd), ECONNRESET, 0, "as it does a SYN");
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 0) == 0);
	expect(connect(fd, SA(sin), sizeof(sin)), 0, 0, "and another connect() may follow");
	must(until((peer = accept(listener, NULL, NULL)) >= 0));
	close(peer);
	close(fd);
	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	expect(shutdown(fd, SHUT_WR), 0, 0, "shutdown() before the first write");
	expect(write(fd, "a", 1), -1, ECONNRESET, "and a write after it");
	close(fd);

	/* A cookie is good for all ports of an address. */
	peer = new_listener(1, &gone);
	close(peer);
	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_CONNECT, 1) == 0);
	expect(connect(fd, SA(gone), sizeof(gone)), 0, 0, "connect() to where nobody listens");
	expect(write(fd, "a", 1), -1, ECONNREFUSED, "is refused at the first write");
	close(fd);
	fd = new_socket();
	expect(sendto(fd, "a", 1, MSG_FASTOPEN, SA(gone), sizeof(gone)), -1, ECONNREFUSED,
	       "MSG_FASTOPEN there");
	close(fd);
	close(listener);
}

static void test_no_cookie(void)
{
	char back[100];
	struct endpoint sin;
	int listener = fresh(&sin, CLIENT | SERVER), fd, peer;

	must(set_int(listener, TCP_FASTOPEN_NO_COOKIE, 1) == 0);
	fd = new_socket();
	expect(set_int(fd, TCP_FASTOPEN_NO_COOKIE, 1), 0, 0, "TCP_FASTOPEN_NO_COOKIE");
	expect(get_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE), 1, 0, "is read back");
	expect(sendto(fd, "request", 7, MSG_FASTOPEN | MSG_DONTWAIT, SA(sin), sizeof(sin)), 7, 0,
	       "the first SYN has data");
	peer = accept(listener, NULL, NULL);
	expect(read_all(peer, back, 7), 7, 0, "which is taken");
	must(poll_for(fd, POLLOUT, 1000) & POLLOUT);
	ktap(HAS(fd, TCPI_OPT_SYN_DATA) && HAS(peer, TCPI_OPT_SYN_DATA), "at once");
	expect(set_int(fd, TCP_FASTOPEN_NO_COOKIE, 0), -1, EINVAL, "too late to change it");
	close(fd);
	close(peer);
	must(set_int(listener, TCP_FASTOPEN_NO_COOKIE, 0) == 0);
	fd = new_socket();
	must(set_int(fd, TCP_FASTOPEN_NO_COOKIE, 1) == 0);
	expect(sendto(fd, "request", 7, MSG_FASTOPEN, SA(sin), sizeof(sin)), 7, 0,
	       "a listener that wants a cookie");
	peer = accept(listener, NULL, NULL);
	expect(read_all(peer, back, 7), 7, 0, "gets the data a second time");
	ktap(!HAS(fd, TCPI_OPT_SYN_DATA) && !HAS(peer, TCPI_OPT_SYN_DATA), "and takes it then");
	expect(info_of(fd).tcpi_fastopen_client_fail, 2, 0, "as TCP_INFO says");
	expect(info_of(fd).tcpi_total_retrans, 1, 0, "tcpi_total_retrans");
	close(fd);
	close(peer);
	close(listener);
}

static void test_key(void)
{
	struct endpoint sin;
	char key[64] = "0123456789abcdefghijklmnopqrstuv", got[64] = "";
	int listener = fresh(&sin, CLIENT), fd;
	socklen_t len = sizeof(got);

	close(listener);
	must(unshare(CLONE_NEWNET) == 0);
	fd = new_socket();
	expect(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len), 0, 0, "TCP_FASTOPEN_KEY");
	expect(len, 0, 0, "of a fresh socket");
	must(set_int(fd, TCP_FASTOPEN, 5) == 0);
	len = sizeof(got);
	expect(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len), 0, 0, "TCP_FASTOPEN_KEY");
	expect(len, 0, 0, "tells a socket's own only");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 15), -1, EINVAL, "15 bytes");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 33), -1, EINVAL, "33 bytes");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 32), 0, 0, "32 bytes: two keys");
	len = sizeof(got);
	expect(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len), 0, 0, "are read back");
	ktap(len == 32 && !memcmp(got, key, 32), "both");
	expect(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, key, 16), 0, 0, "16 bytes: one");
	len = 20;
	expect(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len), 0, 0, "is read back");
	ktap(len == 16 && !memcmp(got, key, 16), "alone");
	len = 4;
	expect(getsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, got, &len), 0, 0, "a part of it");
	expect(len, 4, 0, "too");
	close(fd);
}

int main(void)
{
	ktap_begin();
	test_message();
	test_refusals();
	test_connect();
	test_no_cookie();
	test_key();
	return ktap_end();
}
