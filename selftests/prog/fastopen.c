// SPDX-License-Identifier: GPL-2.0
/*
 * fastopen server FAMILY ADDR PORT QLEN COUNT: answers COUNT connections, each line in upper case;
 *	says for each whether there was data on its SYN.
 * fastopen client FAMILY ADDR PORT COUNT: one connection after the other with MSG_FASTOPEN; says for
 *	each whether data on the SYN was acknowledged, and checks the answer.
 */
#include "common.h"
#include <ctype.h>

#define SYN_DATA 32	/* TCPI_OPT_SYN_DATA */

static void say(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	puts(info.tcpi_options & SYN_DATA ? "data" : "plain");
	fflush(stdout);
}

/* A line, in upper case. */
static size_t line(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (!len || text[len - 1] != '\n') {
		ssize_t n = recv(fd, text + len, room - len, 0);

		must(n > 0);
		len += n;
	}
	for (size_t i = 0; i < len; i++)
		text[i] = toupper(text[i]);
	return len;
}

static void serve(struct endpoint sin, int qlen, int count)
{
	int listener = new_socket(), one = 1;
	char text[100];

	must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(bind(listener, SA(sin), sizeof(sin)) == 0);
	must(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &qlen, sizeof(qlen)) == 0);
	must(listen(listener, 16) == 0);
	while (count--) {
		int fd = accept(listener, NULL, NULL);
		size_t len;

		must(fd >= 0);
		len = line(fd, text, sizeof(text));
		say(fd);
		must(send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len);
		close(fd);
	}
}

static void ask(struct endpoint sin, int count)
{
	char text[32], want[32], got[100];

	for (int i = 0; i < count; i++) {
		int fd = new_socket(), len = snprintf(text, sizeof(text), "hello number %d\n", i);
		ssize_t sent = sendto(fd, text, len, MSG_FASTOPEN | MSG_NOSIGNAL, SA(sin), sizeof(sin));

		must(sent >= 0);
		must(sent == len || send(fd, text + sent, len - sent, MSG_NOSIGNAL) == len - sent);
		snprintf(want, sizeof(want), "HELLO NUMBER %d\n", i);
		must(line(fd, got, sizeof(got)) == (size_t)len && !memcmp(got, want, len));
		say(fd);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	bool server = argc == 7 && !strcmp(argv[1], "server");

	if (!server && (argc != 6 || strcmp(argv[1], "client"))) {
		fprintf(stderr, "usage: fastopen server|client FAMILY ADDR PORT [QLEN] COUNT\n");
		return 2;
	}
	choose_family(argv[2]);
	if (server)
		serve(at(argv[3], atoi(argv[4])), atoi(argv[5]), atoi(argv[6]));
	else
		ask(at(argv[3], atoi(argv[4])), atoi(argv[5]));
	return 0;
}
