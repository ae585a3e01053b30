// SPDX-License-Identifier: GPL-2.0
/*
 * Every transition that poll() knows, of connections, half-closed ones and listeners, in each mode of
 * epoll: level-triggered, edge-triggered, one-shot and exclusive. On either stack.
 */
#include "common.h"

#define ALL	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

/* What is watched, and the other end, or -1. */
struct ends {
	int fd, other;
};

static void run(const char *command)
{
	must(system(command) == 0);
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* The events that epoll gives within `ms`; 0: none. */
static unsigned int told(int ep, int ms)
{
	struct epoll_event e;

	return epoll_wait(ep, &e, 1, ms) > 0 ? e.events : 0;
}

/* --- before ----------------------------------------------------------------------------------- */

static void pair(struct ends *e)
{
	int fds[2];

	new_pair(fds);
	*e = (struct ends){ fds[0], fds[1] };
}

static void shut_here(struct ends *e)
{
	pair(e);
	must(shutdown(e->fd, SHUT_WR) == 0);
}

static void shut_there(struct ends *e)
{
	pair(e);
	must(shutdown(e->other, SHUT_WR) == 0 && poll_for(e->fd, POLLRDHUP, 5000) > 0);
}

static void low_water(struct ends *e)
{
	pair(e);
	must(set_int(e->fd, SOL_SOCKET, SO_RCVLOWAT, 10) == 0);
	must(send(e->other, "01234", 5, 0) == 5);
	usleep(20000);
}

static void unread(struct ends *e)
{
	pair(e);
	must(send(e->other, "01234", 5, 0) == 5 && poll_for(e->fd, POLLIN, 5000) > 0);
}

static char block[65536];

static void full(struct ends *e)
{
	pair(e);
	fill_up(e->fd);
}

static void zerocopy(struct ends *e)
{
	pair(e);
	must(set_int(e->fd, SOL_SOCKET, SO_ZEROCOPY, 1) == 0);
}

/* It is the listener that is watched. */
static void listening(struct ends *e)
{
	struct endpoint sin;

	*e = (struct ends){ new_listener(4, &sin), -1 };
}

/* connect() is under way, on a path that takes its time. */
static void connecting_to(struct ends *e, struct endpoint to)
{
	e->fd = new_socket();
	must(fcntl(e->fd, F_SETFL, O_NONBLOCK) == 0);
	run("tc qdisc add dev lo root netem delay 100ms");
	must(connect(e->fd, SA(to), sizeof(to)) == -1 && errno == EINPROGRESS);
}

static void connecting(struct ends *e)
{
	struct endpoint sin;

	e->other = new_listener(4, &sin);
	connecting_to(e, sin);
}

static void being_refused(struct ends *e)
{
	e->other = -1;
	connecting_to(e, at("127.0.0.1", 1));
}

/* --- what happens ----------------------------------------------------------------------------- */

static void data(struct ends *e)
{
	must(send(e->other, "56789", 5, 0) == 5);
}

static void lower_water(struct ends *e)
{
	must(set_int(e->fd, SOL_SOCKET, SO_RCVLOWAT, 5) == 0);
}

static void urgent(struct ends *e)
{
	must(send(e->other, "U", 1, MSG_OOB) == 1);
}

static void room(struct ends *e)
{
	while (poll_for(e->other, POLLIN, 300) > 0)
		must(recv(e->other, block, sizeof(block), 0) > 0);
}

static void end(struct ends *e)
{
	must(shutdown(e->other, SHUT_WR) == 0);
}

static void no_more_reading(struct ends *e)
{
	must(shutdown(e->fd, SHUT_RD) == 0);
}

static void no_more_writing(struct ends *e)
{
	must(shutdown(e->fd, SHUT_WR) == 0);
}

static void reset(struct ends *e)
{
	close_hard(e->other);
	e->other = -1;
}

static void disconnect(struct ends *e)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	must(connect(e->fd, &nobody, sizeof(nobody)) == 0);
}

static void notice(struct ends *e)
{
	must(send(e->fd, block, 4000, MSG_ZEROCOPY) == 4000);
	must(recv(e->other, block, 4000, MSG_WAITALL) == 4000);
}

static void caller(struct ends *e)
{
	struct endpoint to = local_of(e->fd);

	e->other = new_socket();
	must(connect(e->other, SA(to), sizeof(to)) == 0);
}

/* The answer comes by itself. */
static void time_passes(struct ends *e)
{
	(void)e;
	usleep(400000);
	run("tc qdisc del dev lo root");
}

static const struct transition {
	const char *name;
	void (*before)(struct ends *e);
	void (*happens)(struct ends *e);
	/* What poll() says before and after. */
	unsigned int was, is;
	/* More of the same may follow by itself. */
	bool goes_on;
} transitions[] = {
	{ "data", pair, data, EPOLLOUT, EPOLLIN | EPOLLOUT, false },
	{ "data, half-closed here", shut_here, data, EPOLLOUT, EPOLLIN | EPOLLOUT, false },
	{ "data up to SO_RCVLOWAT", low_water, data, EPOLLOUT, EPOLLIN | EPOLLOUT, false },
	{ "SO_RCVLOWAT down to what there is", low_water, lower_water, EPOLLOUT, EPOLLIN | EPOLLOUT, false },
	{ "an urgent byte", pair, urgent, EPOLLOUT, EPOLLOUT | EPOLLPRI, false },
	{ "room to write", full, room, 0, EPOLLOUT, true },
	{ "the peer's end", pair, end, EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLRDHUP, false },
	{ "the peer's end, half-closed here", shut_here, end, EPOLLOUT,
	  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP, false },
	{ "SHUT_RD here", pair, no_more_reading, EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLRDHUP, false },
	{ "SHUT_WR here, half-closed there", shut_there, no_more_writing,
	  EPOLLIN | EPOLLOUT | EPOLLRDHUP, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP, false },
	{ "a reset", pair, reset, EPOLLOUT,
	  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR, false },
	{ "connect(AF_UNSPEC)", pair, disconnect, EPOLLOUT, EPOLLOUT | EPOLLHUP | EPOLLERR, false },
	{ "connect(AF_UNSPEC), data unread", unread, disconnect, EPOLLIN | EPOLLOUT,
	  EPOLLOUT | EPOLLHUP | EPOLLERR, false },
	{ "a message in the error queue", zerocopy, notice, EPOLLOUT, EPOLLOUT | EPOLLERR, false },
	{ "connected", connecting, time_passes, 0, EPOLLOUT, false },
	{ "refused", being_refused, time_passes, 0,
	  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR, false },
	{ "a connection to accept", listening, caller, 0, EPOLLIN, false },
	{ "a listener is shut", listening, no_more_reading, 0, EPOLLOUT | EPOLLHUP, false },
};

static const struct mode {
	const char *name;
	unsigned int flag;
} modes[] = {
	{ "level", 0 },
	{ "edge", EPOLLET },
	{ "one-shot", EPOLLONESHOT },
	{ "exclusive", EPOLLEXCLUSIVE },
};

static bool check(const char *when, unsigned int got, unsigned int want)
{
	if (got != want)
		printf("# %s: %#x, want %#x\n", when, got, want);
	return got == want;
}

static void judge(const struct transition *t, const struct mode *m)
{
	/* Only what is new, so that nothing is there before. Errors are told unasked. */
	struct epoll_event watch = { .events = t->is & ~t->was & ALL };
	struct ends e;
	char name[100];
	unsigned int want;
	int ep = epoll_create1(0);
	bool ok;

	must(ep >= 0);
	if (m->flag == EPOLLEXCLUSIVE)
		/* It takes no others. */
		watch.events &= EPOLLIN | EPOLLOUT;
	want = t->is & (watch.events | EPOLLERR | EPOLLHUP);
	watch.events |= m->flag;
	t->before(&e);
	must(epoll_ctl(ep, EPOLL_CTL_ADD, e.fd, &watch) == 0);
	ok = check("before", told(ep, 0), 0);
	t->happens(&e);
	ok &= until((unsigned int)poll_for(e.fd, ALL, 0) == t->is);
	if (want) {
		ok &= check("then", told(ep, 1000), want);
		switch (m->flag) {
		case EPOLLET:
			ok &= t->goes_on || check("once", told(ep, 50), 0);
			break;
		case EPOLLONESHOT:
			ok &= check("once", told(ep, 50), 0);
			must(epoll_ctl(ep, EPOLL_CTL_MOD, e.fd, &watch) == 0);
			ok &= check("asked again", told(ep, 1000), want);
			break;
		default:
			ok &= check("still", told(ep, 0), want);
		}
	}
	snprintf(name, sizeof(name), "%s: %s", m->name, t->name);
	ktap(ok, name);
	close(ep);
	close(e.fd);
	if (e.other >= 0)
		close(e.other);
}

static void every_transition(int mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(transitions); i++)
		judge(&transitions[i], &modes[mode]);
}

int main(void)
{
	ktap_begin();
	/* Most of it is waiting; and a path that takes its time is a namespace's. */
	at_once(ARRAY_SIZE(modes), every_transition);
	return ktap_end();
}
