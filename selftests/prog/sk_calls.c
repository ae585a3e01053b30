// SPDX-License-Identifier: GPL-2.0
/* Calls besides read() and write(), what interrupts them, and who is told, on either stack. */
#include "common.h"
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#define RX_TIMES	(SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE)
/* Newer than the C library's headers. */
#define RX_FILTER	(1 << 17)

static char data[300000], back[300000];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
}

/* Reads `n` bytes, as many calls as it takes. */
static bool gets_all(int fd, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, back + got, n - got);

		if (r <= 0)
			return false;
		got += r;
	}
	return true;
}

static int file_with_data(void)
{
	int fd = memfd_create("data", 0);

	must(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
	return fd;
}

static void test_sendfile(void)
{
	int fds[2], file = file_with_data();
	off_t at = 0;
	pid_t pid;

	new_pair(fds);
	pid = fork();
	if (!pid) {
		while (at < (off_t)sizeof(data))
			if (sendfile(fds[0], file, &at, sizeof(data) - at) <= 0)
				_exit(1);
		_exit(0);
	}
	bool ok = gets_all(fds[1], sizeof(data));
	int status;

	waitpid(pid, &status, 0);
	ktap(ok && status == 0 && !memcmp(data, back, sizeof(data)), "sendfile");
	/* The file changes after it was acknowledged: what was sent does not. */
	close(file);
	expect(sendfile(fds[0], fds[1], NULL, 10), -1, EINVAL, "sendfile: from a socket");
	close(fds[0]);
	close(fds[1]);
}

static void test_splice(void)
{
	int fds[2], in[2], out[2];

	new_pair(fds);
	must(pipe(in) == 0 && pipe(out) == 0);
	must(write(in[1], data, 5000) == 5000);
	expect(splice(in[0], NULL, fds[0], NULL, 5000, 0), 5000, 0, "splice: into a socket");
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	usleep(10000);
	int n = splice(fds[1], NULL, out[1], NULL, 5000, 0);

	ktap(n > 0 && n <= 5000, "splice: out of a socket");
	while (n > 0 && n < 5000) {
		int r = splice(fds[1], NULL, out[1], NULL, 5000 - n, 0);

		if (r <= 0)
			break;
		n += r;
	}
	must(n == 5000);
	int copy[2];

	must(pipe(copy) == 0);
	expect(tee(out[0], copy[1], 5000, 0), 5000, 0, "tee: of what came");
	must(read(copy[0], back, 5000) == 5000);
	ktap(!memcmp(back, data, 5000), "tee: the right bytes");
	memset(back, 0, 5000);
	must(gets_all(out[0], 5000));
	ktap(!memcmp(back, data, 5000), "splice: the right bytes");
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	expect(splice(fds[1], NULL, out[1], NULL, 100, 0), -1, EAGAIN, "splice: nothing there");
	must(shutdown(fds[0], SHUT_WR) == 0 && poll_for(fds[1], POLLRDHUP, 1000) > 0);
	expect(splice(fds[1], NULL, out[1], NULL, 100, 0), 0, 0, "splice: the end");
	close(fds[0]);
	close(fds[1]);
	int lone = new_socket();

	expect(splice(lone, NULL, out[1], NULL, 100, 0), -1, ENOTCONN, "splice: not connected");
	close(lone);
}

static void test_mmsg(void)
{
	struct iovec iov[3] = { { data, 10 }, { data + 10, 20 }, { data + 30, 30 } }, in[2];
	struct mmsghdr out[3] = { 0 }, got[2] = { 0 };
	int fds[2];

	new_pair(fds);
	for (int i = 0; i < 3; i++) {
		out[i].msg_hdr.msg_iov = &iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
	}
	expect(sendmmsg(fds[0], out, 3, 0), 3, 0, "sendmmsg");
	ktap(out[0].msg_len == 10 && out[1].msg_len == 20 && out[2].msg_len == 30, "sendmmsg: lengths");
	usleep(20000);
	in[0] = (struct iovec){ back, 25 };
	in[1] = (struct iovec){ back + 25, 35 };
	for (int i = 0; i < 2; i++) {
		got[i].msg_hdr.msg_iov = &in[i];
		got[i].msg_hdr.msg_iovlen = 1;
	}
	expect(recvmmsg(fds[1], got, 2, 0, NULL), 2, 0, "recvmmsg");
	ktap(got[0].msg_len == 25 && got[1].msg_len == 35 && !memcmp(back, data, 60), "recvmmsg: the data");
	close(fds[0]);
	close(fds[1]);
}

static void test_flags(void)
{
	int fds[2];

	new_pair(fds);
	must(send(fds[0], data, 10, MSG_MORE) == 10);
	expect(poll_for(fds[1], POLLIN, 50), 0, 0, "MSG_MORE: holds back");
	must(send(fds[0], data + 10, 10, MSG_EOR) == 10);
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	expect(recv(fds[1], back, 100, 0), 20, 0, "MSG_EOR: ends it");
	expect(recv(fds[1], back, 10, MSG_DONTWAIT), -1, EAGAIN, "MSG_DONTWAIT: nothing there");
	must(write(fds[0], data, 100) == 100);
	must(poll_for(fds[1], POLLIN, 1000) > 0);
	expect(recv(fds[1], NULL, 40, MSG_TRUNC), 40, 0, "MSG_TRUNC: throws away");
	expect(recv(fds[1], back, 60, MSG_PEEK | MSG_TRUNC), 60, 0, "MSG_PEEK | MSG_TRUNC");
	expect(recv(fds[1], back, 60, MSG_WAITALL), 60, 0, "MSG_WAITALL: all there");
	ktap(!memcmp(back, data + 40, 60), "MSG_TRUNC: the rest is right");
	expect(recv(fds[1], back, 10, MSG_ERRQUEUE), -1, EAGAIN, "MSG_ERRQUEUE: nothing there");
	expect(recv(fds[1], back, 0, MSG_DONTWAIT), -1, EAGAIN, "recv: of nothing");
	expect(send(fds[0], data, 0, 0), 0, 0, "send: of nothing");
	expect(recv(fds[1], (void *)1, 10, MSG_DONTWAIT), -1, EAGAIN, "recv: EAGAIN before EFAULT");
	must(write(fds[0], data, 10) == 10 && poll_for(fds[1], POLLIN, 1000) > 0);
	expect(recv(fds[1], (void *)1, 10, 0), -1, EFAULT, "recv: bad pointer");
	expect(recv(fds[1], back, 10, 0), 10, 0, "recv: nothing was lost by it");
	expect(send(fds[0], (void *)1, 10, 0), -1, EFAULT, "send: bad pointer");
	struct msghdr msg = { .msg_control = data, .msg_controllen = 40 };
	struct cmsghdr *c = (void *)data;

	c->cmsg_len = 5;
	c->cmsg_level = SOL_SOCKET;
	struct iovec iov = { back, 10 };

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	expect(sendmsg(fds[0], &msg, 0), -1, EINVAL, "sendmsg: bad control message");
	fill();
	close(fds[0]);
	close(fds[1]);
}

static void test_zerocopy(void)
{
	char control[128];
	struct msghdr msg = { 0 };
	int fds[2], one = 1;

	new_pair(fds);
	expect(send(fds[0], data, 10, MSG_ZEROCOPY), 10, 0, "MSG_ZEROCOPY: ignored without SO_ZEROCOPY");
	must(setsockopt(fds[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == 0);
	for (int i = 0; i < 3; i++)
		expect(send(fds[0], data, 40000, MSG_ZEROCOPY), 40000, 0, "MSG_ZEROCOPY: send");
	must(gets_all(fds[1], 120010));
	ktap(poll_for(fds[0], 0, 2000) == POLLERR, "MSG_ZEROCOPY: POLLERR tells");
	uint32_t next = 0;
	bool ok = true;

	for (int turn = 0; turn < 2000 && next < 3; turn++) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		if (recvmsg(fds[0], &msg, MSG_ERRQUEUE) < 0) {
			usleep(1000);
			continue;
		}
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		struct sock_extended_err *e = c ? (void *)CMSG_DATA(c) : NULL;

		ok &= c && c->cmsg_level == (v6 ? SOL_IPV6 : SOL_IP) &&
		      c->cmsg_type == (v6 ? IPV6_RECVERR : IP_RECVERR) && e->ee_errno == 0 &&
		      e->ee_origin == SO_EE_ORIGIN_ZEROCOPY && e->ee_info == next &&
		      (msg.msg_flags & MSG_ERRQUEUE) &&
		      c->cmsg_len == CMSG_LEN(sizeof(*e) + addr_len()) &&
		      (e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED);
		next = e->ee_data + 1;
	}
	ktap(ok && next == 3, "MSG_ZEROCOPY: each call is told to be done");
	expect(poll_for(fds[0], 0, 0), 0, 0, "MSG_ZEROCOPY: POLLERR is gone");
	close(fds[0]);
	close(fds[1]);
}

static volatile sig_atomic_t signals;
static volatile int signal_fd, signal_band, signal_bands;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	signal_fd = info->si_fd;
	signal_band = info->si_band;
	signal_bands |= info->si_band;
	signals++;
}

static void test_sigio(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	int fds[2];

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	new_pair(fds);
	signals = 0;
	must(fcntl(fds[1], F_SETOWN, getpid()) == 0);
	must(fcntl(fds[1], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	expect(fcntl(fds[1], F_GETOWN), getpid(), 0, "F_GETOWN");
	must(write(fds[0], "x", 1) == 1);
	ktap(until(signals >= 1), "O_ASYNC: SIGIO when data comes");
	must(fcntl(fds[1], F_SETSIG, SIGRTMIN) == 0);
	must(read(fds[1], back, 10) == 1 && read(fds[1], back, 10) == -1);
	signals = 0;
	must(write(fds[0], "x", 1) == 1);
	ktap(until(signals >= 1) && signal_fd == fds[1] && signal_band & POLLIN, "F_SETSIG: tells which and why");
	must(read(fds[1], back, 10) == 1 && read(fds[1], back, 10) == -1);
	signals = 0;
	must(shutdown(fds[0], SHUT_WR) == 0);
	ktap(until(signals >= 1), "O_ASYNC: the end of the stream");
	close(fds[0]);
	close(fds[1]);
	/* A listener, and room to write. */
	struct endpoint sin;
	int listener = new_listener(4, &sin), c = new_socket();

	must(fcntl(listener, F_SETOWN, getpid()) == 0 && fcntl(listener, F_SETSIG, SIGRTMIN) == 0);
	must(fcntl(listener, F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	signals = 0;
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	ktap(until(signals >= 1) && signal_fd == listener, "O_ASYNC: a connection to accept");
	close(c);
	close(listener);
}

/* --- signals that interrupt ------------------------------------------------------------ */

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

struct blocked {
	int fd;
	long (*call)(int fd);
};

static long do_recv(int fd)
{
	return recv(fd, back, 10, 0);
}

static long do_send(int fd)
{
	long r = 0;

	/* Until the buffers are full, and then it blocks. */
	for (int i = 0; i < 200 && r >= 0; i++) {
		long n = send(fd, data, sizeof(data), 0);

		if (n < 0)
			return n;
		if (n < (long)sizeof(data))
			return 1;	/* Interrupted with a part sent. */
	}
	return 0;
}

static long do_accept(int fd)
{
	return accept(fd, NULL, NULL);
}

/* A signal every @ms (none: 0): one that comes before the call sleeps is not the last. */
static void alarm_every(int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	struct itimerval it = { .it_value = tv, .it_interval = tv };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void test_eintr(const char *name, int fd, long (*call)(int fd), bool may_be_part)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	char text[100];
	struct timeval tv = { 0, 300000 }, never = { 0, 0 };

	sigaction(SIGALRM, &sa, NULL);
	alarm_every(50);
	errno = 0;
	long r = call(fd);

	snprintf(text, sizeof(text), "%s: EINTR", name);
	ktap((r == -1 && errno == EINTR) || (may_be_part && r == 1), text);
	/* With a time limit: EINTR even with SA_RESTART, and EAGAIN when the time is up. */
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	errno = 0;
	r = call(fd);
	alarm_every(0);
	snprintf(text, sizeof(text), "%s: EINTR with a time limit", name);
	ktap((r == -1 && errno == EINTR) || (may_be_part && r == 1), text);
	errno = 0;
	r = call(fd);
	snprintf(text, sizeof(text), "%s: EAGAIN after it", name);
	ktap(r == -1 && errno == EAGAIN, text);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &never, sizeof(never));
}

static void test_signals(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct endpoint sin;
	int fds[2], listener;
	pid_t pid;

	new_pair(fds);
	test_eintr("recv", fds[0], do_recv, false);
	fill_up(fds[0]);
	test_eintr("send", fds[0], do_send, true);
	close(fds[0]);
	close(fds[1]);
	listener = new_listener(4, &sin);
	test_eintr("accept", listener, do_accept, false);
	close(listener);
	/* SA_RESTART: the call goes on. */
	new_pair(fds);
	sigaction(SIGALRM, &sa, NULL);
	signals = 0;
	pid = fork();
	if (!pid) {
		usleep(200000);
		_exit(write(fds[1], "late", 4) != 4);
	}
	alarm_every(50);
	expect(recv(fds[0], back, 10, 0), 4, 0, "recv: SA_RESTART goes on");
	alarm_every(0);
	ktap(signals >= 1, "recv: the signal came");
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

/* --- another thread ------------------------------------------------------------------- */

struct waiter {
	int fd, flags;
	volatile pid_t tid;
	long r;
	int e;
	volatile int done;
};

static void *recv_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = recv(w->fd, back, 10, w->flags);
	w->e = errno;
	w->done = 1;
	return NULL;
}

static void *send_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = send(w->fd, data, 10, 0);
	w->e = errno;
	w->done = 1;
	return NULL;
}

static void *accept_thread(void *arg)
{
	struct waiter *w = arg;

	w->tid = gettid();
	w->r = accept(w->fd, NULL, NULL);
	w->e = errno;
	w->done = 1;
	return NULL;
}

/* Which it does in the call that it makes. */
static bool asleep(const struct waiter *w)
{
	return w->tid && is_asleep(w->tid);
}

static void test_threads(void)
{
	struct waiter w;
	pthread_t t;
	int fds[2];
	struct endpoint sin, none = { .sin_family = AF_UNSPEC };

	/* close() does not wake; the call goes on and gets what comes. */
	new_pair(fds);
	w = (struct waiter){ .fd = fds[0] };
	pthread_create(&t, NULL, recv_thread, &w);
	must(until(asleep(&w)));
	close(fds[0]);
	usleep(50000);
	expect(w.done, 0, 0, "close: a recv() in another thread goes on");
	must(write(fds[1], "abc", 3) == 3);
	pthread_join(t, NULL);
	expect(w.r, 3, 0, "close: and gets what comes");
	close(fds[1]);
	/* shutdown() does. */
	new_pair(fds);
	w = (struct waiter){ .fd = fds[0] };
	pthread_create(&t, NULL, recv_thread, &w);
	must(until(asleep(&w)));
	must(shutdown(fds[0], SHUT_RD) == 0);
	pthread_join(t, NULL);
	expect(w.r, 0, 0, "shutdown: ends a recv() in another thread");
	close(fds[0]);
	close(fds[1]);
	/* connect(AF_UNSPEC) too. */
	new_pair(fds);
	w = (struct waiter){ .fd = fds[0] };
	pthread_create(&t, NULL, recv_thread, &w);
	must(until(asleep(&w)));
	must(connect(fds[0], SA(none), sizeof(none)) == 0);
	pthread_join(t, NULL);
	ktap(w.r == -1 && w.e == EPIPE, "connect(AF_UNSPEC): ends a recv() in another thread");
	close(fds[0]);
	close(fds[1]);
	w = (struct waiter){ .fd = new_listener(4, &sin) };
	pthread_create(&t, NULL, accept_thread, &w);
	must(until(asleep(&w)));
	must(connect(w.fd, SA(none), sizeof(none)) == 0);
	if (!until(w.done))
		pthread_cancel(t);
	pthread_join(t, NULL);
	ktap(w.done && w.r == -1 && w.e == EINVAL, "connect(AF_UNSPEC): ends an accept() in another thread");
	close(w.fd);
	/* A listener. */
	w = (struct waiter){ .fd = new_listener(4, &sin) };
	pthread_create(&t, NULL, accept_thread, &w);
	must(until(asleep(&w)));
	must(shutdown(w.fd, SHUT_RD) == 0);
	pthread_join(t, NULL);
	ktap(w.r == -1 && w.e == EINVAL, "shutdown: ends an accept() in another thread");
	close(w.fd);
}

/* From here on signals tell what happens to @fd; none was counted yet. */
static void tell_by_signal(int fd)
{
	must(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_SETSIG, SIGRTMIN) == 0);
	must(fcntl(fd, F_SETFL, O_ASYNC) == 0);
	signals = 0;
	signal_bands = 0;
}

/* Reads all that comes until @from has nothing left to send. */
static void drain(int from, int to)
{
	int left;

	do {
		while (recv(to, back, sizeof(back), MSG_DONTWAIT) > 0)
			;
		must(ioctl(from, SIOCOUTQ, &left) == 0);
	} while (left);
}

/*
 * O_ASYNC and who sleeps in a call: what wakes a reader or a writer is not told by a signal too. The signal for
 * what woke him would be sent before he has the socket's lock, so it is there when the thread has ended.
 */
static void test_sigio_readers(void)
{
	static const struct {
		int flags;
		const char *data, *end;
	} calls[] = {
		{ 0, "O_ASYNC: none for what a recv() waits for", "O_ASYNC: none for the end that a recv() waits for" },
		{ MSG_PEEK, "O_ASYNC: none for what a look waits for", "O_ASYNC: none for the end that a look waits for" },
	};
	struct linger now = { .l_onoff = 1 };
	struct waiter w;
	pthread_t t;
	int fds[2];

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (int end = 0; end < 2; end++) {
			new_pair(fds);
			tell_by_signal(fds[1]);
			w = (struct waiter){ .fd = fds[1], .flags = calls[i].flags };
			pthread_create(&t, NULL, recv_thread, &w);
			must(until(asleep(&w)));
			must(end ? shutdown(fds[0], SHUT_WR) == 0 : write(fds[0], "x", 1) == 1);
			pthread_join(t, NULL);
			must(w.r == !end);
			expect(signals, 0, 0, end ? calls[i].end : calls[i].data);
			if (!end) {
				/* The reader is gone: the next is told. */
				must(write(fds[0], "x", 1) == 1);
				ktap(until(signals >= 1) && signal_bands & POLLIN, "O_ASYNC: and what comes later is");
			}
			close(fds[0]);
			close(fds[1]);
		}
	}
	/* An error is told in any case. */
	new_pair(fds);
	tell_by_signal(fds[1]);
	w = (struct waiter){ .fd = fds[1] };
	pthread_create(&t, NULL, recv_thread, &w);
	must(until(asleep(&w)));
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(fds[0]);
	pthread_join(t, NULL);
	ktap(w.r == -1 && w.e == ECONNRESET && signal_bands & POLLERR, "O_ASYNC: an error, reader or not");
	close(fds[1]);
	/* The end of one direction is no hang-up, that of both is. */
	for (int both = 0; both < 2; both++) {
		new_pair(fds);
		must(!both || shutdown(fds[1], SHUT_WR) == 0);
		tell_by_signal(fds[1]);
		must(shutdown(fds[0], SHUT_WR) == 0);
		ktap(until(signal_bands & POLLIN) && !!(signal_bands & POLLHUP) == both,
		     both ? "O_ASYNC: POLL_HUP for the end of both directions" : "O_ASYNC: POLL_IN for that of one");
		close(fds[0]);
		close(fds[1]);
	}
}

static void test_sigio_others(void)
{
	struct waiter w;
	struct endpoint sin;
	pthread_t t;
	int fds[2], c;

	new_pair(fds);
	tell_by_signal(fds[0]);
	fill_up(fds[0]);
	w = (struct waiter){ .fd = fds[0] };
	pthread_create(&t, NULL, send_thread, &w);
	must(until(asleep(&w)));
	signals = 0;
	drain(fds[0], fds[1]);
	pthread_join(t, NULL);
	must(w.r == 10);
	drain(fds[0], fds[1]);
	expect(signals, 0, 0, "O_ASYNC: none for room that a send() waits for");
	/* Who was told that there is none is told once that there is. */
	fill_up(fds[0]);
	signals = 0;
	signal_bands = 0;
	drain(fds[0], fds[1]);
	ktap(until(signals >= 1) && signal_bands & POLLOUT, "O_ASYNC: room after EAGAIN");
	signals = 0;
	must(send(fds[0], data, 10, 0) == 10);
	drain(fds[0], fds[1]);
	expect(signals, 0, 0, "O_ASYNC: and no more of that");
	/* The next send() does not care, and it says so. */
	fill_up(fds[0]);
	must(send(fds[0], data, 0, 0) == 0);
	signals = 0;
	drain(fds[0], fds[1]);
	expect(signals, 0, 0, "O_ASYNC: none for room after a send() that wanted none");
	close(fds[0]);
	close(fds[1]);
	/* Who sleeps in accept() counts for nothing. */
	w = (struct waiter){ .fd = new_listener(4, &sin) };
	tell_by_signal(w.fd);
	pthread_create(&t, NULL, accept_thread, &w);
	must(until(asleep(&w)));
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	pthread_join(t, NULL);
	ktap(w.r >= 0 && until(signals >= 1), "O_ASYNC: a connection that an accept() waits for");
	close(w.r);
	close(c);
	close(w.fd);
}

static void test_passing(void)
{
	int fds[2], unix_pair[2], got = -1;
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { back, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	new_pair(fds);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_pair) == 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[0], sizeof(int));
	must(sendmsg(unix_pair[0], &msg, 0) == 1);
	close(fds[0]);
	must(recvmsg(unix_pair[1], &msg, 0) == 1);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	must(write(got, "pass", 4) == 4);
	expect(recv(fds[1], back, 10, 0), 4, 0, "SCM_RIGHTS: a passed socket lives");
	int twin = dup(got);

	close(got);
	expect(poll_for(fds[1], POLLIN, 50), 0, 0, "dup: one descriptor is enough");
	close(twin);
	expect(recv(fds[1], back, 10, 0), 0, 0, "dup: the last one ends it");
	close(fds[1]);
}

/* The ways to ask when data came, and what then says so. */
static const struct way {
	const char *name;
	int option, value;
	/* So many times of 16 bytes each, whose second half counts this many in a second. */
	int times, unit;
} ways[] = {
	{ "SO_TIMESTAMP", SO_TIMESTAMP, 1, 1, 1000000 },
	{ "SO_TIMESTAMPNS", SO_TIMESTAMPNS, 1, 1, 1000000000 },
	{ "SO_TIMESTAMP_NEW", SO_TIMESTAMP_NEW, 1, 1, 1000000 },
	{ "SO_TIMESTAMPNS_NEW", SO_TIMESTAMPNS_NEW, 1, 1, 1000000000 },
	{ "SO_TIMESTAMPING", SO_TIMESTAMPING, RX_TIMES, 3, 1000000000 },
	{ "SO_TIMESTAMPING_NEW", SO_TIMESTAMPING_NEW, RX_TIMES, 3, 1000000000 },
	/* Times that others had taken are told too, but if the filter is wanted. */
	{ "SO_TIMESTAMPING without RX_SOFTWARE", SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE, 3, 1000000000 },
	{ "SO_TIMESTAMPING, OPT_RX_FILTER", SO_TIMESTAMPING, RX_TIMES | RX_FILTER, 3, 1000000000 },
	{ "SO_TIMESTAMPING, OPT_RX_FILTER without RX_SOFTWARE", SO_TIMESTAMPING,
	  SOF_TIMESTAMPING_SOFTWARE | RX_FILTER, 0, 1000000000 },
	{ "SO_TIMESTAMPING without SOFTWARE", SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE, 0, 1000000000 },
};

static int64_t realtime(int unit)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * unit + now.tv_nsec / (1000000000 / unit);
}

/*
 * Reads @n bytes, or looks at them. Gives the time that came with them, -1 if none did, -2 if it was not what
 * was asked for.
 */
static int64_t time_with(int fd, const struct way *way, int n, int flags)
{
	char control[256];
	struct iovec iov = { back, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int64_t told[6] = { 0 };
	struct cmsghdr *c;

	must(recvmsg(fd, &msg, flags) == n);
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return -1;
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != way->option || CMSG_NXTHDR(&msg, c) ||
	    msg.msg_flags & MSG_CTRUNC || c->cmsg_len != CMSG_LEN(16 * way->times))
		return -2;
	memcpy(told, CMSG_DATA(c), 16 * way->times);
	/* struct scm_timestamping: the others are for hardware. */
	if (told[2] || told[3] || told[4] || told[5] || told[1] >= way->unit)
		return -2;
	return told[0] * way->unit + told[1];
}

static void test_rx_time(const struct way *way)
{
	int64_t sent[2], first = -1, at[4] = { 0 }, end;
	int fds[2], off = 0;
	char name[100];
	bool ok = true;

	new_pair(fds);
	must(setsockopt(fds[1], SOL_SOCKET, way->option, &way->value, sizeof(way->value)) == 0);
	for (int i = 0; i < 2; i++) {
		if (i)
			first = time_with(fds[1], way, 1, MSG_PEEK);
		sent[i] = realtime(way->unit);
		must(write(fds[0], "x", 1) == 1 && until(recv(fds[1], back, 2, MSG_PEEK) == i + 1));
		usleep(10000);
	}
	end = realtime(way->unit);
	/* A look at the first byte, and at both; and the same times when they are read. */
	for (int i = 0; i < 4; i++) {
		at[i] = time_with(fds[1], way, i == 1 ? 2 : 1, i < 2 ? MSG_PEEK : 0);
		ok = ok && at[i] == (way->times ? at[i & 1] : -1);
	}
	if (way->times) {
		snprintf(name, sizeof(name), "%s: when the data came", way->name);
		ktap(first >= sent[0] && first < sent[1] && at[3] >= sent[1] && at[3] < end, name);
		/* Bytes that wait may be joined, and are told the time of the last of them then. */
		ok = ok && (at[2] == first || at[2] == at[3]);
		snprintf(name, sizeof(name), "%s: a look is told the time of its last byte", way->name);
	} else {
		snprintf(name, sizeof(name), "%s: nothing is told", way->name);
	}
	ktap(ok, name);
	if (!ok || (way->times && (first < sent[0] || at[3] < sent[1])))
		printf("# %lld, then %lld %lld %lld %lld, sent %lld %lld\n", (long long)first, (long long)at[0],
		       (long long)at[1], (long long)at[2], (long long)at[3], (long long)sent[0],
		       (long long)sent[1]);
	must(setsockopt(fds[1], SOL_SOCKET, way->option, &off, sizeof(off)) == 0);
	must(write(fds[0], "x", 1) == 1);
	snprintf(name, sizeof(name), "%s: no longer", way->name);
	expect(time_with(fds[1], way, 1, 0), -1, 0, name);
	close(fds[0]);
	close(fds[1]);
}

/* Small pieces, some of which are copied together for want of memory: the time is that of the last of them too. */
static void test_rx_time_packed(void)
{
	enum { PIECES = 300, SIZE = 2 };
	int fds[2], one = 1, late = 0;
	long before = counter("TCPRcvCollapsed");

	new_pair(fds);
	/* The least that there is. */
	must(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)) == 0);
	must(setsockopt(fds[1], SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
	for (int i = 1; i <= PIECES; i++) {
		int64_t sent = realtime(1000000), told;

		must(write(fds[0], data, SIZE) == SIZE);
		must(until(recv(fds[1], back, sizeof(back), MSG_PEEK) == i * SIZE));
		told = time_with(fds[1], &ways[0], i * SIZE, MSG_PEEK);
		late += told < sent || told > realtime(1000000);
	}
	expect(late, 0, 0, "SO_TIMESTAMP: of many small pieces, the last one's");
	ktap(counter("TCPRcvCollapsed") > before, "which were copied together");
	close(fds[0]);
	close(fds[1]);
}

static void test_rx_timestamp(void)
{
	int fd = new_socket(), one = 1, value = RX_TIMES, fds[2];
	/* The time of what came last, and room for less. */
	char control[CMSG_SPACE(16)];
	struct iovec iov = { back, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	/* Packets get times as long as anybody wants some; from a little later on. */
	must(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0);
	usleep(50000);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		test_rx_time(&ways[i]);
	test_rx_time_packed();
	new_pair(fds);
	must(setsockopt(fds[1], SOL_SOCKET, SO_TIMESTAMPING, &value, sizeof(value)) == 0);
	must(write(fds[0], "x", 1) == 1 && recvmsg(fds[1], &msg, 0) == 1);
	ktap(msg.msg_flags & MSG_CTRUNC, "SO_TIMESTAMPING: MSG_CTRUNC if there is no room for all three");
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

int main(void)
{
	ktap_begin();
	fill();
	test_sendfile();
	test_splice();
	test_mmsg();
	test_flags();
	test_zerocopy();
	test_sigio();
	test_signals();
	test_threads();
	test_sigio_readers();
	test_sigio_others();
	test_passing();
	test_rx_timestamp();
	return ktap_end();
}
