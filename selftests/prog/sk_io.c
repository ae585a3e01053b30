// SPDX-License-Identifier: GPL-2.0
/* Sending and receiving in all their forms, on either stack. */
#include "common.h"
#include <pthread.h>

static void test_basic(void)
{
	int fds[2], n;
	char buf[64], a[3], b[8];

	new_pair(fds);
	expect(write(fds[0], "hello", 5), 5, 0, "write");
	must(poll_for(fds[1], POLLIN, 5000) > 0);
	expect(ioctl(fds[1], FIONREAD, &n) ?: n, 5, 0, "FIONREAD");
	expect(recv(fds[1], buf, sizeof(buf), MSG_PEEK), 5, 0, "MSG_PEEK");
	expect(recv(fds[1], buf, 2, MSG_PEEK), 2, 0, "MSG_PEEK: part");
	expect(read(fds[1], buf, 2), 2, 0, "read: part");
	ktap(!memcmp(buf, "he", 2), "read: the bytes");
	struct iovec out[2] = { { "scatter", 7 }, { "gather", 6 } };
	struct iovec in[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct msghdr mo = { .msg_iov = out, .msg_iovlen = 2 };
	struct msghdr mi = { .msg_iov = in, .msg_iovlen = 2 };
	struct endpoint name;

	mi.msg_name = &name;
	mi.msg_namelen = sizeof(name);
	expect(recvmsg(fds[1], &mi, 0), 3, 0, "recvmsg: what is left");
	expect(mi.msg_namelen, 0, 0, "recvmsg: a stream has no sender's name");
	expect(sendmsg(fds[0], &mo, 0), 13, 0, "sendmsg: two pieces");
	must(until(ioctl(fds[1], FIONREAD, &n) == 0 && n == 13));
	expect(readv(fds[1], in, 2), 11, 0, "readv");
	ktap(!memcmp(a, "sca", 3) && !memcmp(b, "ttergath", 8), "readv: the bytes");
	expect(recv(fds[1], buf, sizeof(buf), MSG_TRUNC), 2, 0, "MSG_TRUNC: thrown away");
	expect(recv(fds[1], buf, sizeof(buf), MSG_DONTWAIT), -1, EAGAIN, "MSG_DONTWAIT: empty");
	expect(send(fds[0], buf, 0, 0), 0, 0, "send: nothing");
	expect(send(fds[0], (void *)1, 10, 0), -1, EFAULT, "send: bad pointer");
	must(send(fds[0], "keep", 4, 0) == 4);
	must(poll_for(fds[1], POLLIN, 5000) > 0);
	expect(recv(fds[1], buf, 0, 0), 0, 0, "recv: nothing asked");
	expect(recv(fds[1], (void *)1, 4, 0), -1, EFAULT, "recv: bad pointer");
	expect(recv(fds[1], buf, sizeof(buf), 0), 4, 0, "recv: nothing was lost by EFAULT");
	expect(recv(fds[1], buf, 1, MSG_OOB), -1, EINVAL, "MSG_OOB: none");
	close(fds[0]);
	close(fds[1]);
}

static int later_fd;

static void *send_later(void *arg)
{
	usleep(20000);
	must(send(later_fd, arg, strlen(arg), 0) > 0);
	return NULL;
}

static void test_waiting(void)
{
	int fds[2];
	char buf[64];
	pthread_t t;
	struct timeval tv = { 0, 30000 };

	new_pair(fds);
	later_fd = fds[0];
	must(send(fds[0], "abc", 3, 0) == 3);
	pthread_create(&t, NULL, send_later, "defgh");
	expect(recv(fds[1], buf, 8, MSG_WAITALL), 8, 0, "MSG_WAITALL");
	pthread_join(t, NULL);
	ktap(!memcmp(buf, "abcdefgh", 8), "MSG_WAITALL: the bytes");
	pthread_create(&t, NULL, send_later, "x");
	expect(recv(fds[1], buf, 8, 0), 1, 0, "recv: blocks until there is something");
	pthread_join(t, NULL);
	must(setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	expect(recv(fds[1], buf, 8, 0), -1, EAGAIN, "SO_RCVTIMEO");
	must(send(fds[0], "yz", 2, 0) == 2);
	expect(recv(fds[1], buf, 8, MSG_WAITALL), 2, 0, "SO_RCVTIMEO: MSG_WAITALL gives what it has");
	must(setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	static char block[1 << 16];
	ssize_t r;

	do {
		r = send(fds[0], block, sizeof(block), 0);
	} while (r > 0);
	ktap(r == -1 && errno == EAGAIN, "SO_SNDTIMEO");
	/* An ACK may have made a little room since. */
	do {
		r = send(fds[0], block, sizeof(block), MSG_DONTWAIT);
	} while (r > 0);
	ktap(r == -1 && errno == EAGAIN, "send: MSG_DONTWAIT when full");
	int queued = 0, unread = 0;

	must(ioctl(fds[0], SIOCOUTQ, &queued) == 0 && ioctl(fds[1], FIONREAD, &unread) == 0);
	ktap(queued > 0 && unread > 0, "SIOCOUTQ and FIONREAD of a full connection");
	close(fds[0]);
	close(fds[1]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signals(void)
{
	int fds[2];
	char c;
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value = { 0, 30000 } };

	new_pair(fds);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	expect(recv(fds[0], &c, 1, 0), -1, EINTR, "recv: a signal interrupts");
	char look[9] = "";

	must(write(fds[1], "ab", 2) == 2 && poll_for(fds[0], POLLIN, 1000) > 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	expect(recv(fds[0], look, 9, MSG_PEEK | MSG_WAITALL), 2, 0, "MSG_PEEK: a signal ends it with what there is");
	ktap(!memcmp(look, "ab", 2), "MSG_PEEK: the bytes");
	must(recv(fds[0], look, 2, 0) == 2);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	pthread_t t;

	later_fd = fds[1];
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0, 5000 } }, NULL);
	pthread_create(&t, NULL, send_later, "r");
	expect(recv(fds[0], &c, 1, 0), 1, 0, "recv: SA_RESTART goes on");
	pthread_join(t, NULL);
	struct endpoint sin;
	int l = new_listener(1, &sin);

	sa.sa_flags = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	expect(accept(l, NULL, NULL), -1, EINTR, "accept: a signal interrupts");
	close(l);
	close(fds[0]);
	close(fds[1]);
}

static int bulk_fd;
static const size_t bulk = 3000000;

static void *bulk_sender(void *arg)
{
	static char buf[10007];
	size_t done = 0;

	(void)arg;
	while (done < bulk) {
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (done + i) * 31 >> 3;
		size_t n = bulk - done < sizeof(buf) ? bulk - done : sizeof(buf);

		for (size_t off = 0; off < n;) {
			ssize_t r = send(bulk_fd, buf + off, n - off, 0);

			must(r > 0);
			off += r;
		}
		done += n;
	}
	shutdown(bulk_fd, SHUT_WR);
	return NULL;
}

static void test_bulk(void)
{
	int fds[2];
	pthread_t t;
	static char buf[7919];
	size_t done = 0;
	bool right = true;
	ssize_t r;

	new_pair(fds);
	bulk_fd = fds[0];
	pthread_create(&t, NULL, bulk_sender, NULL);
	while ((r = recv(fds[1], buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < r; i++)
			right &= buf[i] == (char)((done + i) * 31 >> 3);
		done += r;
	}
	pthread_join(t, NULL);
	ktap(r == 0 && done == bulk, "bulk: everything came");
	ktap(right, "bulk: every byte is right");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	ktap_begin();
	test_basic();
	test_waiting();
	test_signals();
	test_bulk();
	return ktap_end();
}
