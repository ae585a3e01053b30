// SPDX-License-Identifier: GPL-2.0
/*
 * One server at several addresses and ports: a listener for each, and one poll() that tells which of them
 * has somebody waiting. (select() and epoll do as well.) A thread serves each connection.
 *
 *   address_server ADDRESS PORT [ADDRESS PORT]...
 */
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include "sample.h"

#define MOST 64

static void *serve(void *arg)
{
	int fd = (intptr_t)arg;

	echo(fd);
	close(fd);
	return NULL;
}

static void take(int listener)
{
	int fd = accept(listener, NULL, NULL);
	pthread_t thread;

	/* The client may have gone again since poll(): the listener is non-blocking, and this is not waited for. */
	if (fd < 0)
		return;
	if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
		close(fd);
	else
		pthread_detach(thread);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *addr;
	struct pollfd polled[MOST];
	int n = 0;

	for (int i = 1; i + 1 < argc && n < MOST; i += 2) {
		if (getaddrinfo(argv[i], argv[i + 1], &hints, &addr)) {
			fprintf(stderr, "address_server: %s port %s?\n", argv[i], argv[i + 1]);
			return 2;
		}
		polled[n].fd = listen_at(addr->ai_addr, addr->ai_addrlen, SOCK_NONBLOCK, 0);
		polled[n++].events = POLLIN;
		freeaddrinfo(addr);
	}
	if (!n) {
		fprintf(stderr, "usage: address_server ADDRESS PORT [ADDRESS PORT]...\n");
		return 2;
	}
	for (;;) {
		if (poll(polled, n, -1) < 0)
			die("poll");
		for (int i = 0; i < n; i++)
			if (polled[i].revents)
				take(polled[i].fd);
	}
}
