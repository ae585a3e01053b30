// SPDX-License-Identifier: GPL-2.0
/* Urgent data (RFC 6093), on either stack. */
#include "common.h"

static volatile sig_atomic_t urgs;

static void on_urg(int sig)
{
	(void)sig;
	urgs++;
}

static int at_mark(int fd)
{
	int at = -1;

	must(ioctl(fd, SIOCATMARK, &at) == 0);
	return at;
}

static int unread(int fd)
{
	int n = -1;

	must(ioctl(fd, FIONREAD, &n) == 0);
	return n;
}

static void test_out_of_band(void)
{
	char buf[32] = "";
	int fds[2];
	struct msghdr msg = { 0 };
	struct iovec iov = { buf, 10 };

	new_pair(fds);
	signal(SIGURG, on_urg);
	must(fcntl(fds[1], F_SETOWN, getpid()) == 0);
	expect(recv(fds[1], buf, 1, MSG_OOB), -1, EINVAL, "MSG_OOB: none was sent");
	expect(at_mark(fds[1]), 0, 0, "SIOCATMARK: no mark");
	must(send(fds[0], "abc", 3, 0) == 3);
	expect(send(fds[0], "dU", 2, MSG_OOB), 2, 0, "MSG_OOB: send");
	must(send(fds[0], "efg", 3, 0) == 3);
	ktap(until(urgs >= 1), "SIGURG");
	ktap((poll_for(fds[1], POLLPRI, 1000) & POLLPRI) == POLLPRI, "POLLPRI");
	usleep(20000);
	expect(at_mark(fds[1]), 0, 0, "SIOCATMARK: before the mark");
	expect(unread(fds[1]), 4, 0, "FIONREAD: to the mark");
	expect(recv(fds[1], buf, 1, MSG_OOB | MSG_PEEK), 1, 0, "MSG_OOB: peek");
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	expect(recvmsg(fds[1], &msg, MSG_OOB), 1, 0, "MSG_OOB: recv");
	ktap(buf[0] == 'U' && msg.msg_flags & MSG_OOB, "MSG_OOB: the byte, and it is said to be");
	expect(poll_for(fds[1], POLLPRI, 0), 0, 0, "POLLPRI: gone once it is read");
	expect(recv(fds[1], buf, 1, MSG_OOB), -1, EINVAL, "MSG_OOB: only once");
	expect(recv(fds[1], buf, 20, MSG_PEEK), 4, 0, "MSG_PEEK stops at the mark");
	int off = 2;

	must(setsockopt(fds[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) == 0);
	expect(recv(fds[1], buf, 20, MSG_PEEK), 2, 0, "from SO_PEEK_OFF on, too");
	expect(recv(fds[1], buf, 20, MSG_PEEK), 3, 0, "and goes on behind it");
	ktap(!memcmp(buf, "efg", 3), "with the right bytes");
	off = -1;
	must(setsockopt(fds[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) == 0);
	expect(recv(fds[1], buf, 20, 0), 4, 0, "a read stops at the mark");
	ktap(!memcmp(buf, "abcd", 4), "with the right bytes");
	expect(at_mark(fds[1]), 1, 0, "SIOCATMARK: at the mark");
	expect(recv(fds[1], buf, 20, MSG_PEEK), 3, 0, "MSG_PEEK at the mark");
	ktap(!memcmp(buf, "efg", 3), "looks behind it");
	expect(recv(fds[1], buf, 20, 0), 3, 0, "the next one goes on behind it");
	ktap(!memcmp(buf, "efg", 3), "and the urgent byte is not in it");
	expect(at_mark(fds[1]), 0, 0, "SIOCATMARK: behind the mark");
	/* Never read out of band: it is stepped over all the same. */
	must(send(fds[0], "xY", 2, MSG_OOB) == 2 && send(fds[0], "z", 1, 0) == 1);
	usleep(20000);
	expect(recv(fds[1], buf, 20, 0), 1, 0, "unread: up to the mark");
	expect(recv(fds[1], buf, 20, 0), 1, 0, "unread: behind it");
	expect(buf[0], 'z', 0, "unread: it is gone");
	expect(poll_for(fds[1], POLLPRI, 0), 0, 0, "unread: POLLPRI is gone");
	close(fds[0]);
	close(fds[1]);
}

static void test_alone(void)
{
	char buf[32] = "";
	int fds[2];

	new_pair(fds);
	must(send(fds[0], "U", 1, MSG_OOB) == 1);
	must(poll_for(fds[1], POLLPRI, 1000) > 0);
	expect(poll_for(fds[1], POLLIN, 0), 0, 0, "alone: nothing to read in band");
	expect(at_mark(fds[1]), 1, 0, "alone: at the mark");
	expect(recv(fds[1], buf, 10, MSG_DONTWAIT), -1, EAGAIN, "alone: recv");
	close(fds[0]);
	close(fds[1]);
	/* select() has it as exceptional. */
	new_pair(fds);
	must(send(fds[0], "U", 1, MSG_OOB) == 1);
	must(poll_for(fds[1], POLLPRI, 1000) > 0);
	fd_set set;
	struct timeval none = { 0, 0 };

	FD_ZERO(&set);
	FD_SET(fds[1], &set);
	expect(select(fds[1] + 1, NULL, NULL, &set, &none), 1, 0, "alone: select()");
	expect(recv(fds[1], buf, 0, MSG_OOB), 0, 0, "alone: no room for it");
	close(fds[0]);
	close(fds[1]);
}

static void test_inline(void)
{
	char buf[32] = "";
	int fds[2], one = 1;

	new_pair(fds);
	must(setsockopt(fds[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) == 0);
	must(send(fds[0], "abU", 3, MSG_OOB) == 3 && send(fds[0], "cd", 2, 0) == 2);
	must(poll_for(fds[1], POLLPRI, 1000) > 0);
	usleep(20000);
	expect(recv(fds[1], buf, 1, MSG_OOB), -1, EINVAL, "SO_OOBINLINE: not out of band");
	expect(unread(fds[1]), 5, 0, "SO_OOBINLINE: FIONREAD counts it");
	expect(recv(fds[1], buf, 20, 0), 2, 0, "SO_OOBINLINE: a read stops at the mark");
	expect(at_mark(fds[1]), 1, 0, "SO_OOBINLINE: at the mark");
	expect(recv(fds[1], buf, 20, 0), 3, 0, "SO_OOBINLINE: the rest");
	ktap(!memcmp(buf, "Ucd", 3), "SO_OOBINLINE: the byte is in it");
	close(fds[0]);
	close(fds[1]);
}

static void test_two(void)
{
	char buf[32] = "";
	int fds[2];

	new_pair(fds);
	must(send(fds[0], "aU", 2, MSG_OOB) == 2);
	must(poll_for(fds[1], POLLPRI, 1000) > 0);
	must(send(fds[0], "bV", 2, MSG_OOB) == 2);
	usleep(50000);
	expect(recv(fds[1], buf, 1, MSG_OOB), 1, 0, "two: the last one counts");
	expect(buf[0], 'V', 0, "two: it is the last");
	expect(recv(fds[1], buf, 20, 0), 3, 0, "two: the first is in the stream now");
	ktap(!memcmp(buf, "aUb", 3), "two: as a byte like any");
	close(fds[0]);
	close(fds[1]);
}

static void test_bulk(void)
{
	static char out[400000], in[400000];
	int fds[2];
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 13 + i / 256);
	new_pair(fds);
	int one = 1;

	must(setsockopt(fds[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) == 0);
	pid = fork();
	if (!pid) {
		for (size_t at = 0; at < sizeof(out); at += 10000)
			if (send(fds[0], out + at, 10000, at % 30000 ? 0 : MSG_OOB) != 10000)
				_exit(1);
		_exit(0);
	}
	while (got < sizeof(in) && (n = read(fds[1], in + got, sizeof(in) - got)) > 0)
		got += n;
	waitpid(pid, NULL, 0);
	ktap(got == sizeof(in) && !memcmp(in, out, sizeof(in)), "bulk with marks: every byte in order");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	ktap_begin();
	test_out_of_band();
	test_alone();
	test_inline();
	test_two();
	test_bulk();
	return ktap_end();
}
