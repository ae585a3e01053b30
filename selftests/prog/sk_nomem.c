// SPDX-License-Identifier: GPL-2.0
/*
 * No memory (fault injection: a kernel that has it, as the debug kernel does). The first allocation of a call fails,
 * then the second one, and so on until none is left to fail: the call says so, in the errnos that the kernel's TCP has
 * for it, and the same call works right after. kmemleak looks for what was lost.
 */
#include "common.h"
#include <linux/filter.h>
#include <sys/mount.h>
#include <sys/uio.h>

/* The calls' sockets: of a listener, a connection's two ends, and one that is new. */
static struct endpoint place;
static int listener, ends[2], fresh_fd;
static char data[20000];

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	must(fd >= 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Also what may wait fails, of one page too, and the log is spared. */
static void set_up(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[100];

	must(mount("none", "/sys/kernel/debug", "debugfs", 0, NULL) == 0 || errno == EBUSY);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", kinds[i]);
		write_to(path, "N");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", kinds[i]);
		write_to(path, "0");
	}
	write_to("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_to("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

/* --- calls ------------------------------------------------------------------------------------ */

static long do_socket(void)
{
	fresh_fd = socket(family, SOCK_STREAM, protocol);
	return fresh_fd < 0 ? -1 : 0;
}

static long do_bind(void)
{
	struct endpoint any = at("127.0.0.1", 0);

	return bind(fresh_fd, SA(any), sizeof(any));
}

static long do_listen(void)
{
	return listen(fresh_fd, 5);
}

static long do_connect(void)
{
	return connect(fresh_fd, SA(place), sizeof(place));
}

static long do_accept(void)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static long do_send(void)
{
	return send(ends[0], "x", 1, MSG_DONTWAIT) == 1 ? 0 : -1;
}

static long do_send_much(void)
{
	return send(ends[0], data, sizeof(data), MSG_DONTWAIT) > 0 ? 0 : -1;
}

static long do_send_waiting(void)
{
	return send(ends[0], "x", 1, 0) == 1 ? 0 : -1;
}

static long do_recv(void)
{
	return recv(ends[1], data, sizeof(data), MSG_DONTWAIT) > 0 ? 0 : -1;
}

static long do_filter(void)
{
	struct sock_filter all = { 6 /* BPF_RET | BPF_K */, 0, 0, 0xffff };
	struct sock_fprog program = { 1, &all };

	return setsockopt(fresh_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static long do_key(void)
{
	return setsockopt(fresh_fd, IPPROTO_TCP, TCP_FASTOPEN_KEY, "0123456789abcdef", 16);
}

static long do_shutdown(void)
{
	return shutdown(ends[0], SHUT_WR);
}

static long do_poll(void)
{
	return poll_for(ends[0], POLLIN | POLLOUT, 0) & POLLOUT ? 0 : -1;
}

/* A new connection for each try. */
static void connected(void)
{
	new_pair(ends);
}

static void with_data(void)
{
	connected();
	must(write(ends[0], data, 3000) == 3000);
	must(until(poll_for(ends[1], POLLIN, 0)));
}

static void somebody_waits(void)
{
	fresh_fd = new_socket();
	must(connect(fresh_fd, SA(place), sizeof(place)) == 0);
	must(poll_for(listener, POLLIN, 5000) == POLLIN);
}

static void unbound(void)
{
	fresh_fd = new_socket();
}

static void bound(void)
{
	unbound();
	must(do_bind() == 0);
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*prepare)(void);
	long (*call)(void);
	/* An errno besides those of no memory that the kernel's TCP has for it. */
	int also;
} calls[] = {
	{ "socket()", nothing, do_socket, ENFILE },
	{ "bind()", unbound, do_bind, EADDRINUSE },
	{ "listen()", bound, do_listen, EADDRINUSE },
	{ "listen() without bind()", unbound, do_listen, EADDRINUSE },
	{ "connect()", unbound, do_connect, EADDRNOTAVAIL },
	{ "connect() after bind()", bound, do_connect, EADDRNOTAVAIL },
	{ "accept()", somebody_waits, do_accept, ENFILE },
	{ "send() of a byte", connected, do_send, EAGAIN },
	{ "send() of more", connected, do_send_much, EAGAIN },
	{ "send(), waiting", connected, do_send_waiting, 0 },
	{ "recv()", with_data, do_recv, 0 },
	{ "SO_ATTACH_FILTER", unbound, do_filter, 0 },
	{ "TCP_FASTOPEN_KEY", unbound, do_key, 0 },
	{ "shutdown()", connected, do_shutdown, 0 },
	{ "poll()", connected, do_poll, 0 },
};

static void close_all(void)
{
	int *all[] = { &ends[0], &ends[1], &fresh_fd };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
	/* Who was not accepted. */
	for (int fd; fcntl(listener, F_SETFL, O_NONBLOCK) == 0 && (fd = accept(listener, NULL, NULL)) >= 0;)
		close(fd);
}

/* The call, whose allocation number @nth fails; tells whether there was one. */
static bool faulty(int fault, int nth, long (*call)(void), long *r, int *error)
{
	char text[12] = "";

	snprintf(text, sizeof(text), "%d", nth);
	must(pwrite(fault, text, strlen(text), 0) == (ssize_t)strlen(text));
	errno = 0;
	*r = call();
	*error = errno;
	memset(text, 0, sizeof(text));
	/* What copies to and from here may fail as well, and then it is what failed. */
	if (pread(fault, text, sizeof(text) - 1, 0) < 0) {
		must(errno == EFAULT);
		text[0] = '1';
	}
	while (pwrite(fault, "0", 1, 0) != 1)
		must(errno == EFAULT);
	return atoi(text) == 0;
}

static void try_all(int fault, size_t which)
{
	int faults = 0, failures_of = 0, strange = 0, stuck = 0;
	char name[100];

	for (int nth = 1; nth < 500; nth++) {
		bool ended;
		long r;
		int e;

		calls[which].prepare();
		ended = !faulty(fault, nth, calls[which].call, &r, &e);
		if (ended) {
			close_all();
			break;
		}
		faults++;
		failures_of += r < 0;
		if (r < 0 && e != ENOMEM && e != ENOBUFS && e != EFAULT && e != calls[which].also) {
			printf("# %s, allocation %d: %s\n", calls[which].name, nth, strerror(e));
			strange++;
		}
		/* With memory it works, on the same socket. */
		if (r < 0 && calls[which].call() < 0) {
			printf("# %s, allocation %d: again: %s\n", calls[which].name, nth, strerror(errno));
			stuck++;
		}
		close_all();
	}
	snprintf(name, sizeof(name), "%s: in errnos that are known", calls[which].name);
	ktap(!strange, name);
	snprintf(name, sizeof(name), "%s: works right after", calls[which].name);
	ktap(!stuck, name);
	printf("# %s: %d allocations, of which %d were told\n", calls[which].name, faults, failures_of);
}

int main(void)
{
	int fault;

	ktap_begin();
	own_namespace();
	must(system("ip link set lo up") == 0);
	set_up();
	fault = open("/proc/thread-self/fail-nth", O_RDWR);
	must(fault >= 0);
	listener = new_listener(50, &place);
	ends[0] = ends[1] = fresh_fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		try_all(fault, i);
	return ktap_end();
}
