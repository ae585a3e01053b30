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

static char open_fd[MOST];

static void signals_for(int fd)
{
	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, SIGRTMIN) ||
	    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC))
		die("fcntl");
}

/* Echoes what is there; closes at the end. */
static void go_on(int fd)
{
	char buf[4096];
	ssize_t n;

	if (!open_fd[fd])
		return; /* A signal of what was closed meanwhile. */
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, w; done < n; done += w) {
			w = send(fd, buf + done, n - done, MSG_NOSIGNAL);
			if (w < 0 && errno == EAGAIN)
				w = 0; /* A real server would wait for SIGIO here, too. */
			else if (w < 0)
				break;
		}
	}
	if (n == 0 || errno != EAGAIN) {
		open_fd[fd] = 0;
		close(fd);
	}
}

static void take_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= MOST) {
			close(fd);
			continue;
		}
		open_fd[fd] = 1;
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
