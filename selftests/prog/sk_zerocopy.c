// SPDX-License-Identifier: GPL-2.0
/*
 * MSG_ZEROCOPY: whose memory is sent, when the caller is told that it is free again, and what it
 * costs; on either stack.
 */
#include "common.h"
#include <linux/errqueue.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define LONG 40000

/* A message of the error queue about memory. */
struct notice {
	uint32_t first, last;
	bool copied;
};

/* The next one, within `ms`. */
static bool told(int fd, int ms, struct notice *notice)
{
	char control[128];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct sock_extended_err *e;
	struct cmsghdr *c;

	if (!(poll_for(fd, 0, ms) & POLLERR) || recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	must(c);
	e = (void *)CMSG_DATA(c);
	must(e->ee_errno == 0 && e->ee_origin == SO_EE_ORIGIN_ZEROCOPY);
	*notice = (struct notice){ e->ee_info, e->ee_data, e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED };
	return true;
}

static void allow(int fd)
{
	int on = 1;

	must(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0);
}

/*
 * A pair whose first end can't send: the other does not read. What is written from now on is queued;
 * there is room for it. Tells how much is on its way already.
 */
static size_t new_stuck_pair(int fds[2])
{
	static char filler[65536];
	int size = 16 << 20;
	size_t all = 0;
	ssize_t n;

	new_pair(fds);
	/* What is queued here may still have gone there. */
	do {
		while ((n = send(fds[0], filler, sizeof(filler), MSG_DONTWAIT)) > 0)
			all += n;
	} while (poll_for(fds[0], POLLOUT, 300) > 0);
	must(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0);
	allow(fds[0]);
	return all;
}

static bool skip(int fd, size_t n)
{
	static char sink[65536];

	while (n) {
		ssize_t r = recv(fd, sink, n < sizeof(sink) ? n : sizeof(sink), 0);

		if (r <= 0)
			return false;
		n -= r;
	}
	return true;
}

/* Whether the next n bytes are all `c`. */
static bool all_are(int fd, size_t n, char c)
{
	static char got[LONG];

	must(n <= sizeof(got));
	if (recv(fd, got, n, MSG_WAITALL) != (ssize_t)n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (got[i] != c)
			return false;
	return true;
}

/* What is written to the memory before it is sent is what is sent, unless it was copied. */
static void test_in_place(void)
{
	static char data[LONG];
	struct notice n;
	size_t before;
	int fds[2];

	before = new_stuck_pair(fds);
	memset(data, 'A', sizeof(data));
	must(send(fds[0], data, sizeof(data), MSG_DONTWAIT) == sizeof(data));
	must(send(fds[0], data, sizeof(data), MSG_DONTWAIT | MSG_ZEROCOPY) == sizeof(data));
	memset(data, 'B', sizeof(data));
	ktap(!told(fds[0], 300, &n), "in place: nobody is told while it is not sent");
	must(skip(fds[1], before));
	ktap(all_are(fds[1], sizeof(data), 'A'), "in place: without the flag it is a copy");
	ktap(all_are(fds[1], sizeof(data), 'B'), "in place: with it the memory itself is sent");
	ktap(told(fds[0], 2000, &n) && n.first == 0 && n.last == 0, "in place: told when it has arrived");
	ktap(n.copied, "in place: which was copied on its way back to this host");
	ktap(!told(fds[0], 100, &n), "in place: once");
	/* A buffer with both kinds. */
	close(fds[0]);
	close(fds[1]);
	before = new_stuck_pair(fds);
	memset(data, 'C', sizeof(data));
	must(send(fds[0], data, 100, MSG_DONTWAIT | MSG_ZEROCOPY) == 100);
	must(send(fds[0], data + 100, 100, MSG_DONTWAIT) == 100);
	must(send(fds[0], data + 200, 100, MSG_DONTWAIT | MSG_ZEROCOPY) == 100);
	memset(data, 'D', 300);
	must(skip(fds[1], before));
	ktap(all_are(fds[1], 100, 'D') && all_are(fds[1], 100, 'C') && all_are(fds[1], 100, 'D'),
	     "in place: what is appended to the user's page is not written there");
	uint32_t next = 0;

	for (int i = 0; i < 2 && next < 2 && told(fds[0], 2000, &n) && n.first == next; i++)
		next = n.last + 1;
	ktap(next == 2, "in place: each call with the flag has a number");
	close(fds[0]);
	close(fds[1]);
}

static void test_faults(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct notice n;
	int fds[2];

	must(half != MAP_FAILED);
	memset(half, 'E', page);
	must(munmap(half + page, page) == 0);
	new_pair(fds);
	allow(fds[0]);
	expect(send(fds[0], (void *)1, 10, MSG_ZEROCOPY), -1, EFAULT, "fault: at once");
	expect(send(fds[0], half, 2 * page, MSG_ZEROCOPY), -1, EFAULT, "fault: on the way");
	expect(send(fds[0], half, 0, MSG_ZEROCOPY), 0, 0, "fault: nothing");
	expect(send(fds[0], half, page, MSG_ZEROCOPY), page, 0, "fault: the next call");
	ktap(all_are(fds[1], page, 'E'), "fault: nothing else was sent");
	ktap(told(fds[0], 2000, &n) && n.first == 0 && n.last == 0, "fault: it has the first number");
	munmap(half, page);
	close(fds[0]);
	close(fds[1]);
}

/* Notices cost the socket (optmem_max), pinned memory the user (RLIMIT_MEMLOCK). */
static void test_limits(void)
{
	static char data[LONG];
	struct rlimit two_pages = { 8192, 8192 };
	int fds[2], status, sent = 0;
	ssize_t r = 1;
	pid_t pid;
	FILE *f = fopen("/proc/sys/net/core/optmem_max", "w");

	must(f && fprintf(f, "4096") > 0 && fclose(f) == 0);
	new_stuck_pair(fds);
	/* Each with a buffer, and so a notice, of its own. */
	for (; sent < 1000 && r == 1; sent++) {
		r = send(fds[0], data, 1, MSG_DONTWAIT | MSG_ZEROCOPY | MSG_EOR);
		if (r == 1)
			must(send(fds[0], data, 1, MSG_DONTWAIT | MSG_EOR) == 1);
	}
	ktap(r == -1 && errno == ENOBUFS && sent > 2, "limits: ENOBUFS beyond optmem_max");
	expect(send(fds[0], data, 1, MSG_DONTWAIT), 1, 0, "limits: without the flag it goes");
	close(fds[0]);
	close(fds[1]);
	f = fopen("/proc/sys/net/core/optmem_max", "w");
	must(f && fprintf(f, "131072") > 0 && fclose(f) == 0);
	new_pair(fds);
	allow(fds[0]);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		int bad = setrlimit(RLIMIT_MEMLOCK, &two_pages) || setuid(65534);

		bad |= send(fds[0], data, sizeof(data), MSG_ZEROCOPY) != -1 || errno != ENOBUFS;
		bad |= (send(fds[0], data, 10, MSG_ZEROCOPY) != 10) << 1;
		_exit(bad);
	}
	must(waitpid(pid, &status, 0) == pid);
	expect(WEXITSTATUS(status), 0, 0, "limits: ENOBUFS beyond RLIMIT_MEMLOCK");
	close(fds[0]);
	close(fds[1]);
}

static bool run(const char *command)
{
	return system(command) == 0;
}

/* The connection dies of what a device swallowed: nobody had to copy that. */
static void test_not_copied(void)
{
	static char data[LONG];
	int fds[2], ms = 700;
	struct notice n;

	new_pair(fds);
	allow(fds[0]);
	must(setsockopt(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms)) == 0);
	must(run("tc qdisc add dev lo root blackhole"));
	must(send(fds[0], data, sizeof(data), MSG_ZEROCOPY) == sizeof(data));
	ktap(!told(fds[0], 300, &n), "not copied: it may have to be sent again");
	ktap(told(fds[0], 10000, &n) && n.first == 0 && n.last == 0, "not copied: told at the end");
	ktap(!n.copied, "not copied: and that it was not");
	must(run("tc qdisc del dev lo root"));
	close(fds[0]);
	close(fds[1]);
}

/* Byte i of a stream. */
static char byte_at(size_t i)
{
	return (i ^ i >> 8 ^ i >> 16) * 37;
}

/*
 * Many buffers in turn, each written anew as soon as the notice about it is there, over a path that
 * loses: what is sent again must be what was sent.
 */
static void test_reuse(void)
{
	enum { SLOTS = 8, SIZE = 30001, ROUNDS = 15 };
	static char data[SLOTS][SIZE], got[65536];
	uint32_t done = 0;
	struct notice n;
	int fds[2], status;
	pid_t pid;

	must(run("tc qdisc add dev lo root netem loss 4% delay 1ms 1ms"));
	new_pair(fds);
	allow(fds[0]);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		size_t at = 0;
		ssize_t r;

		close(fds[0]);
		while ((r = read(fds[1], got, sizeof(got))) > 0)
			for (ssize_t i = 0; i < r; i++, at++)
				if (got[i] != byte_at(at))
					_exit(1);
		_exit(r < 0 || at != (size_t)SLOTS * SIZE * ROUNDS);
	}
	close(fds[1]);
	for (uint32_t i = 0; i < SLOTS * ROUNDS; i++) {
		char *slot = data[i % SLOTS];

		/* The notices come in order here, but for what is sent selectively again. */
		while (i >= SLOTS && done <= i - SLOTS) {
			if (!told(fds[0], 20000, &n))
				break;
			done = n.last + 1 > done ? n.last + 1 : done;
		}
		for (size_t k = 0; k < SIZE; k++)
			slot[k] = byte_at((size_t)i * SIZE + k);
		must(send(fds[0], slot, SIZE, MSG_ZEROCOPY) == SIZE);
	}
	while (done < SLOTS * ROUNDS && told(fds[0], 20000, &n))
		done = n.last + 1 > done ? n.last + 1 : done;
	ktap(done == SLOTS * ROUNDS, "reuse: each is told");
	must(shutdown(fds[0], SHUT_WR) == 0);
	must(waitpid(pid, &status, 0) == pid);
	ktap(status == 0, "reuse: the bytes arrive as they were");
	must(run("tc qdisc del dev lo root"));
	close(fds[0]);
}

/* Sockets that go with memory of others in their queues. */
static void test_gone(void)
{
	static char data[LONG];
	struct notice n;
	int fds[2];

	for (int i = 0; i < 5; i++) {
		new_stuck_pair(fds);
		must(send(fds[0], data, sizeof(data), MSG_DONTWAIT | MSG_ZEROCOPY) == sizeof(data));
		close(fds[0]);
		close(fds[1]);
	}
	new_stuck_pair(fds);
	must(send(fds[0], data, sizeof(data), MSG_DONTWAIT | MSG_ZEROCOPY) == sizeof(data));
	/* Unread data: the peer resets. */
	close(fds[1]);
	ktap(told(fds[0], 2000, &n) && n.first == 0 && n.last == 0 && !n.copied,
	     "gone: told when nothing can be sent any more");
	close(fds[0]);
}

int main(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	ktap_begin();
	/* Limits and loss are a namespace's of our own. */
	must(unshare(CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	close(fd);
	test_in_place();
	test_faults();
	test_limits();
	test_not_copied();
	test_reuse();
	test_gone();
	return ktap_end();
}
