// SPDX-License-Identifier: GPL-2.0
/*
 * The echo server without a process for each connection: every socket is non-blocking,
 * and one poll() tells which of them can go on.
 *
 *   poll_server [PORT]
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <poll.h>
#include "sample.h"

#define MAX 64

/* What is read and not yet written back; while there is any, nothing more is read. */
struct connection {
	char buf[4096];
	ssize_t from, to;
};

static struct pollfd polled[MAX + 1];
static struct connection connections[MAX + 1];
static int n = 1;

/* One step of a connection; 0 when it is over. */
static int go_on(struct pollfd *p, struct connection *c)
{
	ssize_t r;

	if (c->from == c->to) {
		c->from = 0;
		c->to = read(p->fd, c->buf, sizeof(c->buf));
		if (c->to < 0) {
			c->to = 0;
			return errno == EAGAIN;
		}
		if (c->to == 0)
			return 0;
	}
	r = send(p->fd, c->buf + c->from, c->to - c->from, MSG_NOSIGNAL);
	if (r < 0 && errno != EAGAIN)
		return 0;
	if (r > 0)
		c->from += r;
	/* Wait for room only while something is left: POLLOUT is there nearly always. */
	p->events = c->from == c->to ? POLLIN : POLLOUT;
	return 1;
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7008, SOCK_NONBLOCK, 0);

	polled[0].fd = listener;
	for (;;) {
		/* With the table full, connections wait in the accept queue. */
		polled[0].events = n <= MAX ? POLLIN : 0;
		if (poll(polled, n, -1) < 0)
			die("poll");
		for (int i = n - 1; i > 0; i--) {
			if (!polled[i].revents || go_on(&polled[i], &connections[i]))
				continue;
			close(polled[i].fd);
			/* The last one moves into the gap; it has had its turn. */
			n--;
			polled[i] = polled[n];
			connections[i] = connections[n];
		}
		if (polled[0].revents) {
			int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

			/* The client may have gone again between poll() and here. */
			if (fd < 0)
				continue;
			polled[n].fd = fd;
			polled[n].events = POLLIN;
			polled[n].revents = 0;
			connections[n].from = connections[n].to = 0;
			n++;
		}
	}
}
