// SPDX-License-Identifier: GPL-2.0
/*
 * A coroutine for each connection: written like the server with a thread for each, one call after the
 * other, but they all run in one thread, and take turns by themselves. Where a call would wait (EAGAIN), the
 * coroutine tells epoll what for and gives up its turn; main() goes on with whoever epoll says can.
 *
 *   coroutine_server [PORT]
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <sys/epoll.h>
#include <ucontext.h>
#include "sample.h"

struct coroutine {
	ucontext_t context;
	int fd, over;
	char stack[32768];
};

static ucontext_t loop;
/* Whose turn it is. */
static struct coroutine *self;
static int set;

/* Gives the turn away until the descriptor is ready. */
static void wait_until(int events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT, .data.ptr = self };

	if (epoll_ctl(set, EPOLL_CTL_MOD, self->fd, &event))
		die("epoll_ctl");
	swapcontext(&self->context, &loop);
}

static ssize_t co_read(void *buf, size_t room)
{
	ssize_t n;

	while ((n = read(self->fd, buf, room)) < 0 && errno == EAGAIN)
		wait_until(EPOLLIN);
	return n;
}

static ssize_t co_write(const void *buf, size_t len)
{
	ssize_t n;

	while ((n = send(self->fd, buf, len, MSG_NOSIGNAL)) < 0 && errno == EAGAIN)
		wait_until(EPOLLOUT);
	return n;
}

/* The server: what one does who knows nothing of the others. */
static void serve(void)
{
	char buf[4096];
	ssize_t n, w;

	while ((n = co_read(buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0; done < n; done += w) {
			w = co_write(buf + done, n - done);
			if (w < 0)
				goto out;
		}
	}
out:
	self->over = 1;
	/* Its context ends: uc_link is where it goes on. */
}

static void turn(struct coroutine *c)
{
	self = c;
	swapcontext(&loop, &c->context);
	if (c->over) {
		close(c->fd);
		free(c);
	}
}

static void begin(int fd)
{
	struct coroutine *c = calloc(1, sizeof(*c));
	struct epoll_event event = { 0 };

	if (!c || getcontext(&c->context) || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event))
		die("coroutine");
	c->fd = fd;
	c->context.uc_stack.ss_sp = c->stack;
	c->context.uc_stack.ss_size = sizeof(c->stack);
	c->context.uc_link = &loop;
	makecontext(&c->context, serve, 0);
	turn(c);
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7019, SOCK_NONBLOCK, 0);
	struct epoll_event event = { .events = EPOLLIN }, ready[64];

	set = epoll_create1(0);
	if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event))
		die("epoll");
	for (;;) {
		int n = epoll_wait(set, ready, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd;

			if (ready[i].data.ptr) {
				turn(ready[i].data.ptr);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (fd >= 0)
				begin(fd);
		}
	}
}
