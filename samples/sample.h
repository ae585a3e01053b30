/* SPDX-License-Identifier: GPL-2.0 */
/* What every server here begins with; echo_server.c has it spelled out, step by step. */
#ifndef SAMPLE_H
#define SAMPLE_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rusttcp.h>

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

/* A listener at an address of either family. TYPE: SOCK_NONBLOCK or nothing; OPTION: SO_REUSEPORT. */
static inline int listen_at(const struct sockaddr *addr, socklen_t len, int type, int option)
{
	int one = 1;
	int fd = socket(AF_RUSTTCP, SOCK_STREAM | type, addr->sa_family == AF_INET6 ? RUSTTCP_IPV6 : RUSTTCP_IPV4);

	if (fd < 0)
		die("socket(AF_RUSTTCP)");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("SO_REUSEADDR");
	if (option && setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)))
		die("setsockopt");
	if (bind(fd, addr, len))
		die("bind");
	if (listen(fd, 128))
		die("listen");
	return fd;
}

/* A listener on PORT of every address, of IPv6 and of IPv4, whose clients have addresses like ::ffff:192.0.2.1. */
static inline int listen_on(int port, int type, int option)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_ANY_INIT,
		.sin6_port = htons(port),
	};

	return listen_at((struct sockaddr *)&addr, sizeof(addr), type, option);
}

/* Echoes until the peer is done sending: a blocking socket. */
static inline void echo(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, w; done < n; done += w) {
			w = send(fd, buf + done, n - done, MSG_NOSIGNAL);
			if (w < 0)
				return;
		}
	}
}

#endif
