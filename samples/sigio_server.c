// SPDX-License-Identifier: GPL-2.0
/*
 * Signal-driven: the kernel sends a real-time signal when something happens to a socket, and the
 * signal says to which one (F_SETSIG). Signals queue, but not for ever: when there are too many,
 * plain SIGIO comes, and everything has to be looked at.
 *
 *   sigio_server [PORT]
 */
#define _GNU_SOURCE /* accept4, F_SETSIG */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include "sample.h"

#define MOST 1024

/* A connection, and what of its echo had no room yet. */
static struct conn {
	char open;
	int from, to;
	char buf[4096];
} conns[MOST];

static void signals_for(int fd)
{
	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, SIGRTMIN) ||
	    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC))
		die("fcntl");
}

/* Echoes what is there, until nothing more goes in or out; closes at the end. */
static void go_on(int fd)
{
	struct conn *conn = &conns[fd];
	ssize_t n;

	if (!conn->open)
		return; /* A signal of what was closed meanwhile. */
	do {
		while (conn->from < conn->to) {
			n = send(fd, conn->buf + conn->from, conn->to - conn->from, MSG_NOSIGNAL);
			if (n < 0 && errno == EAGAIN)
				return; /* There will be a signal when there is room. */
			if (n < 0)
				goto over;
			conn->from += n;
		}
		n = read(fd, conn->buf, sizeof(conn->buf));
		conn->from = 0;
		conn->to = n;
	} while (n > 0);
	if (n < 0 && errno == EAGAIN)
		return;
over:
	conn->open = 0;
	close(fd);
}

static void take_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= MOST) {
			close(fd);
			continue;
		}
		conns[fd] = (struct conn){ .open = 1 };
		signals_for(fd);
		/* What came before the signals were asked for made none. */
		go_on(fd);
	}
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7015, SOCK_NONBLOCK, 0);
	siginfo_t info;
	sigset_t set;

	/* Blocked and waited for: a handler could do next to nothing. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals_for(listener);
	take_all(listener);
	for (;;) {
		int sig = sigwaitinfo(&set, &info);

		if (sig == SIGRTMIN && info.si_fd != listener) {
			if (info.si_fd < MOST)
				go_on(info.si_fd);
			continue;
		}
		take_all(listener);
		for (int fd = 0; sig == SIGIO && fd < MOST; fd++)
			go_on(fd);
	}
}
