// SPDX-License-Identifier: GPL-2.0
/*
 * A listener for each worker on the same port (SO_REUSEPORT): every one has an accept queue of its
 * own, and a connection goes to one of them by a hash of its addresses. Workers share nothing, so
 * none waits for another's lock. On SIGTERM each says how many connections it had.
 *
 *   bucket_server [PORT [WORKERS]]
 */
#include <signal.h>
#include <sys/wait.h>
#include "sample.h"

static volatile sig_atomic_t over;

static void stop(int sig)
{
	(void)sig;
	over = 1;
}

static void work(int number, int listener)
{
	/* Without SA_RESTART: accept() has to come back. */
	struct sigaction action = { .sa_handler = stop };
	int count = 0;

	sigaction(SIGTERM, &action, NULL);
	while (!over) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		echo(fd);
		close(fd);
		count++;
	}
	printf("worker %d: %d connections\n", number, count);
	exit(0);
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 7017;
	int workers = argc > 2 ? atoi(argv[2]) : 4;
	struct sigaction action = { .sa_handler = stop };
	pid_t pids[64];

	if (workers < 1 || workers > 64)
		return 2;
	for (int i = 0; i < workers; i++) {
		/* Its own, made before the fork so that it is there when this loop is over. */
		int listener = listen_on(port, 0, SO_REUSEPORT);

		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] == 0)
			work(i, listener);
		close(listener);
	}
	sigaction(SIGTERM, &action, NULL);
	while (!over)
		pause();
	for (int i = 0; i < workers; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}
