// SPDX-License-Identifier: GPL-2.0
/*
 * The client: socket, connect, write, half-close, read to the end.
 *
 *   echo_client ADDRESS PORT TEXT...
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rusttcp.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *addr;
	char buf[4096];
	ssize_t n;
	int fd;

	if (argc < 4 || getaddrinfo(argv[1], argv[2], &hints, &addr)) {
		fprintf(stderr, "usage: echo_client ADDRESS PORT TEXT...\n");
		return 2;
	}
	/* The family is one for both; what tells IPv6 from IPv4 is the protocol. */
	fd = socket(AF_RUSTTCP, SOCK_STREAM, addr->ai_family == AF_INET6 ? RUSTTCP_IPV6 : RUSTTCP_IPV4);
	if (fd < 0)
		die("socket(AF_RUSTTCP)");
	/* The SYN goes out from an ephemeral port; this returns when it is answered. */
	if (connect(fd, addr->ai_addr, addr->ai_addrlen))
		die("connect");
	for (int i = 3; i < argc; i++)
		dprintf(fd, "%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
	/* FIN: we are done sending, and still read. */
	if (shutdown(fd, SHUT_WR))
		die("shutdown");
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, stdout);
	if (n < 0)
		die("read");
	close(fd);
	return 0;
}
