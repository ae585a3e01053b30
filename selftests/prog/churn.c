// SPDX-License-Identifier: GPL-2.0
/*
 * churn: makes connections over loopback and ends them in every way there is.
 *
 *   churn SERVER-FAMILY CLIENT-FAMILY COUNT PORT
 *
 * One thread plays both sides; the ways take turns. What is left when it exits is what a
 * real program leaves: TIME-WAIT on either side, connections that nobody accepted (at
 * PORT + 1), and (where the caller drops the ACKs that go to PORT + 2) half-open ones.
 */
#include "common.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listener(int domain, int port, int backlog)
{
	struct sockaddr_in a = at("127.0.0.1", port);
	int one = 1;
	int fd = socket(domain, SOCK_STREAM, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, backlog))
		die("listener");
	return fd;
}

static int client(int port)
{
	struct sockaddr_in a = at("127.0.0.1", port);
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect");
	return fd;
}

static void end_with_reset(int fd)
{
	struct linger l = { .l_onoff = 1 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)))
		die("SO_LINGER");
}

static void pass(int from, int to, int count)
{
	static char buf[4000];

	if (send(from, buf, count, MSG_NOSIGNAL) != count)
		die("send");
	if (recv(to, buf, count, MSG_WAITALL) != count)
		die("recv");
}

static void end_of_data(int fd)
{
	char c;

	if (recv(fd, &c, 1, 0) != 0)
		die("end of data");
}

enum way { CLIENT_FIRST, SERVER_FIRST, RESET, UNREAD, HALF_CLOSE, SERVER_RESETS, AT_ONCE, WAYS };

static void one(int listening, int port, enum way way)
{
	int c = client(port);
	int s = accept(listening, NULL, NULL);

	if (s < 0)
		die("accept");
	pass(c, s, 1 + 500 * way);
	pass(s, c, 4000);
	switch (way) {
	case CLIENT_FIRST:
		close(c);
		end_of_data(s);
		close(s);
		break;
	case SERVER_FIRST:
		close(s);
		end_of_data(c);
		close(c);
		break;
	case RESET:
		end_with_reset(c);
		close(c);
		close(s);
		break;
	case SERVER_RESETS:
		end_with_reset(s);
		close(s);
		close(c);
		break;
	case UNREAD:
		if (send(c, "unread", 6, MSG_NOSIGNAL) != 6)
			die("send");
		close(s);
		close(c);
		break;
	case HALF_CLOSE:
		shutdown(c, SHUT_WR);
		end_of_data(s);
		pass(s, c, 1000);
		shutdown(s, SHUT_WR);
		end_of_data(c);
		close(s);
		close(c);
		break;
	default:
		close(c);
		close(s);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: churn SERVER-FAMILY CLIENT-FAMILY COUNT PORT\n");
		return 2;
	}
	int count = atoi(argv[3]), port = atoi(argv[4]);

	choose_family(argv[1]);

	int listening = listener(family, port, 64);

	listener(family, port + 1, 64);
	listener(family, port + 2, 64);
	choose_family(argv[2]);
	for (int i = 0; i < count; i++) {
		/* For nobody: left to the exit, which closes the listeners first. */
		if (i % 20 == 9) {
			client(port + 1);
			continue;
		}
		if (i % 20 == 19) {
			end_with_reset(client(port + 2));
			continue;
		}
		one(listening, port, i % WAYS);
	}
	return 0;
}
