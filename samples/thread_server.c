// SPDX-License-Identifier: GPL-2.0
/*
 * A thread for each connection: blocking calls, and memory that all share.
 *
 *   thread_server [PORT]
 */
#include <pthread.h>
#include <stdint.h>
#include "sample.h"

static void *serve(void *arg)
{
	int fd = (intptr_t)arg;

	echo(fd);
	/* The last reference: a thread has no copy of its own, as a process would. */
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7012, 0, 0);

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd)) {
			/* Too many already: this one is told so by the end of its connection. */
			close(fd);
			continue;
		}
		pthread_detach(thread);
	}
}
