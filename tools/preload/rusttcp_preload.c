// SPDX-License-Identifier: GPL-2.0
/*
 * LD_PRELOAD library of tools/rusttcp-run: turns a program's AF_INET stream sockets into
 * AF_RUSTTCP ones. Other sockets are left alone; addresses need no change, since the
 * family reads and writes plain sockaddr_in. A program that asks a socket for its
 * family is told AF_INET, as it asked for.
 *
 * Where the module is missing, one line says so and the kernel's TCP serves. AF_INET6
 * stays with the kernel's TCP for as long as the family speaks IPv4 only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rusttcp.h>

static int (*real_socket)(int domain, int type, int protocol);
static int (*real_getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
static int family = AF_RUSTTCP;

__attribute__((constructor)) static void init(void)
{
	const char *number = getenv("RUSTTCP_FAMILY_NUMBER");

	real_socket = dlsym(RTLD_NEXT, "socket");
	real_getsockopt = dlsym(RTLD_NEXT, "getsockopt");
	if (number && atoi(number) > 0)
		family = atoi(number);
}

static int kind_of(int type)
{
	return type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int socket(int domain, int type, int protocol)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	int fd, saved = errno;

	/* Another library's constructor may come before ours. */
	if (!real_socket)
		init();
	if (domain != AF_INET || kind_of(type) != SOCK_STREAM ||
	    (protocol != 0 && protocol != IPPROTO_TCP))
		return real_socket(domain, type, protocol);
	fd = real_socket(family, type, RUSTTCP_IPV4);
	if (fd >= 0 || errno != EAFNOSUPPORT)
		return fd;
	if (!atomic_flag_test_and_set(&told)) {
		static const char line[] =
			"rusttcp-run: AF_RUSTTCP is not there (insmod rusttcp.ko); using the kernel's TCP\n";
		ssize_t r = write(STDERR_FILENO, line, sizeof(line) - 1);

		(void)r;
	}
	errno = saved;
	return real_socket(domain, type, protocol);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r;

	if (!real_getsockopt)
		init();
	r = real_getsockopt(fd, level, name, value, len);
	if (!r && level == SOL_SOCKET && name == SO_DOMAIN && *len >= sizeof(int) &&
	    *(int *)value == family)
		*(int *)value = AF_INET;
	return r;
}
