// SPDX-License-Identifier: GPL-2.0
/*
 * select(): the oldest way to wait for many. Three sets of descriptors below FD_SETSIZE (1024), which
 * the call changes, so that they are copied before each one.
 *
 *   select_server [PORT]
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <sys/select.h>
#include "sample.h"

/* What was read and not yet written back. */
static struct {
	char buf[4096];
	ssize_t from, to;
} state[FD_SETSIZE];

/* One step of a connection that can go on; 0 when it is over. */
static int go_on(int fd, fd_set *readers, fd_set *writers)
{
	ssize_t n;

	if (state[fd].from == state[fd].to) {
		n = read(fd, state[fd].buf, sizeof(state[fd].buf));
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		state[fd].from = 0;
		state[fd].to = n;
	}
	n = send(fd, state[fd].buf + state[fd].from, state[fd].to - state[fd].from, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		return 0;
	if (n > 0)
		state[fd].from += n;
	/* Either there is something to write, or something is to be read. */
	if (state[fd].from == state[fd].to) {
		FD_SET(fd, readers);
		FD_CLR(fd, writers);
	} else {
		FD_SET(fd, writers);
		FD_CLR(fd, readers);
	}
	return 1;
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7013, SOCK_NONBLOCK, 0);
	fd_set readers, writers;
	int top = listener;

	FD_ZERO(&readers);
	FD_ZERO(&writers);
	FD_SET(listener, &readers);
	for (;;) {
		fd_set r = readers, w = writers;

		if (select(top + 1, &r, &w, NULL, NULL) < 0)
			die("select");
		for (int fd = 0; fd <= top; fd++) {
			if (fd == listener || !(FD_ISSET(fd, &r) || FD_ISSET(fd, &w)))
				continue;
			if (!go_on(fd, &readers, &writers)) {
				FD_CLR(fd, &readers);
				FD_CLR(fd, &writers);
				close(fd);
			}
		}
		if (FD_ISSET(listener, &r)) {
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

			if (fd >= FD_SETSIZE) {
				/* select() can't name it. */
				close(fd);
			} else if (fd >= 0) {
				state[fd].from = state[fd].to = 0;
				FD_SET(fd, &readers);
				top = fd > top ? fd : top;
			}
		}
	}
}
