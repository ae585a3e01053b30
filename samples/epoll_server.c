// SPDX-License-Identifier: GPL-2.0
/*
 * epoll: the kernel keeps the set, and gives only what is ready.
 *
 *   epoll_server [PORT [level|edge]]
 *
 * Level-triggered it tells of a socket for as long as it is ready. Edge-triggered it tells once
 * when a socket becomes ready: whoever was told has to go on until EAGAIN, or waits for ever.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "sample.h"

struct connection {
	int fd;
	ssize_t from, to;
	char buf[4096];
};

static int edge;

/* One read and one write: 1 if something moved, 0 if nothing could (EAGAIN), -1 at the end. */
static int step(struct connection *c)
{
	ssize_t n;

	if (c->from == c->to) {
		n = read(c->fd, c->buf, sizeof(c->buf));
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		c->from = 0;
		c->to = n;
	}
	n = send(c->fd, c->buf + c->from, c->to - c->from, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	c->from += n;
	return 1;
}

static void watch(int set, int how, struct connection *c)
{
	struct epoll_event event = {
		/* Edges of both directions at once; levels only of what is waited for. */
		.events = edge ? EPOLLIN | EPOLLOUT | EPOLLET : c->from == c->to ? EPOLLIN : EPOLLOUT,
		.data.ptr = c,
	};

	if (epoll_ctl(set, how, c->fd, &event))
		die("epoll_ctl");
}

static void take_all(int set, int listener)
{
	int fd;

	/* All that wait, since an edge stands for any number of them. */
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));

		if (!c)
			die("calloc");
		c->fd = fd;
		watch(set, EPOLL_CTL_ADD, c);
	}
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7014, SOCK_NONBLOCK, 0);
	struct epoll_event event = { .events = EPOLLIN }, ready[64];
	int set = epoll_create1(0);

	edge = argc > 2 && !strcmp(argv[2], "edge");
	if (edge)
		event.events |= EPOLLET;
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	for (;;) {
		int n = epoll_wait(set, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			struct connection *c = ready[i].data.ptr;
			int r;

			if (!c) {
				take_all(set, listener);
				continue;
			}
			do
				r = step(c);
			while (edge && r > 0);
			if (r < 0) {
				/* Closing takes it out of the set. */
				close(c->fd);
				free(c);
			} else if (!edge) {
				watch(set, EPOLL_CTL_MOD, c);
			}
		}
	}
}
