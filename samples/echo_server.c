// SPDX-License-Identifier: GPL-2.0
/*
 * A server as the textbooks have it: socket, bind, listen, then accept and a process for
 * each connection. The one thing that differs from the textbook is the family.
 *
 *   echo_server [PORT]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
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

static void echo(int fd)
{
	char buf[4096];
	ssize_t n;

	/* A stream has no messages: read what is there, write all of it back. */
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(fd, buf + done, n - done);

			if (w < 0)
				die("write");
			done += w;
		}
	}
	/* 0 is the peer's FIN: it is done sending, and so are we. */
	if (n < 0)
		die("read");
}

int main(int argc, char **argv)
{
	/* Every address, of IPv6 and of IPv4: a socket of RUSTTCP_IPV6 takes both, unless IPV6_V6ONLY is set. */
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_ANY_INIT,
		.sin6_port = htons(argc > 1 ? atoi(argv[1]) : 7007),
	};
	int one = 1;
	int listener = socket(AF_RUSTTCP, SOCK_STREAM, RUSTTCP_IPV6);

	if (listener < 0)
		die("socket(AF_RUSTTCP)");
	/* Connections of a server that ran before may still be in TIME-WAIT. */
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("SO_REUSEADDR");
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	/* From here on the kernel completes handshakes by itself; at most 16 wait for accept(). */
	if (listen(listener, 16))
		die("listen");
	signal(SIGCHLD, SIG_IGN);
	printf("listening on port %d\n", ntohs(addr.sin6_port));
	fflush(stdout);
	for (;;) {
		struct sockaddr_in6 peer;
		char name[INET6_ADDRSTRLEN];
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &len);

		if (fd < 0)
			die("accept");
		if (fork() == 0) {
			close(listener);
			/* A client over IPv4 has an address like ::ffff:192.0.2.1. */
			inet_ntop(AF_INET6, &peer.sin6_addr, name, sizeof(name));
			printf("%s port %d connected\n", name, ntohs(peer.sin6_port));
			fflush(stdout);
			echo(fd);
			_exit(0);
		}
		/* The child has the connection; our copy must go, or it never ends. */
		close(fd);
	}
}
