// SPDX-License-Identifier: GPL-2.0
/*
 * One thread listens, and a fixed number of others work: nobody fights for the listener, and a
 * connection costs no thread of its own.
 *
 *   worker_server [PORT [THREADS [worker|event]]]
 *
 * worker: who takes a connection serves it to its end, and an idle one holds a worker. event: the
 * listening thread keeps the idle ones (epoll), and workers get a connection when there is something to
 * read; EPOLLONESHOT lets one worker at a time have it.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include "sample.h"

/* What waits for a worker. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t some, room;
	int fds[256];
	unsigned int put, taken;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER,
	    .room = PTHREAD_COND_INITIALIZER };

static int event, set;

static void put(int fd)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.put - queue.taken == 256)
		pthread_cond_wait(&queue.room, &queue.lock);
	queue.fds[queue.put++ % 256] = fd;
	pthread_cond_signal(&queue.some);
	pthread_mutex_unlock(&queue.lock);
}

static int take(void)
{
	int fd;

	pthread_mutex_lock(&queue.lock);
	while (queue.put == queue.taken)
		pthread_cond_wait(&queue.some, &queue.lock);
	fd = queue.fds[queue.taken++ % 256];
	pthread_cond_signal(&queue.room);
	pthread_mutex_unlock(&queue.lock);
	return fd;
}

/* Gives a connection (back) to the listening thread. */
static void watch(int how, int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = fd };

	if (epoll_ctl(set, how, fd, &e))
		die("epoll_ctl");
}

/* Echoes what is there, and no more. The socket is non-blocking. */
static void echo_part(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, w; done < n; done += w) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			w = send(fd, buf + done, n - done, MSG_NOSIGNAL);
			if (w < 0 && errno == EAGAIN) {
				/* A worker waits for who is slow to read; only idle ones cost nothing. */
				poll(&p, 1, -1);
				w = 0;
			} else if (w < 0) {
				close(fd);
				return;
			}
		}
	}
	if (n < 0 && errno == EAGAIN)
		watch(EPOLL_CTL_MOD, fd);
	else
		close(fd);
}

static void *work(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = take();

		if (event) {
			echo_part(fd);
		} else {
			echo(fd);
			close(fd);
		}
	}
	return NULL;
}

/* The listening thread of the event model. */
static void dispatch(int listener)
{
	struct epoll_event ready[64], e = { .events = EPOLLIN, .data.fd = listener };

	if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &e))
		die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(set, ready, 64, -1), fd;

		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd != listener) {
				put(ready[i].data.fd);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (fd >= 0)
				watch(EPOLL_CTL_ADD, fd);
		}
	}
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 7018, threads = argc > 2 ? atoi(argv[2]) : 4;
	int listener;

	event = argc > 3 && !strcmp(argv[3], "event");
	listener = listen_on(port, event ? SOCK_NONBLOCK : 0, 0);
	set = epoll_create1(0);
	if (set < 0)
		die("epoll_create1");
	for (int i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, NULL))
			die("pthread_create");
	}
	if (event)
		dispatch(listener);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			put(fd);
	}
}
