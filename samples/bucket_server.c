// SPDX-License-Identifier: GPL-2.0
/*
 * A listener for each worker on the same port (SO_REUSEPORT): every one has an accept queue of its
 * own, and a connection goes to one of them by a hash of its addresses. Workers share nothing, so
 * none waits for another's lock, and none is woken for another's connection. On SIGTERM each says how
 * many connections it had, and how often it was woken for them.
 *
 *   bucket_server [PORT [WORKERS [lone|pinned]]]
 *
 * lone: one listener for all, to compare. Every connection wakes all workers then, and one gets it.
 * pinned: each worker stays on a CPU of its own, and its listener gets the connections whose SYN comes in
 * there (SO_INCOMING_CPU): what a connection needs is in that CPU's cache, from the device's queue on.
 */
#define _GNU_SOURCE /* ppoll, CPU_SET */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "sample.h"

static volatile sig_atomic_t over;

static void stop(int sig)
{
	(void)sig;
	over = 1;
}

/* How often this process has gone to sleep so far. */
static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void work(int number, int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	long woken = 0, before;
	sigset_t none;
	int count = 0;

	sigemptyset(&none);
	while (!over) {
		int fd, n;

		before = sleeps();
		/* SIGTERM comes here and nowhere else. */
		n = ppoll(&p, 1, NULL, &none);
		woken += sleeps() - before;
		/* The listener is non-blocking: another worker may have been faster. */
		fd = n > 0 ? accept(listener, NULL, NULL) : -1;
		if (fd < 0)
			continue;
		echo(fd);
		close(fd);
		count++;
	}
	printf("worker %d: %d connections, woken %ld times\n", number, count, woken);
	exit(0);
}

int main(int argc, char **argv)
{
	int port = argc > 1 ? atoi(argv[1]) : 7017;
	int workers = argc > 2 ? atoi(argv[2]) : 4;
	int lone = argc > 3 && !strcmp(argv[3], "lone");
	int pinned = argc > 3 && !strcmp(argv[3], "pinned");
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct sigaction action = { .sa_handler = stop };
	sigset_t term, before;
	int listener = -1, cpu;
	pid_t pids[64];

	if (workers < 1 || workers > 64)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &before);
	for (int i = 0; i < workers; i++) {
		/* Its own, made before the fork so that it is there when this loop is over. */
		if (!lone || !i)
			listener = listen_on(port, SOCK_NONBLOCK, SO_REUSEPORT);
		cpu = i % cpus;
		if (pinned && setsockopt(listener, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu)))
			die("SO_INCOMING_CPU");
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] == 0) {
			if (pinned)
				stay_on(cpu);
			work(i, listener);
		}
		if (!lone)
			close(listener);
	}
	while (!over)
		sigsuspend(&before);
	for (int i = 0; i < workers; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	return 0;
}
