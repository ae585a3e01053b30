// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and calls that block, as signal(7) has it: each call alone is interrupted, goes on with
 * SA_RESTART, is interrupted all the same if it has a time limit, and poll() and its kin always are.
 * And close() in one thread while another blocks in a call. On either stack.
 */
#include "common.h"
#include <pthread.h>
#include <sys/select.h>
#include <sys/sendfile.h>

static char block[65536];

/* The end that a call blocks on, and what lets it go on. */
struct ends {
	int fd, other;
	/* Where a listener is. */
	struct endpoint to;
};

static volatile sig_atomic_t signals;

static void on_alarm(int sig)
{
	(void)sig;
	signals++;
}

/* A signal every 50 ms, so that one comes when the call sleeps; none with @on false. */
static void alarms(bool on, int flags)
{
	struct timeval tv = { 0, on ? 50000 : 0 };
	struct itimerval it = { tv, tv };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };

	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

/* --- what blocks ------------------------------------------------------------------------------ */

static void idle(struct ends *e)
{
	int fds[2];

	new_pair(fds);
	*e = (struct ends){ .fd = fds[0], .other = fds[1] };
}

static void full(struct ends *e)
{
	idle(e);
	fill_up(e->fd);
}

static void listening(struct ends *e)
{
	e->other = -1;
	e->fd = new_listener(4, &e->to);
}

/* On a path that takes its time. */
static void fresh(struct ends *e)
{
	e->other = new_listener(4, &e->to);
	e->fd = new_socket();
}

/* --- what lets it go on ----------------------------------------------------------------------- */

static void data(struct ends *e)
{
	must(send(e->other, "x", 1, 0) == 1);
}

static void room(struct ends *e)
{
	/* Until the other end is closed, maybe. */
	while (poll_for(e->other, POLLIN, 300) > 0 && recv(e->other, block, sizeof(block), 0) > 0)
		;
}

static void caller(struct ends *e)
{
	int fd = new_socket();

	must(connect(fd, SA(e->to), sizeof(e->to)) == 0);
}

/* --- the calls -------------------------------------------------------------------------------- */

static long do_read(struct ends *e)
{
	return read(e->fd, block, 1);
}

static long do_readv(struct ends *e)
{
	struct iovec iov = { block, 1 };

	return readv(e->fd, &iov, 1);
}

static long do_recv(struct ends *e)
{
	return recv(e->fd, block, 1, 0);
}

static long do_peek(struct ends *e)
{
	return recv(e->fd, block, 1, MSG_PEEK);
}

static long do_recvmsg(struct ends *e)
{
	struct iovec iov = { block, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(e->fd, &msg, 0);
}

static long do_recvmmsg(struct ends *e)
{
	struct iovec iov = { block, 1 };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(e->fd, &msg, 1, 0, NULL);
}

static long do_write(struct ends *e)
{
	return write(e->fd, "x", 1);
}

static long do_writev(struct ends *e)
{
	struct iovec iov = { "x", 1 };

	return writev(e->fd, &iov, 1);
}

static long do_send(struct ends *e)
{
	return send(e->fd, "x", 1, 0);
}

static long do_sendmsg(struct ends *e)
{
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return sendmsg(e->fd, &msg, 0);
}

static long do_sendmmsg(struct ends *e)
{
	struct iovec iov = { "x", 1 };
	struct mmsghdr msg = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return sendmmsg(e->fd, &msg, 1, 0);
}

static long do_sendfile(struct ends *e)
{
	off_t from = 0;
	int fd = open("/proc/self/exe", O_RDONLY), error;
	long r;

	must(fd >= 0);
	r = sendfile(e->fd, fd, &from, 1);
	error = errno;
	close(fd);
	errno = error;
	return r;
}

static long do_splice_out(struct ends *e)
{
	int fds[2], error;
	long r;

	must(pipe(fds) == 0 && write(fds[1], "x", 1) == 1);
	r = splice(fds[0], NULL, e->fd, NULL, 1, 0);
	error = errno;
	close(fds[0]);
	close(fds[1]);
	errno = error;
	return r;
}

static long do_splice_in(struct ends *e)
{
	int fds[2], error;
	long r;

	must(pipe(fds) == 0);
	r = splice(e->fd, NULL, fds[1], NULL, 1, 0);
	error = errno;
	close(fds[0]);
	close(fds[1]);
	errno = error;
	return r;
}

static long do_wait_for_all(struct ends *e)
{
	return recv(e->fd, block, 1, MSG_WAITALL);
}

static long do_accept(struct ends *e)
{
	int fd = accept(e->fd, NULL, NULL);

	if (fd < 0)
		return -1;
	close(fd);
	return 1;
}

static long do_connect(struct ends *e)
{
	return connect(e->fd, SA(e->to), sizeof(e->to)) ? -1 : 1;
}

static const struct blocking {
	const char *name;
	void (*begin)(struct ends *e);
	long (*call)(struct ends *e);
	/* NULL: it ends by itself. */
	void (*go_on)(struct ends *e);
	int limit;
} blocking[] = {
	{ "read", idle, do_read, data, SO_RCVTIMEO },
	{ "readv", idle, do_readv, data, SO_RCVTIMEO },
	{ "recv", idle, do_recv, data, SO_RCVTIMEO },
	{ "recv with MSG_PEEK", idle, do_peek, data, SO_RCVTIMEO },
	{ "recvmsg", idle, do_recvmsg, data, SO_RCVTIMEO },
	{ "recvmmsg", idle, do_recvmmsg, data, SO_RCVTIMEO },
	{ "write", full, do_write, room, SO_SNDTIMEO },
	{ "writev", full, do_writev, room, SO_SNDTIMEO },
	{ "send", full, do_send, room, SO_SNDTIMEO },
	{ "sendmsg", full, do_sendmsg, room, SO_SNDTIMEO },
	{ "sendmmsg", full, do_sendmmsg, room, SO_SNDTIMEO },
	{ "sendfile", full, do_sendfile, room, SO_SNDTIMEO },
	{ "splice into it", full, do_splice_out, room, SO_SNDTIMEO },
	{ "splice from it", idle, do_splice_in, data, SO_RCVTIMEO },
	{ "recv with MSG_WAITALL", idle, do_wait_for_all, data, SO_RCVTIMEO },
	{ "accept", listening, do_accept, caller, SO_RCVTIMEO },
	{ "connect", fresh, do_connect, NULL, SO_SNDTIMEO },
};

static void finish(struct ends *e)
{
	close(e->fd);
	if (e->other >= 0)
		close(e->other);
}

static bool is_interrupted(const struct blocking *b, int flags, bool limited)
{
	struct timeval tv = { 20, 0 };
	struct ends e;
	bool ok;
	long r;

	b->begin(&e);
	if (limited)
		must(setsockopt(e.fd, SOL_SOCKET, b->limit, &tv, sizeof(tv)) == 0);
	alarms(true, flags);
	errno = 0;
	r = b->call(&e);
	ok = r == -1 && errno == EINTR;
	alarms(false, 0);
	if (!ok)
		printf("# %s: %ld (%s)\n", b->name, r, strerror(errno));
	finish(&e);
	return ok;
}

static bool goes_on(const struct blocking *b)
{
	struct ends e;
	pid_t pid = -1;
	bool ok;
	long r;

	b->begin(&e);
	if (b->go_on) {
		pid = fork();
		must(pid >= 0);
		if (!pid) {
			/* Until the call blocks, and some signals more. */
			must(until(is_asleep(getppid())));
			usleep(200000);
			b->go_on(&e);
			_exit(0);
		}
	}
	signals = 0;
	alarms(true, SA_RESTART);
	errno = 0;
	r = b->call(&e);
	ok = r == 1 && signals > 0;
	alarms(false, 0);
	if (!ok)
		printf("# %s: %ld (%s), %d signals\n", b->name, r, strerror(errno), (int)signals);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	finish(&e);
	return ok;
}

static void test_blocking(const struct blocking *b)
{
	char name[100];

	if (!b->go_on)
		must(system("tc qdisc add dev lo root netem delay 200ms") == 0);
	snprintf(name, sizeof(name), "%s: EINTR", b->name);
	ktap(is_interrupted(b, 0, false), name);
	snprintf(name, sizeof(name), "%s: EINTR with a time limit, SA_RESTART or not", b->name);
	ktap(is_interrupted(b, SA_RESTART, true), name);
	snprintf(name, sizeof(name), "%s: goes on with SA_RESTART", b->name);
	ktap(goes_on(b), name);
}

/* --- what is never restarted ------------------------------------------------------------------ */

/* Of epoll_wait(), milliseconds. */
static int patience = 20000;

static long do_poll(struct ends *e)
{
	struct pollfd p = { .fd = e->fd, .events = POLLIN };

	return poll(&p, 1, 20000);
}

static long do_select(struct ends *e)
{
	struct timeval tv = { 20, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(e->fd, &set);
	return select(e->fd + 1, &set, NULL, NULL, &tv);
}

static long do_epoll(struct ends *e)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(0), error;
	long r;

	must(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, e->fd, &event) == 0);
	r = epoll_wait(ep, &event, 1, patience);
	error = errno;
	close(ep);
	errno = error;
	return r;
}

static long do_ppoll(struct ends *e)
{
	struct timespec limit = { 20, 0 };
	struct pollfd p = { .fd = e->fd, .events = POLLIN };

	return ppoll(&p, 1, &limit, NULL);
}

static long do_pselect(struct ends *e)
{
	struct timespec limit = { 20, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(e->fd, &set);
	return pselect(e->fd + 1, &set, NULL, NULL, &limit, NULL);
}

static const struct blocking never[] = {
	{ "poll", idle, do_poll, data, 0 },
	{ "select", idle, do_select, data, 0 },
	{ "ppoll", idle, do_ppoll, data, 0 },
	{ "pselect", idle, do_pselect, data, 0 },
	{ "epoll_wait", idle, do_epoll, data, 0 },
};

static void test_never(void)
{
	char name[100];

	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		snprintf(name, sizeof(name), "%s: EINTR, SA_RESTART or not", never[i].name);
		ktap(is_interrupted(&never[i], SA_RESTART, false), name);
	}
}

/* --- part of it done -------------------------------------------------------------------------- */

static void test_parts(void)
{
	static char much[16 << 20];
	struct ends e;
	long r;

	/* What was sent counts, not the signal. */
	idle(&e);
	alarms(true, 0);
	r = send(e.fd, much, sizeof(much), 0);
	alarms(false, 0);
	ktap(r > 0 && r < (long)sizeof(much), "send: a part, when it is interrupted");
	finish(&e);
	idle(&e);
	data(&e);
	alarms(true, 0);
	r = recv(e.fd, block, 10, MSG_WAITALL);
	alarms(false, 0);
	expect(r, 1, 0, "recv: MSG_WAITALL gives a part, when it is interrupted");
	finish(&e);
	/* Also when the signal is not to be noticed. */
	idle(&e);
	data(&e);
	alarms(true, SA_RESTART);
	r = recv(e.fd, block, 10, MSG_WAITALL);
	alarms(false, 0);
	expect(r, 1, 0, "recv: so it does with SA_RESTART");
	finish(&e);
}

/* --- another thread --------------------------------------------------------------------------- */

struct thread {
	const struct blocking *b;
	struct ends e;
	volatile pid_t tid;
	volatile bool over;
	long r;
};

static void *blocks(void *arg)
{
	struct thread *t = arg;

	t->tid = gettid();
	t->r = t->b->call(&t->e);
	t->over = true;
	return NULL;
}

static bool sleeps(const struct thread *t)
{
	return t->tid && is_asleep(t->tid);
}

static pthread_t begin(struct thread *t)
{
	pthread_t thread;

	t->b->begin(&t->e);
	must(pthread_create(&thread, NULL, blocks, t) == 0);
	must(until(sleeps(t)));
	close(t->e.fd);
	return thread;
}

/* The descriptor is gone; the call has the socket still, and ends as it would have. Then it is closed. */
static void test_close(const struct blocking *b)
{
	struct thread t = { .b = b };
	pthread_t thread = begin(&t);
	char name[100], c;
	int fd;

	usleep(50000);
	snprintf(name, sizeof(name), "%s: close() in another thread does not end it", b->name);
	ktap(!t.over, name);
	if (b->go_on)
		b->go_on(&t.e);
	pthread_join(thread, NULL);
	snprintf(name, sizeof(name), "%s: which goes on to its end", b->name);
	ktap(t.r == 1, name);
	if (b->call == do_accept) {
		fd = new_socket();
		expect(connect(fd, SA(t.e.to), sizeof(t.e.to)), -1, ECONNREFUSED, "accept: and listens no more");
		close(fd);
	} else if (b->call == do_connect) {
		fd = accept(t.e.other, NULL, NULL);
		expect(recv(fd, &c, 1, 0), 0, 0, "connect: and the connection ends");
		close(fd);
	}
	if (t.e.other >= 0)
		close(t.e.other);
}

/* Who waits for news of a socket has it too; but epoll, which forgets what is closed. */
static void test_close_and_wait(const struct blocking *b)
{
	struct thread t = { .b = b };
	bool epoll = b->call == do_epoll;
	pthread_t thread;
	char name[100], c;

	patience = 500;
	thread = begin(&t);
	usleep(50000);
	snprintf(name, sizeof(name), "%s: close() in another thread does not end it", b->name);
	ktap(!t.over, name);
	snprintf(name, sizeof(name), epoll ? "%s: it closes the connection" : "%s: nor the connection", b->name);
	if (epoll) {
		expect(recv(t.e.other, &c, 1, 0), 0, 0, name);
		must(send(t.e.other, &c, 1, MSG_NOSIGNAL) == 1);
	} else {
		expect(recv(t.e.other, &c, 1, MSG_DONTWAIT), -1, EAGAIN, name);
		data(&t.e);
	}
	pthread_join(thread, NULL);
	snprintf(name, sizeof(name), epoll ? "%s: and there is no news of it" : "%s: which hears of data", b->name);
	ktap(t.r == !epoll, name);
	if (!epoll) {
		/* Nobody has read the data. */
		snprintf(name, sizeof(name), "%s: then it is closed", b->name);
		expect(recv(t.e.other, &c, 1, 0), -1, ECONNRESET, name);
	}
	close(t.e.other);
}

static void job(int i)
{
	if (i == ARRAY_SIZE(blocking)) {
		test_never();
		test_parts();
		for (size_t j = 0; j < ARRAY_SIZE(never); j++)
			test_close_and_wait(&never[j]);
	} else {
		test_blocking(&blocking[i]);
		test_close(&blocking[i]);
	}
}

int main(void)
{
	ktap_begin();
	/* Most of it is waiting; and a path that takes its time is a namespace's. */
	at_once(ARRAY_SIZE(blocking) + 1, job);
	return ktap_end();
}
