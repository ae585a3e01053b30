/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases of sk_errno need: sockets in one state or another, hosts that are short of something,
 * signals, and each call by itself.
 */
#ifndef RUSTTCP_ERRNO_SETTING_H
#define RUSTTCP_ERRNO_SETTING_H

#include "common.h"
#include <sys/resource.h>

/* Ports that nobody else has: the namespace is our own. */
#define HELD	7501
#define TWICE	7502

static long said(long r)
{
	return r < 0 ? -(long)errno : r;
}

/* What a call says, with its socket closed after it. */
#define LAST(fd, call) ({							\
	long r_ = said(call);							\
										\
	close(fd);								\
	r_;									\
})

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void run(const char *command)
{
	must(system(command) == 0);
}

static void sysctl(const char *name, const char *value)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	f = fopen(path, "w");
	must(f && fputs(value, f) >= 0 && fclose(f) == 0);
}

/* An address that is one thing in IPv4 and its like in IPv6. */
static struct endpoint either(const char *four, const char *six, int port)
{
	return at(v6 ? six : four, port);
}

/* --- sockets in one state or another --------------------------------------------------------- */

static int bound(void)
{
	struct endpoint sin = at("127.0.0.1", 0);
	int fd = new_socket();

	must(bind(fd, SA(sin), sizeof(sin)) == 0);
	return fd;
}

/* One end of a connection. */
static int connected(int *other)
{
	int fds[2];

	new_pair(fds);
	*other = fds[1];
	return fds[0];
}

static long connect_to(int fd, struct endpoint to)
{
	return connect(fd, SA(to), sizeof(to));
}

/* Nobody answers there: a network behind dummy0. */
static struct endpoint nowhere(void)
{
	return at("192.0.2.9", 80);
}

static int under_way(void)
{
	int fd = new_socket();

	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	must(connect_to(fd, nowhere()) == -1 && errno == EINPROGRESS);
	return fd;
}

/* The first end's buffers are full: no ACK makes room any more. */
static int full(int *other)
{
	int fd = connected(other);

	fill_up(fd);
	return fd;
}

/* --- circumstances ---------------------------------------------------------------------------- */

/* More files than the host may have open are open already; that does not bind root. */
static long without_files(long (*ask)(void))
{
	FILE *f = fopen("/proc/sys/fs/file-max", "r+");
	char most[32] = "";
	long r;

	must(f && fgets(most, sizeof(most), f));
	rewind(f);
	must(fputs("1", f) >= 0 && fflush(f) == 0);
	r = as_nobody(ask);
	rewind(f);
	must(fputs(most, f) >= 0 && fclose(f) == 0);
	return r;
}

static struct rlimit descriptors;

static void no_descriptors(void)
{
	int lowest = open("/dev/null", O_RDONLY);
	struct rlimit none;

	must(lowest >= 0);
	close(lowest);
	must(getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
	none = (struct rlimit){ lowest, descriptors.rlim_max };
	must(setrlimit(RLIMIT_NOFILE, &none) == 0);
}

static void descriptors_again(void)
{
	must(setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
}

/* With one port to choose from, which another socket holds. */
static long without_ports(long (*ask)(int fd, struct endpoint *to))
{
	struct endpoint to, held = at("0.0.0.0", HELD);
	int listener = new_listener(1, &to), holder = new_socket(), fd = new_socket();
	char range[32];
	long r;

	must(bind(holder, SA(held), sizeof(held)) == 0);
	snprintf(range, sizeof(range), "%d %d", HELD, HELD);
	sysctl("ip_local_port_range", range);
	r = said(ask(fd, &to));
	sysctl("ip_local_port_range", "32768 60999");
	close(fd);
	close(holder);
	close(listener);
	return r;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal every 50 ms, so that one comes when the call sleeps. */
static void alarms(bool on)
{
	struct timeval tv = { 0, on ? 50000 : 0 };
	struct itimerval it = { tv, tv };
	struct sigaction sa = { .sa_handler = on_alarm };

	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static long interrupted(int fd, long (*call)(int fd))
{
	long r;

	alarms(true);
	r = said(call(fd));
	alarms(false);
	close(fd);
	return r;
}

/* --- calls that need no more than a descriptor ------------------------------------------------ */

static char byte;

static long do_bind(int fd)
{
	struct endpoint sin = at("127.0.0.1", 0);

	return bind(fd, SA(sin), sizeof(sin));
}

static long do_listen(int fd)
{
	return listen(fd, 1);
}

static long do_accept(int fd)
{
	return accept(fd, NULL, NULL);
}

static long do_connect(int fd)
{
	return connect_to(fd, nowhere());
}

static long do_send(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL);
}

static long do_recv(int fd)
{
	return recv(fd, &byte, 1, 0);
}

static long do_shutdown(int fd)
{
	return shutdown(fd, SHUT_RDWR);
}

static long do_getsockopt(int fd)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len);
}

static long do_setsockopt(int fd)
{
	return set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static const struct {
	const char *page;
	long (*call)(int fd);
} calls[] = {
	{ "bind(2)", do_bind }, { "listen(2)", do_listen }, { "accept(2)", do_accept },
	{ "connect(2)", do_connect }, { "send(2)", do_send }, { "recv(2)", do_recv },
	{ "shutdown(2)", do_shutdown }, { "getsockopt(2)", do_getsockopt },
	{ "setsockopt(2)", do_setsockopt },
};

static long of_closed(long (*call)(int fd))
{
	int fd = new_socket();

	close(fd);
	return said(call(fd));
}

static long of_file(long (*call)(int fd))
{
	int fd = open("/dev/null", O_RDWR);

	must(fd >= 0);
	return LAST(fd, call(fd));
}

#endif /* RUSTTCP_ERRNO_SETTING_H */
