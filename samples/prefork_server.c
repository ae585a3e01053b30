// SPDX-License-Identifier: GPL-2.0
/*
 * Pre-forked workers: each waits in accept() on the one listener that all have inherited. The
 * kernel wakes one of them for each connection, so that nobody has to dispatch.
 *
 *   prefork_server [PORT [WORKERS]]
 */
#include <sys/wait.h>
#include "sample.h"

static void work(int listener)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		echo(fd);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 7011, 0, 0);
	int workers = argc > 2 ? atoi(argv[2]) : 4;

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			work(listener);
	}
	/* A worker that dies is replaced; the connections of the others are not touched. */
	while (wait(NULL) > 0) {
		if (fork() == 0)
			work(listener);
	}
	return 0;
}
