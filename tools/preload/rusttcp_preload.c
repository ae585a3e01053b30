// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD library of tools/rusttcp-run: turns a program's AF_INET and AF_INET6 stream
 * sockets into AF_RUSTTCP ones, whether they are made by socket() or by syscall(). Other
 * sockets are left alone, and so is what the C library does inside of its own calls
 * (getaddrinfo()). Addresses need no change: the family reads and writes plain
 * sockaddr_in and sockaddr_in6. A program that asks a socket for its family is told the
 * one that it asked for.
 *
 * Where the module is missing, or the program may not use the family, one line says so (one for
 * the program and the children that inherit its environment), and the kernel's TCP serves.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/rusttcp.h>

/* Ends with 1 once the line was said. Part of the environment: children see it. */
static char told[32] = "RUSTTCP_RUN_TOLD=0";
static char *const was_told = told + sizeof("RUSTTCP_RUN_TOLD=") - 1;

static int (*real_socket)(int domain, int type, int protocol);
static int (*real_getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
static long (*real_syscall)(long number, ...);
static int family = AF_RUSTTCP;

/*
 * Another library's constructor may come before ours, and its allocator (jemalloc, as redis has it)
 * makes system calls while it holds its lock: here nothing may allocate.
 */
static void ready(void)
{
	const char *number;

	if (real_socket)
		return;
	number = getenv("RUSTTCP_FAMILY_NUMBER");
	real_syscall = dlsym(RTLD_NEXT, "syscall");
	real_getsockopt = dlsym(RTLD_NEXT, "getsockopt");
	if (number && atoi(number) > 0)
		family = atoi(number);
	real_socket = dlsym(RTLD_NEXT, "socket");
}

__attribute__((constructor)) static void init(void)
{
	const char *said = getenv("RUSTTCP_RUN_TOLD");

	ready();
	if (said && *said == '1')
		*was_told = '1';
	putenv(told);
}

/* Calls nothing that a signal handler, or a child of a program with threads, may not call. */
static void tell(bool missing)
{
	static const char not_there[] =
		"rusttcp-run: AF_RUSTTCP is not there (insmod rusttcp.ko); using the kernel's TCP\n";
	static const char refused[] =
		"rusttcp-run: AF_RUSTTCP is not allowed here; using the kernel's TCP\n";
	static atomic_flag once = ATOMIC_FLAG_INIT;
	ssize_t r;

	if (atomic_flag_test_and_set(&once) || *was_told == '1')
		return;
	r = missing ? write(STDERR_FILENO, not_there, sizeof(not_there) - 1) :
		      write(STDERR_FILENO, refused, sizeof(refused) - 1);
	(void)r;
	*was_told = '1';
}

/* Whether a socket of ours serves for it. */
static bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

static int make(int domain, int type, int protocol)
{
	/* Each time that a family is asked for that is not there the kernel starts a modprobe. */
	static atomic_bool gone;
	int fd, saved = errno;

	ready();
	if (!is_tcp(domain, type, protocol) || atomic_load(&gone))
		return real_socket(domain, type, protocol);
	fd = real_socket(family, type, domain == AF_INET ? RUSTTCP_IPV4 : RUSTTCP_IPV6);
	/* What a filter or a security module says to what it does not know is no reason to fail. */
	if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EACCES && errno != EPERM))
		return fd;
	bool missing = errno == EAFNOSUPPORT;

	fd = real_socket(domain, type, protocol);
	if (fd >= 0) {
		/* A host without IPv6 has no such socket of either. */
		if (missing)
			atomic_store(&gone, true);
		tell(missing);
		errno = saved;
	}
	return fd;
}

/* A socket of ours that is asked for its family: what its addresses are of. */
static void translate(int fd, int level, int name, void *value, const socklen_t *len)
{
	struct sockaddr_storage addr;
	socklen_t addr_len = sizeof(addr);
	int domain;

	if (level != SOL_SOCKET || name != SO_DOMAIN || *len < sizeof(domain))
		return;
	memcpy(&domain, value, sizeof(domain));
	if (domain != family)
		return;
	domain = AF_INET;
	if (getsockname(fd, (struct sockaddr *)&addr, &addr_len) == 0 && addr.ss_family == AF_INET6)
		domain = AF_INET6;
	memcpy(value, &domain, sizeof(domain));
}

int socket(int domain, int type, int protocol)
{
	return make(domain, type, protocol);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r;

	ready();
	r = real_getsockopt(fd, level, name, value, len);
	if (!r)
		translate(fd, level, name, value, len);
	return r;
}

long syscall(long number, ...)
{
	va_list args;
	long a[6], r;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	ready();
	if (number == SYS_socket)
		return make((int)a[0], (int)a[1], (int)a[2]);
	r = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (!r && number == SYS_getsockopt)
		translate((int)a[0], (int)a[1], (int)a[2], (void *)a[3], (socklen_t *)a[4]);
	return r;
}
