// SPDX-License-Identifier: GPL-2.0
/*
 * The client: socket, connect, write, half-close, read to the end.
 *
 *   echo_client ADDRESS PORT TEXT...
 */
#include <arpa/inet.h>
#include <netinet/in.h>
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
	struct sockaddr_in addr = { .sin_family = AF_INET };
	char buf[4096];
	ssize_t n;
	int fd;

	if (argc < 4 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) {
		fprintf(stderr, "usage: echo_client ADDRESS PORT TEXT...\n");
		return 2;
	}
	addr.sin_port = htons(atoi(argv[2]));
	fd = socket(AF_RUSTTCP, SOCK_STREAM, RUSTTCP_IPV4);
	if (fd < 0)
		die("socket(AF_RUSTTCP)");
	/* The SYN goes out from an ephemeral port; this returns when it is answered. */
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
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
