/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs share: the family under test, KTAP output, sockets on
 * loopback. Every program runs on either stack (RUSTTCP_FAMILY=inet or rusttcp), so
 * that the kernel's TCP is the oracle for each expectation.
 */
#ifndef RUSTTCP_TEST_COMMON_H
#define RUSTTCP_TEST_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/sockios.h>
#include <linux/rusttcp.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

static int family = AF_INET;
static int tests, failures;

static inline void choose_family(const char *name)
{
	if (!name || !strcmp(name, "inet")) {
		family = AF_INET;
	} else if (!strcmp(name, "rusttcp")) {
		FILE *f = fopen("/sys/module/rusttcp/parameters/family", "r");

		family = AF_RUSTTCP;
		if (f) {
			if (fscanf(f, "%d", &family) != 1)
				family = AF_RUSTTCP;
			fclose(f);
		}
	} else {
		fprintf(stderr, "unknown family %s\n", name);
		exit(2);
	}
}

static inline void ktap_begin(void)
{
	choose_family(getenv("RUSTTCP_FAMILY"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	printf("KTAP version 1\n");
}

static inline int ktap_end(void)
{
	printf("1..%d\n", tests);
	return failures ? 1 : 0;
}

static inline void ktap(bool ok, const char *name)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, name);
	failures += !ok;
}

/* One test: the result and errno of a call. want_errno 0: the result must be `want`. */
#define expect(call, want, want_errno, name) do {				\
	long r_;								\
	int e_;									\
	errno = 0;								\
	r_ = (long)(call);							\
	e_ = errno;								\
	bool ok_ = (want_errno) ? (r_ == -1 && e_ == (want_errno)) : r_ == (long)(want); \
	if (!ok_)								\
		printf("# %s:%d: got %ld (%s), want %ld (%s)\n", __FILE__,	\
		       __LINE__, r_, r_ < 0 ? strerror(e_) : "-", (long)(want),	\
		       (want_errno) ? strerror(want_errno) : "-");		\
	ktap(ok_, name);							\
} while (0)

/* A step that other tests build on. */
#define must(cond) do {								\
	if (!(cond)) {								\
		printf("Bail out! %s:%d: %s: %s\n", __FILE__, __LINE__, #cond,	\
		       strerror(errno));					\
		exit(1);							\
	}									\
} while (0)

static inline int new_socket(void)
{
	int fd = socket(family, SOCK_STREAM, 0);

	must(fd >= 0);
	return fd;
}

static inline struct sockaddr_in at(const char *addr, int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};

	must(inet_pton(AF_INET, addr, &sin.sin_addr) == 1);
	return sin;
}

#define SA(sin) ((struct sockaddr *)&(sin))

static inline struct sockaddr_in local_of(int fd)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);

	must(getsockname(fd, SA(sin), &len) == 0);
	return sin;
}

/* A listener on loopback, any port. */
static inline int new_listener(int backlog, struct sockaddr_in *sin)
{
	int fd = new_socket();

	*sin = at("127.0.0.1", 0);
	must(bind(fd, SA(*sin), sizeof(*sin)) == 0);
	must(listen(fd, backlog) == 0);
	*sin = local_of(fd);
	return fd;
}

/* Two ends of a connection; the listener is closed. */
static inline void new_pair(int fds[2])
{
	struct sockaddr_in sin;
	int listener = new_listener(1, &sin);

	fds[0] = new_socket();
	must(connect(fds[0], SA(sin), sizeof(sin)) == 0);
	fds[1] = accept(listener, NULL, NULL);
	must(fds[1] >= 0);
	close(listener);
}

static inline int poll_for(int fd, int events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r = poll(&p, 1, ms);

	return r <= 0 ? r : p.revents;
}

/* Waits until `cond` holds, at most five seconds. */
#define until(cond) ({								\
	bool ok_ = false;							\
	for (int i_ = 0; i_ < 5000 && !(ok_ = (cond)); i_++)			\
		usleep(1000);							\
	ok_;									\
})

static inline int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	must(getsockopt(fd, level, name, &value, &len) == 0);
	return value;
}

static inline int so_error(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_ERROR);
}

#endif /* RUSTTCP_TEST_COMMON_H */
