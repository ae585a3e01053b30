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
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(argc > 1 ? atoi(argv[1]) : 7007),
	};
	int one = 1;
	int listener = socket(AF_RUSTTCP, SOCK_STREAM, RUSTTCP_IPV4);

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
	printf("listening on port %d\n", ntohs(addr.sin_port));
	fflush(stdout);
	for (;;) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int fd = accept(listener, (struct sockaddr *)&peer, &len);

		if (fd < 0)
			die("accept");
		if (fork() == 0) {
			close(listener);
			printf("%s:%d connected\n", inet_ntoa(peer.sin_addr), ntohs(peer.sin_port));
			fflush(stdout);
			echo(fd);
			_exit(0);
		}
		/* The child has the connection; our copy must go, or it never ends. */
		close(fd);
	}
}
