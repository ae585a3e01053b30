// SPDX-License-Identifier: GPL-2.0
/* The ways a connection ends, on either stack: FIN, RST, linger, TIME-WAIT. */
#include "common.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

/* How many lines of the stack's /proc file have this pair of ports and this state. */
static int proc_lines(int local, int remote, int state)
{
	FILE *f = fopen(proc_file(), "r");
	char line[512];
	int n = 0;

	must(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		unsigned int lport, rport, st;

		if (sscanf(line, " %*d: %*[^:]:%x %*[^:]:%x %x", &lport, &rport, &st) == 3)
			n += (int)lport == local && (int)rport == remote && (int)st == state;
	}
	fclose(f);
	return n;
}

static int port_of(int fd)
{
	return ntohs(local_of(fd).sin_port);
}

enum { ST_ESTABLISHED = 1, ST_FIN_WAIT1 = 4, ST_FIN_WAIT2 = 5, ST_TIME_WAIT = 6, ST_CLOSE_WAIT = 8, ST_LAST_ACK = 9 };

static void test_half_close(void)
{
	int fds[2];
	char buf[16];

	new_pair(fds);
	int a = port_of(fds[0]), b = port_of(fds[1]);

	ktap(proc_lines(a, b, ST_ESTABLISHED) == 1 && proc_lines(b, a, ST_ESTABLISHED) == 1,
	     "both ends are listed as established");
	expect(shutdown(fds[0], SHUT_WR), 0, 0, "SHUT_WR");
	expect(shutdown(fds[0], SHUT_WR), 0, 0, "SHUT_WR: again");
	expect(recv(fds[1], buf, sizeof(buf), 0), 0, 0, "SHUT_WR: the peer reads the end");
	expect(recv(fds[1], buf, sizeof(buf), 0), 0, 0, "SHUT_WR: the end stays the end");
	ktap(until(proc_lines(a, b, ST_FIN_WAIT2) == 1), "FIN-WAIT-2");
	ktap(proc_lines(b, a, ST_CLOSE_WAIT) == 1, "CLOSE-WAIT");
	expect(send(fds[1], "back", 4, 0), 4, 0, "half-closed: the other way is open");
	expect(recv(fds[0], buf, sizeof(buf), 0), 4, 0, "half-closed: it arrives");
	expect(send(fds[0], "x", 1, MSG_NOSIGNAL), -1, EPIPE, "half-closed: no more sending");
	close(fds[1]);
	expect(recv(fds[0], buf, sizeof(buf), 0), 0, 0, "both ends have ended");
	close(fds[0]);
	ktap(until(proc_lines(a, b, ST_TIME_WAIT) == 1), "TIME-WAIT is with who closed first");
	ktap(until(proc_lines(b, a, ST_LAST_ACK) + proc_lines(b, a, ST_CLOSE_WAIT) == 0) &&
	     proc_lines(b, a, ST_TIME_WAIT) == 0, "and not with the other");
}

static void test_shutdown_read(void)
{
	int fds[2];
	char buf[16];

	new_pair(fds);
	expect(shutdown(fds[0], SHUT_RD), 0, 0, "SHUT_RD");
	expect(recv(fds[0], buf, sizeof(buf), 0), 0, 0, "SHUT_RD: reading ends");
	expect(send(fds[0], "x", 1, MSG_NOSIGNAL), 1, 0, "SHUT_RD: sending does not");
	expect(recv(fds[1], buf, sizeof(buf), 0), 1, 0, "SHUT_RD: what was sent arrives");
	expect(shutdown(fds[0], SHUT_RDWR), 0, 0, "SHUT_RDWR");
	expect(recv(fds[1], buf, sizeof(buf), 0), 0, 0, "SHUT_RDWR: the peer reads the end");
	close(fds[0]);
	close(fds[1]);
}

/* Data before the FIN must not be lost, however soon the close. */
static void test_data_then_close(void)
{
	int fds[2];
	static char out[60000], in[60001];
	size_t done = 0;
	ssize_t r;

	new_pair(fds);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7;
	must(send(fds[0], out, sizeof(out), 0) == sizeof(out));
	close(fds[0]);
	while ((r = recv(fds[1], in + done, sizeof(in) - done, 0)) > 0)
		done += r;
	ktap(r == 0 && done == sizeof(out) && !memcmp(in, out, sizeof(out)),
	     "close: what was sent before still arrives");
	/* The peer is gone: the first write draws its RST, the second sees it. */
	must(send(fds[1], "x", 1, MSG_NOSIGNAL) == 1);
	must(poll_for(fds[1], POLLERR | POLLHUP, 5000) > 0);
	expect(send(fds[1], "x", 1, MSG_NOSIGNAL), -1, EPIPE, "write after the peer's RST");
	close(fds[1]);
}

static void test_reset(void)
{
	int fds[2];
	char c;
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* RFC 1122, 4.2.2.13: unread data at close: a RST, so that the peer learns of it. */
	new_pair(fds);
	must(send(fds[1], "unread", 6, 0) == 6);
	must(poll_for(fds[0], POLLIN, 5000) > 0);
	close(fds[0]);
	expect(recv(fds[1], &c, 1, 0), -1, ECONNRESET, "close with unread data resets");
	expect(recv(fds[1], &c, 1, 0), 0, 0, "after the error is read: the end");
	expect(send(fds[1], &c, 1, MSG_NOSIGNAL), -1, EPIPE, "and no sending");
	close(fds[1]);

	new_pair(fds);
	int a = port_of(fds[0]), b = port_of(fds[1]);

	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(fds[0]);
	must(poll_for(fds[1], POLLIN, 5000) > 0);
	expect(so_error(fds[1]), ECONNRESET, 0, "SO_LINGER 0: close resets, SO_ERROR says so");
	expect(so_error(fds[1]), 0, 0, "SO_ERROR: read once");
	expect(proc_lines(a, b, ST_TIME_WAIT), 0, 0, "SO_LINGER 0: no TIME-WAIT");
	struct endpoint peer;
	socklen_t len = sizeof(peer);

	expect(getpeername(fds[1], SA(peer), &len), -1, ENOTCONN, "getpeername after a reset");
	expect(shutdown(fds[1], SHUT_WR), -1, ENOTCONN, "shutdown after a reset");
	close(fds[1]);

	new_pair(fds);
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(fds[0]);
	must(poll_for(fds[1], POLLIN, 5000) > 0);
	expect(send(fds[1], &c, 1, MSG_NOSIGNAL), -1, ECONNRESET, "write after a reset: ECONNRESET");
	expect(send(fds[1], &c, 1, MSG_NOSIGNAL), -1, EPIPE, "then EPIPE");
	close(fds[1]);

	/* A connection that nobody accepted is reset when its listener goes. */
	struct endpoint sin;
	int l = new_listener(4, &sin), fd = new_socket();

	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	must(poll_for(l, POLLIN, 5000) > 0);
	close(l);
	expect(recv(fd, &c, 1, 0), -1, ECONNRESET, "closing a listener resets what it had queued");
	close(fd);
	fd = new_socket();
	expect(connect(fd, SA(sin), sizeof(sin)), -1, ECONNREFUSED, "and refuses from then on");
	close(fd);
	l = new_listener(4, &sin);
	expect(shutdown(l, SHUT_RD), 0, 0, "shutdown: a listener");
	expect(accept(l, NULL, NULL), -1, EINVAL, "a shut listener does not accept");
	expect(listen(l, 4), 0, 0, "a shut listener can listen again");
	close(l);
}

struct writer {
	int fd, error;
	ssize_t sent;
	atomic_int tid;
};

static atomic_int sigpipes;

static void on_sigpipe(int sig)
{
	(void)sig;
	sigpipes++;
}

static void *write_much(void *arg)
{
	static char much[16 << 20];
	struct writer *w = arg;

	w->tid = syscall(SYS_gettid);
	w->sent = send(w->fd, much, sizeof(much), 0);
	w->error = w->sent < 0 ? errno : 0;
	return NULL;
}

/* Who sleeps for room when the peer resets hears of it: with the error, and without SIGPIPE. */
static void test_reset_of_a_writer(bool full)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct writer w = { .error = 0 };
	static char some[65536];
	pthread_t thread;
	int fds[2];
	char c = 0;

	sigpipes = 0;
	signal(SIGPIPE, on_sigpipe);
	new_pair(fds);
	/* Until both buffers are as good as full. */
	while (full && (send(fds[1], some, sizeof(some), MSG_DONTWAIT) > 0 ||
			poll_for(fds[1], POLLOUT, 300) > 0))
		;
	w.fd = fds[1];
	must(pthread_create(&thread, NULL, write_much, &w) == 0);
	must(until(w.tid && is_asleep(w.tid) && poll_for(fds[1], POLLOUT, 0) == 0));
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(fds[0]);
	pthread_join(thread, NULL);
	/* The next write, if there was room for some of this one. */
	if (w.sent > 0)
		w.error = send(fds[1], &c, 1, MSG_NOSIGNAL) < 0 ? errno : 0;
	ktap(w.error == ECONNRESET, full ? "a reset wakes a writer with full buffers: ECONNRESET" :
	     "a reset wakes a writer: what it has written, and then ECONNRESET");
	expect(sigpipes, 0, 0, "without SIGPIPE");
	expect(send(fds[1], &c, 1, MSG_NOSIGNAL), -1, EPIPE, "and then EPIPE");
	signal(SIGPIPE, SIG_DFL);
	close(fds[1]);
}

static void test_linger(void)
{
	int fds[2];
	char c;
	struct linger wait = { .l_onoff = 1, .l_linger = 5 };
	long long start;

	/* An idle peer's kernel acknowledges at once: close() must not take the 5 s. */
	new_pair(fds);
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) == 0);
	must(send(fds[0], "x", 1, 0) == 1);
	start = now_ms();
	expect(close(fds[0]), 0, 0, "SO_LINGER 5: close of the last descriptor");
	ktap(now_ms() - start < 4000, "SO_LINGER 5: until the FIN is acknowledged");
	close(fds[1]);

	new_pair(fds);
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) == 0);
	must(send(fds[0], "x", 1, 0) == 1);
	start = now_ms();
	pid_t pid = fork();

	if (!pid) {
		close(fds[0]);
		must(recv(fds[1], &c, 1, 0) == 1);
		_exit(recv(fds[1], &c, 1, 0) != 0);
	}
	close(fds[1]);
	expect(close(fds[0]), 0, 0, "SO_LINGER 5: close");
	ktap(now_ms() - start < 4000, "SO_LINGER 5: only as long as it must");
	int status;

	waitpid(pid, &status, 0);
	expect(status, 0, 0, "SO_LINGER 5: the peer got everything");
}

/* After the peer's end of the stream a reset is for who sends: reading goes on to say that it ended. */
static void test_reset_after_the_end(void)
{
	int fds[2], error = 0;
	socklen_t len = sizeof(error);
	char c;

	new_pair(fds);
	close(fds[1]);
	expect(recv(fds[0], &c, 1, 0), 0, 0, "FIN, then RST: the end is read");
	must(send(fds[0], "GET", 3, MSG_NOSIGNAL) == 3);
	must(until(poll_for(fds[0], 0, 0) & POLLERR));
	expect(recv(fds[0], &c, 1, 0), 0, 0, "FIN, then RST: and again");
	expect(recv(fds[0], &c, 1, MSG_PEEK), 0, 0, "FIN, then RST: MSG_PEEK");
	must(getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	expect(error, EPIPE, 0, "FIN, then RST: the error is still there");
	close(fds[0]);
}

/* Who exits waits for nobody: no signal could end that any more. */
static void test_exit_does_not_linger(void)
{
	struct linger wait = { .l_onoff = 1, .l_linger = 3600 };
	long long start = now_ms();
	int fds[2], alone[2], status;
	char data[65536] = "";

	new_pair(fds);
	must(pipe(alone) == 0);
	pid_t pid = fork();

	if (!pid) {
		close(fds[1]);
		/* The last descriptor has to be this one's: the parent's close() would wait. */
		must(read(alone[0], data, 1) == 1);
		must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) == 0);
		while (send(fds[0], data, sizeof(data), MSG_DONTWAIT) > 0)
			;
		_exit(7);
	}
	close(fds[0]);
	must(write(alone[1], "x", 1) == 1);
	close(alone[0]);
	close(alone[1]);
	must(waitpid(pid, &status, 0) == pid);
	ktap(WIFEXITED(status) && WEXITSTATUS(status) == 7 && now_ms() - start < 20000,
	     "SO_LINGER 3600: exit() does not wait");
	close(fds[1]);
}

/* A port that bind() was to choose is as firmly held as any, by connections whose listener is gone too. */
static void test_port_of_a_listener(void)
{
	struct endpoint sin;
	int l = new_listener(4, &sin), c = new_socket(), s, t = new_socket();

	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(l, NULL, NULL);
	must(s >= 0);
	close(l);
	expect(bind(t, SA(sin), sizeof(sin)), -1, EADDRINUSE, "the port of a connection whose listener is gone");
	close(s);
	close(c);
	close(t);
}

static void test_rebind(void)
{
	struct endpoint sin;
	int one = 1, l = new_listener(4, &sin), c = new_socket(), s, again;

	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(l, NULL, NULL);
	must(s >= 0);
	int a = port_of(s), b = port_of(c);
	char x;

	/* The server closes first, so its port has a TIME-WAIT. */
	close(s);
	close(l);
	must(recv(c, &x, 1, 0) == 0);
	close(c);
	ktap(until(proc_lines(a, b, ST_TIME_WAIT) == 1), "the server's port is in TIME-WAIT");
	again = new_socket();
	expect(bind(again, SA(sin), sizeof(sin)), -1, EADDRINUSE, "bind over TIME-WAIT");
	must(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	/* The kernel wants the option on both sockets: the earlier one had it not. */
	close(again);

	l = new_socket();
	must(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	sin = at("127.0.0.1", 0);
	must(bind(l, SA(sin), sizeof(sin)) == 0 && listen(l, 4) == 0);
	sin = local_of(l);
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	s = accept(l, NULL, NULL);
	must(s >= 0);
	again = new_socket();
	must(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	expect(bind(again, SA(sin), sizeof(sin)), -1, EADDRINUSE, "SO_REUSEADDR: not over a listener");
	close(s);
	close(l);
	must(recv(c, &x, 1, 0) == 0);
	close(c);
	expect(bind(again, SA(sin), sizeof(sin)), 0, 0, "SO_REUSEADDR: over TIME-WAIT");
	expect(listen(again, 4), 0, 0, "SO_REUSEADDR: and listen");
	c = new_socket();
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "SO_REUSEADDR: and be connected to");
	close(c);
	close(again);
}

/* A connection of which both ends are closed loses nothing if it is taken away: no ECONNRESET is left. */
static void test_unspec_in_last_ack(void)
{
	struct endpoint none = { .sin_family = AF_UNSPEC };
	int fds[2];
	char c;

	own_namespace();
	new_pair(fds);
	int a = port_of(fds[0]), b = port_of(fds[1]);

	must(shutdown(fds[1], SHUT_WR) == 0 && recv(fds[0], &c, 1, 0) == 0);
	must(until(proc_lines(a, b, ST_CLOSE_WAIT) == 1));
	must(system("tc qdisc add dev lo root netem loss 100%") == 0);
	must(shutdown(fds[0], SHUT_WR) == 0 && proc_lines(a, b, ST_LAST_ACK) == 1);
	expect(connect(fds[0], SA(none), sizeof(none)), 0, 0, "LAST-ACK: connect(AF_UNSPEC)");
	expect(so_error(fds[0]), 0, 0, "LAST-ACK: nothing is lost");
	close(fds[0]);
	close(fds[1]);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/*
 * close() while what was sent can't get through, whether for the peer's window or for the path. It takes what
 * SO_LINGER allows, also where no other call would block, or ends with a signal; either way it has done what it
 * is for, and the connection goes on to its end without it.
 */
static void lingers(const char *name, int seconds, bool path, int flags, bool signal)
{
	struct linger wait = { .l_onoff = 1, .l_linger = seconds };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value = { 0, 300000 } };
	int fds[2], queued, left = 0;
	static char some[65536];
	char text[120];
	long long took;
	ssize_t r;

	new_pair(fds);
	int a = port_of(fds[0]), b = port_of(fds[1]);

	if (path) {
		must(system("tc qdisc add dev lo root netem loss 100%") == 0);
		must(send(fds[0], some, 1000, 0) == 1000);
		queued = 1000;
	} else {
		fill_up(fds[0]);
		must(ioctl(fds[1], FIONREAD, &queued) == 0 && ioctl(fds[0], SIOCOUTQ, &left) == 0);
		queued += left;
	}
	must(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) == 0);
	must(fcntl(fds[0], F_SETFL, flags) == 0 && sigaction(SIGALRM, &sa, NULL) == 0);
	if (signal)
		must(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	took = now_ms();
	snprintf(text, sizeof(text), "%s: close", name);
	expect(close(fds[0]), 0, 0, text);
	took = now_ms() - took;
	snprintf(text, sizeof(text), signal ? "%s: the signal ends it" : "%s: it takes that second", name);
	/* Far from the whole time, on a machine that is busy. */
	ktap(took >= (signal ? 250 : 900) && took < 15000, text);
	if (!(took >= (signal ? 250 : 900) && took < 15000))
		printf("# %lld ms\n", took);
	snprintf(text, sizeof(text), "%s: FIN-WAIT-1 afterwards", name);
	ktap(proc_lines(a, b, ST_FIN_WAIT1) == 1 && proc_lines(b, a, ST_ESTABLISHED) == 1, text);
	if (path)
		must(system("tc qdisc del dev lo root") == 0);
	while ((r = recv(fds[1], some, sizeof(some), 0)) > 0)
		queued -= r;
	snprintf(text, sizeof(text), "%s: and the peer gets everything, and the end", name);
	ktap(r == 0 && queued == 0, text);
	close(fds[1]);
}

static void test_lingers(int i)
{
	switch (i) {
	case 0:
		lingers("SO_LINGER 1, the peer does not read", 1, false, 0, false);
		break;
	case 1:
		lingers("SO_LINGER 1, O_NONBLOCK", 1, false, O_NONBLOCK, false);
		break;
	case 2:
		lingers("SO_LINGER 1, a path that loses all", 1, true, 0, false);
		break;
	default:
		lingers("SO_LINGER 20 and a signal", 20, false, 0, true);
	}
}

int main(void)
{
	ktap_begin();
	test_half_close();
	test_shutdown_read();
	test_data_then_close();
	test_reset();
	test_reset_of_a_writer(false);
	test_reset_of_a_writer(true);
	test_linger();
	test_reset_after_the_end();
	test_exit_does_not_linger();
	test_port_of_a_listener();
	test_rebind();
	test_unspec_in_last_ack();
	/* A path that loses all is a namespace's; and most of it is waiting. */
	at_once(4, test_lingers);
	return ktap_end();
}
