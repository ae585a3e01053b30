// SPDX-License-Identifier: GPL-2.0
/*
 * Every MSG_ flag, known or not, alone and with those that change what reading means, and every ioctl() of a stream
 * socket, in each state that a socket can be in: put to the kernel's TCP and to this one, which have to say the same
 * and to leave the same behind.
 */
#include "common.h"
#include <linux/if_arp.h>
#include <linux/route.h>

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* What is asked, and the other end, or -1. */
struct ends {
	int fd, other;
};

/* --- states ----------------------------------------------------------------------------------- */

static void fresh(struct ends *e)
{
	*e = (struct ends){ new_socket(), -1 };
}

static void bound(struct ends *e)
{
	struct endpoint sin = at("127.0.0.1", 0);

	fresh(e);
	must(bind(e->fd, SA(sin), sizeof(sin)) == 0);
}

static void listening(struct ends *e)
{
	struct endpoint sin;

	*e = (struct ends){ new_listener(4, &sin), -1 };
}

static void idle(struct ends *e)
{
	int fds[2];

	new_pair(fds);
	*e = (struct ends){ fds[0], fds[1] };
}

static int waiting(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -errno : n;
}

static void with_data(struct ends *e)
{
	idle(e);
	must(send(e->other, "01234", 5, 0) == 5 && until(waiting(e->fd) == 5));
}

static void with_urgent(struct ends *e)
{
	with_data(e);
	must(send(e->other, "U", 1, MSG_OOB) == 1 && poll_for(e->fd, POLLPRI, 5000) > 0);
}

static void urgent_inline(struct ends *e)
{
	idle(e);
	must(set_int(e->fd, SOL_SOCKET, SO_OOBINLINE, 1) == 0);
	must(send(e->other, "01U", 3, MSG_OOB) == 3 && poll_for(e->fd, POLLPRI, 5000) > 0);
	must(until(waiting(e->fd) > 1));
}

static void ended(struct ends *e)
{
	idle(e);
	must(shutdown(e->other, SHUT_WR) == 0 && poll_for(e->fd, POLLRDHUP, 5000) > 0);
}

static void ended_with_data(struct ends *e)
{
	with_data(e);
	must(shutdown(e->other, SHUT_WR) == 0 && poll_for(e->fd, POLLRDHUP, 5000) > 0);
}

static void shut_for_reading(struct ends *e)
{
	with_data(e);
	must(shutdown(e->fd, SHUT_RD) == 0);
}

/* The other end takes its time to acknowledge the end. */
static bool is_acknowledged(int fd)
{
	int n = -1;

	return ioctl(fd, TIOCOUTQ, &n) == 0 && n == 0;
}

static void shut_for_writing(struct ends *e)
{
	with_data(e);
	must(shutdown(e->fd, SHUT_WR) == 0 && until(is_acknowledged(e->fd)));
}

static void shut(struct ends *e)
{
	with_data(e);
	must(shutdown(e->fd, SHUT_RDWR) == 0 && until(is_acknowledged(e->fd)));
}

static void reset(struct ends *e)
{
	idle(e);
	close_hard(e->other);
	e->other = -1;
	must(poll_for(e->fd, POLLERR, 5000) > 0);
}

static void reset_and_told(struct ends *e)
{
	reset(e);
	must(so_error(e->fd) == ECONNRESET);
}

static void disconnected(struct ends *e)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	idle(e);
	must(connect(e->fd, &nobody, sizeof(nobody)) == 0);
	(void)so_error(e->fd);
}

static void connecting(struct ends *e)
{
	struct endpoint to = at("192.0.2.9", 80);

	fresh(e);
	must(fcntl(e->fd, F_SETFL, O_NONBLOCK) == 0);
	must(connect(e->fd, SA(to), sizeof(to)) == -1 && errno == EINPROGRESS);
}

static const struct state {
	const char *name;
	void (*begin)(struct ends *e);
} states[] = {
	{ "fresh", fresh }, { "bound", bound }, { "listening", listening }, { "connecting", connecting },
	{ "connected", idle }, { "with data", with_data }, { "with an urgent byte", with_urgent },
	{ "with an urgent byte in line", urgent_inline }, { "at the peer's end", ended },
	{ "before the peer's end", ended_with_data }, { "shut for reading", shut_for_reading },
	{ "shut for writing", shut_for_writing }, { "shut", shut }, { "reset", reset },
	{ "reset, and told", reset_and_told }, { "disconnected", disconnected },
};

/* --- what is asked ---------------------------------------------------------------------------- */

struct answer {
	long r;
	int error, flags, left, events, peer;
	unsigned char bytes[256];
};

static void look(const struct ends *e, struct answer *a)
{
	a->left = waiting(e->fd);
	a->events = poll_for(e->fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0);
}

static void ask_recv(const struct ends *e, unsigned int flags, struct answer *a)
{
	struct iovec iov = { a->bytes, 3 };
	char control[200];
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control),
	};

	errno = 0;
	a->r = recvmsg(e->fd, &msg, flags | MSG_DONTWAIT);
	a->error = a->r < 0 ? errno : 0;
	a->flags = a->r < 0 ? 0 : msg.msg_flags;
	look(e, a);
}

static void ask_send(const struct ends *e, unsigned int flags, struct answer *a)
{
	struct iovec iov = { "abc", 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	errno = 0;
	a->r = sendmsg(e->fd, &msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	a->error = a->r < 0 ? errno : 0;
	/* What is held back (MSG_MORE) is not there. */
	if (a->r == 3 && e->other >= 0 && !(flags & MSG_MORE)) {
		int want = flags & MSG_OOB ? 2 : 3;

		must(until(waiting(e->other) >= want));
	}
	a->peer = e->other < 0 ? 0 : waiting(e->other);
	a->left = waiting(e->fd);
}

static bool same(const char *state, const char *what, unsigned int flags, const struct answer *a, const struct answer *b)
{
	if (!memcmp(a, b, sizeof(*a)))
		return true;
	printf("# %s, %s %#x: the kernel's TCP %ld (%s), flags %#x, left %d, events %#x, peer %d, %02x%02x; "
	       "this one %ld (%s), flags %#x, left %d, events %#x, peer %d, %02x%02x\n", state, what, flags, a->r, strerror(a->error), a->flags,
	       a->left, a->events, a->peer, a->bytes[0], a->bytes[1], b->r, strerror(b->error), b->flags, b->left, b->events, b->peer,
	       b->bytes[0], b->bytes[1]);
	return false;
}

static const char *tested;

static void finish(struct ends *e)
{
	close(e->fd);
	if (e->other >= 0)
		close(e->other);
}

/* On the kernel's TCP (@control), then on the one under test. */
static struct answer put(const struct state *s, bool control, unsigned int number,
			 void (*ask)(const struct ends *e, unsigned int number, struct answer *a))
{
	struct answer a;
	struct ends e;

	memset(&a, 0, sizeof(a));
	choose_family(control ? (v6 ? "inet6" : "inet") : tested);
	s->begin(&e);
	ask(&e, number, &a);
	finish(&e);
	return a;
}

static bool both(const struct state *s, const char *what, unsigned int number,
		 void (*ask)(const struct ends *e, unsigned int number, struct answer *a))
{
	struct answer a = put(s, true, number, ask), b = put(s, false, number, ask);

	return same(s->name, what, number, &a, &b);
}

static void test_flags(const struct state *s)
{
	static const unsigned int together[] = {
		MSG_PEEK | MSG_TRUNC, MSG_PEEK | MSG_WAITALL, MSG_PEEK | MSG_OOB, MSG_TRUNC | MSG_OOB,
		MSG_WAITALL | MSG_OOB, MSG_PEEK | MSG_TRUNC | MSG_WAITALL,
	};
	bool received = true, sent = true;
	char name[100];

	for (int bit = 0; bit < 32; bit++) {
		unsigned int flag = 1u << bit;

		received &= both(s, "recvmsg()", flag, ask_recv);
		/* Fast Open has tests of its own (sk_fastopen). */
		if (flag != MSG_FASTOPEN)
			sent &= both(s, "sendmsg()", flag, ask_send);
	}
	for (size_t i = 0; i < ARRAY_SIZE(together); i++)
		received &= both(s, "recvmsg()", together[i], ask_recv);
	snprintf(name, sizeof(name), "%s: recvmsg() with each flag", s->name);
	ktap(received, name);
	snprintf(name, sizeof(name), "%s: sendmsg() with each flag", s->name);
	ktap(sent, name);
}

/* --- ioctl() ---------------------------------------------------------------------------------- */

#define IOCTL(name)	{ #name, name }
#define NEW_(nr, size)		(2UL << 30 | (size) << 16 | 0x89 << 8 | (nr))

static const struct {
	const char *name;
	unsigned long number;
} ioctls[] = {
	IOCTL(FIONREAD), IOCTL(TIOCOUTQ), IOCTL(SIOCOUTQNSD), IOCTL(SIOCATMARK),
	IOCTL(FIONBIO), IOCTL(FIOASYNC), IOCTL(FIOSETOWN), IOCTL(SIOCSPGRP), IOCTL(FIOGETOWN),
	IOCTL(SIOCGPGRP), IOCTL(FIOCLEX), IOCTL(FIONCLEX), IOCTL(FIOQSIZE),
	{ "SIOCGSTAMP_OLD", 0x8906 }, { "SIOCGSTAMPNS_OLD", 0x8907 },
	{ "SIOCGSTAMP_NEW", NEW_(6, 16UL) }, { "SIOCGSTAMPNS_NEW", NEW_(7, 16UL) },
	IOCTL(SIOCGIFNAME), IOCTL(SIOCGIFCONF), IOCTL(SIOCGIFFLAGS), IOCTL(SIOCSIFFLAGS),
	IOCTL(SIOCGIFADDR), IOCTL(SIOCSIFADDR), IOCTL(SIOCGIFDSTADDR), IOCTL(SIOCGIFBRDADDR),
	IOCTL(SIOCGIFNETMASK), IOCTL(SIOCGIFMETRIC), IOCTL(SIOCGIFMTU), IOCTL(SIOCGIFHWADDR),
	IOCTL(SIOCGIFINDEX), IOCTL(SIOCGIFTXQLEN), IOCTL(SIOCGIFMAP), IOCTL(SIOCADDRT),
	IOCTL(SIOCDELRT), IOCTL(SIOCGARP), IOCTL(SIOCDARP), IOCTL(SIOCSARP), IOCTL(SIOCGRARP),
	IOCTL(SIOCDIFADDR), IOCTL(SIOCETHTOOL), IOCTL(SIOCGIFVLAN), IOCTL(SIOCPROTOPRIVATE),
	IOCTL(SIOCDEVPRIVATE), { "none", 0x4242 },
};

static void ask_ioctl(const struct ends *e, unsigned int i, struct answer *a)
{
	bool sets = !strncmp(ioctls[i].name, "SIOCS", 5) || !strncmp(ioctls[i].name, "SIOCD", 5);

	/* What is set is of an interface that is not there. */
	snprintf((char *)a->bytes, IFNAMSIZ, "%s", sets ? "none" : "lo");
	errno = 0;
	a->r = ioctl(e->fd, ioctls[i].number, a->bytes);
	a->error = a->r < 0 ? errno : 0;
}

static void ask_badly(const struct ends *e, unsigned int i, struct answer *a)
{
	errno = 0;
	a->r = ioctl(e->fd, ioctls[i].number, (void *)8);
	a->error = a->r < 0 ? errno : 0;
}

static void test_ioctls(const struct state *s)
{
	bool well = true, badly = true;
	char name[100];

	for (size_t i = 0; i < ARRAY_SIZE(ioctls); i++) {
		/* The kernel's TCP counts from a number that is of no connection any more. */
		if (s->begin == disconnected &&
		    (ioctls[i].number == TIOCOUTQ || ioctls[i].number == SIOCOUTQNSD))
			continue;
		well &= both(s, ioctls[i].name, i, ask_ioctl);
		if (s->begin == fresh || s->begin == listening || s->begin == with_data)
			badly &= both(s, ioctls[i].name, i, ask_badly);
	}
	snprintf(name, sizeof(name), "%s: each ioctl()", s->name);
	ktap(well, name);
	if (s->begin == fresh || s->begin == listening || s->begin == with_data) {
		snprintf(name, sizeof(name), "%s: each ioctl(), with a bad pointer", s->name);
		ktap(badly, name);
	}
}

int main(void)
{
	ktap_begin();
	tested = getenv("RUSTTCP_FAMILY");
	/* The other runs have the kernel's TCP as their control. */
	if (is_kernels())
		return ktap_end();
	must(system("ip link add dummy0 type dummy && ip link set dummy0 up") == 0);
	must(system("ip addr add 192.0.2.254/24 dev dummy0") == 0);
	must(system("ip addr add 2001:db8::254/64 dev dummy0 nodad") == 0);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		test_flags(&states[i]);
		test_ioctls(&states[i]);
	}
	return ktap_end();
}
