// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD library of tools/rusttcp-log: AF_RUSTTCP sockets keep a log (RUSTTCP_LOG),
 * which is written to $RUSTTCP_LOG_DIR/PID-FD-N.log when the socket is closed, shut for
 * good by exit(), or accepted ones of them. Other sockets refuse the option and are left
 * alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rusttcp.h>

#define MAX_FD	65536
#define CHUNK	1024

enum { NONE, LOGGED, LISTENS };

static int (*real_socket)(int domain, int type, int protocol);
static int (*real_listen)(int fd, int backlog);
static int (*real_accept)(int fd, struct sockaddr *addr, socklen_t *len);
static int (*real_accept4)(int fd, struct sockaddr *addr, socklen_t *len, int flags);
static int (*real_close)(int fd);
static struct rusttcp_log order = { .kinds = RUSTTCP_LOG_EVENTS, .records = 1 << 16 };
static const char *dir;
static _Atomic char marks[MAX_FD];
static atomic_int serial;

__attribute__((constructor)) static void init(void)
{
	const char *kinds = getenv("RUSTTCP_LOG_KINDS");
	const char *records = getenv("RUSTTCP_LOG_RECORDS");

	real_socket = dlsym(RTLD_NEXT, "socket");
	real_listen = dlsym(RTLD_NEXT, "listen");
	real_accept = dlsym(RTLD_NEXT, "accept");
	real_accept4 = dlsym(RTLD_NEXT, "accept4");
	real_close = dlsym(RTLD_NEXT, "close");
	dir = getenv("RUSTTCP_LOG_DIR");
	if (kinds)
		order.kinds = strtoul(kinds, NULL, 0);
	if (records)
		order.records = strtoul(records, NULL, 0);
}

/* Another library's constructor may come before ours. */
static void ready(void)
{
	if (!real_close)
		init();
}

static void mark(int fd, char what)
{
	if (fd >= 0 && fd < MAX_FD)
		marks[fd] = what;
}

static char marked(int fd)
{
	return fd >= 0 && fd < MAX_FD ? marks[fd] : NONE;
}

/* What is in the log goes to a file of its own. */
static void dump(int fd)
{
	static _Thread_local struct rusttcp_record records[CHUNK];
	char name[4096];
	int out = -1;

	for (;;) {
		socklen_t len = sizeof(records);

		if (getsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, records, &len) || !len)
			break;
		if (out < 0) {
			snprintf(name, sizeof(name), "%s/%d-%d-%d.log", dir ? dir : ".", getpid(),
				 fd, ++serial);
			out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
			if (out < 0) {
				perror(name);
				return;
			}
		}
		if (write(out, records, len) != (ssize_t)len) {
			perror(name);
			break;
		}
	}
	if (out >= 0)
		real_close(out);
}

int socket(int domain, int type, int protocol)
{
	int fd, saved = errno;

	ready();
	fd = real_socket(domain, type, protocol);
	if (fd >= 0 && (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	    setsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, &order, sizeof(order)) == 0)
		mark(fd, LOGGED);
	else
		mark(fd, NONE);
	if (fd >= 0)
		errno = saved;
	return fd;
}

int listen(int fd, int backlog)
{
	ready();
	if (marked(fd))
		mark(fd, LISTENS);
	return real_listen(fd, backlog);
}

int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	int child;

	ready();
	child = real_accept(fd, addr, len);
	mark(child, marked(fd) ? LOGGED : NONE);
	return child;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int child;

	ready();
	child = real_accept4(fd, addr, len, flags);
	mark(child, marked(fd) ? LOGGED : NONE);
	return child;
}

int close(int fd)
{
	int saved = errno;

	ready();
	if (marked(fd) == LOGGED)
		dump(fd);
	mark(fd, NONE);
	errno = saved;
	return real_close(fd);
}

__attribute__((destructor)) static void fini(void)
{
	for (int fd = 0; fd < MAX_FD; fd++)
		if (marks[fd] == LOGGED)
			dump(fd);
}
