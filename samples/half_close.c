// SPDX-License-Identifier: GPL-2.0
/*
 * shutdown() in its three forms, both ends in one program, and what each end sees:
 *
 *   SHUT_WR	"I am done sending": a FIN. The other end reads 0 and may still write.
 *   SHUT_RD	"I will not read": nothing on the wire; reading gives 0 from now on.
 *   SHUT_RDWR	both; what is not closed is still a descriptor.
 *
 * And what close() is besides: the end of one descriptor, of which another process may have a copy.
 *
 *   half_close [ADDRESS]
 *
 * ADDRESS is one of this host's: ::1, or over IPv4 ::ffff:127.0.0.1.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include "sample.h"

static const char *address = "::1";
static int failed;

static void expect(const char *what, ssize_t got, ssize_t wanted)
{
	printf("%-60s %zd%s\n", what, got, got == wanted ? "" : "  (unexpected)");
	failed |= got != wanted;
}

/* A connection of two ends. */
static void connect_pair(int end[2])
{
	struct sockaddr_in6 addr;
	socklen_t len = sizeof(addr);
	int listener = listen_on(0, 0, 0);

	getsockname(listener, (struct sockaddr *)&addr, &len);
	if (inet_pton(AF_INET6, address, &addr.sin6_addr) != 1)
		die(address);
	end[0] = socket(AF_RUSTTCP, SOCK_STREAM, RUSTTCP_IPV6);
	if (end[0] < 0 || connect(end[0], (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	end[1] = accept(listener, NULL, NULL);
	if (end[1] < 0)
		die("accept");
	close(listener);
}

static ssize_t say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* A process that has a copy of all that is open, until the descriptor it is given is closed. */
static pid_t share(int *hold)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe(fds))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	close(fds[0]);
	*hold = fds[1];
	return pid;
}

/* What is there to read, or the errno. */
static ssize_t look(int fd)
{
	char buf[64];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

int main(int argc, char **argv)
{
	char buf[64];
	int end[2], hold;
	pid_t other;

	if (argc > 1)
		address = argv[1];
	puts("SHUT_WR: a request with an end, and its answer");
	connect_pair(end);
	expect("A writes its request", say(end[0], "question"), 8);
	expect("A is done sending", shutdown(end[0], SHUT_WR), 0);
	expect("A can't write any more (EPIPE)", say(end[0], "more") < 0 ? errno : 0, EPIPE);
	expect("B reads it", read(end[1], buf, sizeof(buf)), 8);
	expect("B reads the end", read(end[1], buf, sizeof(buf)), 0);
	expect("B writes its answer all the same", say(end[1], "answer"), 6);
	close(end[1]);
	expect("A reads the answer", read(end[0], buf, sizeof(buf)), 6);
	expect("A reads the end", read(end[0], buf, sizeof(buf)), 0);
	close(end[0]);

	puts("SHUT_RD: who does not want to read");
	connect_pair(end);
	expect("A will not read", shutdown(end[0], SHUT_RD), 0);
	expect("A reads the end at once", read(end[0], buf, sizeof(buf)), 0);
	expect("A may still write", say(end[0], "still here"), 10);
	expect("B reads that", read(end[1], buf, sizeof(buf)), 10);
	expect("B was told nothing, and may write", say(end[1], "ignored"), 7);
	close(end[0]);
	close(end[1]);

	puts("SHUT_RDWR: both, with the descriptor still open");
	connect_pair(end);
	expect("A ends both", shutdown(end[0], SHUT_RDWR), 0);
	expect("A reads the end", read(end[0], buf, sizeof(buf)), 0);
	expect("A can't write (EPIPE)", say(end[0], "more") < 0 ? errno : 0, EPIPE);
	expect("B reads the end", read(end[1], buf, sizeof(buf)), 0);
	close(end[1]);
	close(end[0]);

	puts("close(), while another process has a copy of the descriptor");
	connect_pair(end);
	other = share(&hold);
	expect("A closes its own", close(end[0]), 0);
	usleep(50000);
	expect("B was told nothing (EAGAIN)", look(end[1]), -EAGAIN);
	close(hold);
	waitpid(other, NULL, 0);
	expect("B reads the end when the other process has gone", read(end[1], buf, sizeof(buf)), 0);
	close(end[1]);

	puts("shutdown(), while another process has a copy");
	connect_pair(end);
	other = share(&hold);
	expect("A ends the connection, not a descriptor", shutdown(end[0], SHUT_WR), 0);
	expect("B reads the end at once", read(end[1], buf, sizeof(buf)), 0);
	close(hold);
	waitpid(other, NULL, 0);
	close(end[0]);
	close(end[1]);
	return failed;
}
