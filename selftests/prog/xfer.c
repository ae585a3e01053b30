// SPDX-License-Identifier: GPL-2.0
/*
 * xfer: moves a pseudo-random stream and checks every byte.
 *
 *   xfer server FAMILY ADDR PORT BYTES [both]
 *   xfer client FAMILY ADDR PORT BYTES [both]
 *
 * The client sends BYTES to the server (with `both`, each to the other at once), shuts
 * its sending side and waits for the end of the other's. Exit status 0: all arrived.
 */
#include "common.h"
#include <pthread.h>

static uint64_t total;

struct gen {
	uint64_t x;
	uint64_t word;
	int left;
};

static uint8_t next_byte(struct gen *g)
{
	if (!g->left) {
		g->x ^= g->x << 13;
		g->x ^= g->x >> 7;
		g->x ^= g->x << 17;
		g->word = g->x;
		g->left = 8;
	}
	uint8_t b = g->word;

	g->word >>= 8;
	g->left--;
	return b;
}

static int send_stream(int fd, uint64_t seed)
{
	struct gen g = { .x = seed };
	static uint8_t buf[1 << 16];
	uint64_t done = 0;

	while (done < total) {
		size_t n = sizeof(buf) < total - done ? sizeof(buf) : total - done;

		for (size_t i = 0; i < n; i++)
			buf[i] = next_byte(&g);
		for (size_t off = 0; off < n;) {
			ssize_t r = send(fd, buf + off, n - off, MSG_NOSIGNAL);

			if (r < 0) {
				fprintf(stderr, "xfer: send after %llu: %s\n",
					(unsigned long long)(done + off), strerror(errno));
				return 1;
			}
			off += r;
		}
		done += n;
	}
	if (shutdown(fd, SHUT_WR)) {
		perror("xfer: shutdown");
		return 1;
	}
	return 0;
}

static int recv_stream(int fd, uint64_t seed, uint64_t want)
{
	struct gen g = { .x = seed };
	static uint8_t buf[1 << 16];
	uint64_t done = 0;

	for (;;) {
		ssize_t r = recv(fd, buf, sizeof(buf), 0);

		if (r < 0) {
			fprintf(stderr, "xfer: recv after %llu: %s\n",
				(unsigned long long)done, strerror(errno));
			return 1;
		}
		if (!r)
			break;
		for (ssize_t i = 0; i < r; i++) {
			if (buf[i] != next_byte(&g)) {
				fprintf(stderr, "xfer: wrong byte at %llu\n",
					(unsigned long long)(done + i));
				return 1;
			}
		}
		done += r;
	}
	if (done != want) {
		fprintf(stderr, "xfer: got %llu of %llu bytes\n", (unsigned long long)done,
			(unsigned long long)want);
		return 1;
	}
	return 0;
}

static int thread_status;
static int thread_fd;
static uint64_t thread_seed;

static void *sender(void *arg)
{
	(void)arg;
	thread_status = send_stream(thread_fd, thread_seed);
	return NULL;
}

int main(int argc, char **argv)
{
	bool server, both;
	int fd, status;
	struct endpoint sin;

	if (argc < 6) {
		fprintf(stderr, "usage: xfer server|client FAMILY ADDR PORT BYTES [both]\n");
		return 2;
	}
	server = !strcmp(argv[1], "server");
	choose_family(argv[2]);
	sin = at(argv[3], atoi(argv[4]));
	total = strtoull(argv[5], NULL, 0);
	both = argc > 6;

	fd = new_socket();
	if (server) {
		int one = 1, listener = fd;

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, SA(sin), sizeof(sin)) || listen(fd, 8)) {
			perror("xfer: bind, listen");
			return 1;
		}
		fd = accept(listener, NULL, NULL);
		if (fd < 0) {
			perror("xfer: accept");
			return 1;
		}
		close(listener);
	} else if (connect(fd, SA(sin), sizeof(sin))) {
		perror("xfer: connect");
		return 1;
	}
	thread_fd = fd;
	thread_seed = server ? 0x1234567 : 0x89abcdef;
	if (both) {
		pthread_t t;

		pthread_create(&t, NULL, sender, NULL);
		status = recv_stream(fd, server ? 0x89abcdef : 0x1234567, total);
		pthread_join(t, NULL);
		status |= thread_status;
	} else if (server) {
		status = recv_stream(fd, 0x89abcdef, total);
		status |= shutdown(fd, SHUT_WR) != 0;
	} else {
		status = send_stream(fd, thread_seed);
		status |= recv_stream(fd, 0x1234567, 0);
	}
	close(fd);
	return status;
}
