/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs share: the family under test, KTAP output, sockets on
 * loopback. Every program runs on either stack, over IPv4 and IPv6 (RUSTTCP_FAMILY=inet,
 * rusttcp, inet6 or rusttcp6), so that the kernel's TCP is the oracle for each expectation.
 */
#ifndef RUSTTCP_TEST_COMMON_H
#define RUSTTCP_TEST_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
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
/* What socket() takes with it. */
static int protocol;
/* Sockets and addresses are of IPv6. */
static bool v6;
static int tests, failures;

/* Whether the stack under test is the kernel's. */
static inline bool is_kernels(void)
{
	return family == AF_INET || family == AF_INET6;
}

static inline void choose_family(const char *name)
{
	v6 = name && strchr(name, '6');
	protocol = 0;
	if (!name || !strcmp(name, "inet")) {
		family = AF_INET;
	} else if (!strcmp(name, "inet6")) {
		family = AF_INET6;
	} else if (!strcmp(name, "rusttcp") || !strcmp(name, "rusttcp6")) {
		FILE *f = fopen("/sys/module/rusttcp/parameters/family", "r");

		family = AF_RUSTTCP;
		if (f) {
			if (fscanf(f, "%d", &family) != 1)
				family = AF_RUSTTCP;
			fclose(f);
		}
		protocol = v6 ? RUSTTCP_IPV6 : RUSTTCP_IPV4;
	} else {
		fprintf(stderr, "unknown family %s\n", name);
		exit(2);
	}
}

/* From here on a network namespace of the process's own, whose loopback is up. */
static inline void own_namespace(void);

/* In the namespace that there is. */
static inline void ktap_begin_here(void)
{
	choose_family(getenv("RUSTTCP_FAMILY"));
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	printf("KTAP version 1\n");
}

/* In a namespace of its own: other tests run at the same time. */
static inline void ktap_begin(void)
{
	ktap_begin_here();
	own_namespace();
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
	int fd = socket(family, SOCK_STREAM, protocol);

	must(fd >= 0);
	return fd;
}

/*
 * An address of the family under test. Family and port are in the same place for both, and the
 * kernel takes an IPv4 address that has more room than it needs.
 */
struct endpoint {
	union {
		struct {
			sa_family_t sin_family;
			in_port_t sin_port;
			struct in_addr sin_addr;
		};
		struct sockaddr_in6 in6;
	};
};

/* What the kernel says the length of an address is. */
static inline socklen_t addr_len(void)
{
	return v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* The IPv6 address that stands for one of IPv4 in the tests. */
static inline const char *v6_of(const char *addr)
{
	static const char *const pairs[][2] = {
		{ "127.0.0.1", "::1" },
		{ "0.0.0.0", "::" },
		{ "192.0.2.1", "2001:db8::1" },
		{ "192.0.2.9", "2001:db8::9" },
		{ "192.0.2.99", "2001:db8::99" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!strcmp(addr, pairs[i][0]))
			return pairs[i][1];
	return addr;
}

static inline struct endpoint at(const char *addr, int port)
{
	struct endpoint sin = {
		.sin_family = v6 ? AF_INET6 : AF_INET,
		.sin_port = htons(port),
	};
	const char *device = strchr(addr, '%');
	char bare[64];

	if (device) {
		snprintf(bare, sizeof(bare), "%.*s", (int)(device - addr), addr);
		sin.in6.sin6_scope_id = if_nametoindex(device + 1);
		addr = bare;
	}
	if (v6)
		must(inet_pton(AF_INET6, v6_of(addr), &sin.in6.sin6_addr) == 1);
	else
		must(inet_pton(AF_INET, addr, &sin.sin_addr) == 1);
	return sin;
}

/* Whether two endpoints have the same address and port. */
static inline bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	return a->sin_family == b->sin_family && a->sin_port == b->sin_port &&
	       (v6 ? !memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) :
		     a->sin_addr.s_addr == b->sin_addr.s_addr);
}

/* The file in /proc/net that lists the sockets of the stack under test. */
static inline const char *proc_file(void)
{
	if (is_kernels())
		return v6 ? "/proc/net/tcp6" : "/proc/net/tcp";
	return v6 ? "/proc/net/rusttcp6" : "/proc/net/rusttcp";
}

#define SA(sin) ((struct sockaddr *)&(sin))

static inline struct endpoint local_of(int fd)
{
	struct endpoint sin = { 0 };
	socklen_t len = sizeof(sin);

	must(getsockname(fd, SA(sin), &len) == 0);
	return sin;
}

/* A listener on loopback, any port. */
static inline int new_listener(int backlog, struct endpoint *sin)
{
	int fd = new_socket();

	*sin = at("127.0.0.1", 0);
	must(bind(fd, SA(*sin), sizeof(*sin)) == 0);
	must(listen(fd, backlog) == 0);
	*sin = local_of(fd);
	return fd;
}

/* A listener where it is wanted, though what was there before may be in TIME-WAIT. */
static inline int listener_at(struct endpoint sin, int backlog)
{
	int fd = new_socket(), one = 1;

	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(bind(fd, SA(sin), sizeof(sin)) == 0 && listen(fd, backlog) == 0);
	return fd;
}

/* Two ends of a connection; the listener is closed. */
static inline void new_pair(int fds[2])
{
	struct endpoint sin;
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

/* Whether a process or a thread sleeps. */
static inline bool is_asleep(pid_t who)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", who);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'S';
}

static inline long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/*
 * Whether nothing more can go: the peer says that it has no room, and has acknowledged all there was.
 * (TCP_INFO and its words by their numbers: the C library's header, which lacks tcpi_snd_wnd, is not the
 * one that every program has.)
 */
static inline bool window_is_shut(int fd)
{
	enum { INFO = 11, UNACKED = 24 / 4, SND_WND = 228 / 4 };
	uint32_t info[SND_WND + 1] = { 0 };
	socklen_t len = sizeof(info);

	must(getsockopt(fd, IPPROTO_TCP, INFO, info, &len) == 0 && len == sizeof(info));
	return info[SND_WND] == 0 && info[UNACKED] == 0;
}

/*
 * Fills the socket's buffer and whatever is behind it. POLLOUT alone does not tell: a part of the buffer may
 * be free that is too small for it, and too large for a byte not to go. Nor is it the end at once: what fits
 * the rest of a window that is nearly closed goes when a timer says so, and makes room.
 */
static inline void fill_up(int fd)
{
	static char some[65536];
	long long end = now_ms() + 20000;
	bool shut;

	do {
		shut = window_is_shut(fd);
		while (send(fd, some, sizeof(some), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		must(errno == EAGAIN && now_ms() < end);
		if (!shut)
			usleep(5000);
	} while (!shut);
}

static inline void own_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	must(unshare(CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
}

/*
 * Runs job(0) to job(@n - 1), each in a process and a namespace of its own, all at once; what they
 * print comes in their order. Few lines each: a pipe has to hold them.
 */
static inline void at_once(int n, void (*job)(int i))
{
	int outs[n], fds[2], status;
	pid_t pids[n];
	char line[400];

	fflush(stdout);
	for (int i = 0; i < n; i++) {
		must(pipe(fds) == 0);
		pids[i] = fork();
		must(pids[i] >= 0);
		if (!pids[i]) {
			must(dup2(fds[1], STDOUT_FILENO) >= 0);
			tests = 0;
			failures = 0;
			own_namespace();
			job(i);
			fflush(stdout);
			_exit(0);
		}
		close(fds[1]);
		outs[i] = fds[0];
	}
	for (int i = 0; i < n; i++) {
		FILE *out = fdopen(outs[i], "r");
		int name;

		must(out);
		while (fgets(line, sizeof(line), out)) {
			bool bad = !strncmp(line, "not ok", 6);

			name = 0;
			line[strcspn(line, "\n")] = 0;
			if (sscanf(bad ? line + 4 : line, "ok %*d - %n", &name) == 0 && name)
				ktap(!bad, (bad ? line + 4 : line) + name);
			else
				printf("%s\n", line);
		}
		fclose(out);
		must(waitpid(pids[i], &status, 0) == pids[i]);
		if (status)
			ktap(false, "it ran to its end");
	}
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

/* A counter of the stack under test: lines of names, each with a line of values below. */
static inline long counter(const char *want)
{
	FILE *f = fopen(is_kernels() ? "/proc/net/netstat" : "/proc/net/rusttcp_stat", "r");
	static char names[16384], values[16384];
	char *name, *value, *n, *v;
	long found = -1;

	must(f);
	while (found < 0 && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		name = strtok_r(names, "\n ", &n);
		value = strtok_r(values, "\n ", &v);
		for (; name && value; name = strtok_r(NULL, "\n ", &n), value = strtok_r(NULL, "\n ", &v))
			if (!strcmp(name, want))
				found = atol(value);
	}
	fclose(f);
	must(found >= 0);
	return found;
}

static inline int so_error(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_ERROR);
}

/* Closes with a RST (SO_LINGER of zero). */
static inline void close_hard(int fd)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
	close(fd);
}

/* What ask() returns where it has no privileges: a negated errno, or 0. */
static inline long as_nobody(long (*ask)(void))
{
	pid_t pid = fork();
	int status;

	must(pid >= 0);
	if (!pid) {
		if (setuid(65534))
			_exit(255);
		_exit(-ask());
	}
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return -WEXITSTATUS(status);
}

#endif /* RUSTTCP_TEST_COMMON_H */
