// SPDX-License-Identifier: GPL-2.0
/*
 * perf: what bench/ measures with; the same binary for either stack.
 *
 *   perf server FAMILY ADDR PORT             serves one client after the other
 *   perf bulk   FAMILY ADDR PORT SECONDS     prints bytes/s that the server has read
 *   perf rr     FAMILY ADDR PORT SECONDS     prints one-byte request-responses/s
 *   perf crr    FAMILY ADDR PORT COUNT       prints connections/s, one exchange on each
 *
 * The first byte on a connection tells the server which of them it is.
 */
#include "common.h"

static uint8_t block[1 << 17];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* One connection, until its client is done. */
static void serve(int fd)
{
	uint64_t done = 0;
	char kind, c;
	ssize_t r;

	if (recv(fd, &kind, 1, 0) != 1)
		return;
	if (kind == 'b') {
		while ((r = recv(fd, block, sizeof(block), 0)) > 0)
			done += r;
		/* The client stops its clock when it reads this. */
		must(send(fd, &done, sizeof(done), MSG_NOSIGNAL) == sizeof(done));
		return;
	}
	while (recv(fd, &c, 1, 0) == 1)
		if (send(fd, &c, 1, MSG_NOSIGNAL) != 1)
			return;
}

static void server(struct endpoint *sin)
{
	int one = 1, listener = listener_at(*sin, 128);

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		must(fd >= 0);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		serve(fd);
		close(fd);
	}
}

static int open_to(struct endpoint *sin, char kind)
{
	int one = 1, fd = new_socket();

	must(connect(fd, SA(*sin), sizeof(*sin)) == 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	must(send(fd, &kind, 1, MSG_NOSIGNAL) == 1);
	return fd;
}

static void exchange(int fd)
{
	char c = 'x';

	must(send(fd, &c, 1, MSG_NOSIGNAL) == 1);
	must(recv(fd, &c, 1, 0) == 1);
}

int main(int argc, char **argv)
{
	struct endpoint sin;
	double start, end;
	uint64_t n = 0, got = 0;
	int fd;

	if (argc < 5 || (strcmp(argv[1], "server") && argc < 6)) {
		fprintf(stderr, "usage: perf server|bulk|rr|crr FAMILY ADDR PORT [SECONDS|COUNT]\n");
		return 2;
	}
	choose_family(argv[2]);
	sin = at(argv[3], atoi(argv[4]));
	if (!strcmp(argv[1], "server"))
		server(&sin);
	start = now();
	end = start + atof(argv[5]);
	if (!strcmp(argv[1], "bulk")) {
		fd = open_to(&sin, 'b');
		while (now() < end) {
			ssize_t r = send(fd, block, sizeof(block), MSG_NOSIGNAL);

			must(r > 0);
			n += r;
		}
		must(shutdown(fd, SHUT_WR) == 0);
		must(recv(fd, &got, sizeof(got), MSG_WAITALL) == sizeof(got));
		must(got == n);
	} else if (!strcmp(argv[1], "rr")) {
		fd = open_to(&sin, 'r');
		for (; now() < end; n++)
			exchange(fd);
	} else if (!strcmp(argv[1], "crr")) {
		for (uint64_t count = strtoull(argv[5], NULL, 0); n < count; n++) {
			fd = open_to(&sin, 'r');
			exchange(fd);
			close(fd);
		}
	} else {
		return 2;
	}
	printf("%.1f\n", n / (now() - start));
	return 0;
}
