// SPDX-License-Identifier: GPL-2.0
/*
 * epoll in its modes on every transition, and a search for lost wake-ups: threads that go to
 * sleep at all moments while others make them ready, so many times. On either stack.
 */
#include "common.h"
#include <pthread.h>
#include <stdatomic.h>

static int watch(int fd, unsigned int events)
{
	struct epoll_event e = { .events = events };
	int ep = epoll_create1(0);

	must(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
	return ep;
}

/* The events that epoll gives within `ms`; 0: none. */
static unsigned int told(int ep, int ms)
{
	struct epoll_event e;
	int n = epoll_wait(ep, &e, 1, ms);

	return n > 0 ? e.events : 0;
}

#define ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

static void test_edges(void)
{
	static char data[4000000], sink[4000000];
	int fds[2], ep;
	unsigned int got;

	new_pair(fds);
	ep = watch(fds[0], ALL | EPOLLET);
	expect(told(ep, 1000), EPOLLOUT, 0, "edge: connected");
	expect(told(ep, 50), 0, 0, "edge: once");
	must(write(fds[1], "x", 1) == 1);
	expect(told(ep, 1000), EPOLLIN | EPOLLOUT, 0, "edge: data");
	expect(told(ep, 50), 0, 0, "edge: once, though it is unread");
	must(write(fds[1], "y", 1) == 1);
	expect(told(ep, 1000), EPOLLIN | EPOLLOUT, 0, "edge: more data, another edge");
	must(read(fds[0], sink, 10) == 2);
	expect(told(ep, 50), 0, 0, "edge: reading makes none");
	/* Full, and room again. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (write(fds[0], data, sizeof(data)) > 0)
		;
	usleep(50000);
	while (write(fds[0], data, sizeof(data)) > 0)
		;
	told(ep, 0);
	expect(told(ep, 50), 0, 0, "edge: full");
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	got = 0;
	for (int i = 0; i < 5000 && !got; i++) {
		while (read(fds[1], sink, sizeof(sink)) > 0)
			;
		got = told(ep, 1);
	}
	expect(got, EPOLLOUT, 0, "edge: room again");
	while (read(fds[1], sink, sizeof(sink)) > 0 || told(ep, 20))
		;
	must(shutdown(fds[1], SHUT_WR) == 0);
	expect(told(ep, 1000), EPOLLIN | EPOLLOUT | EPOLLRDHUP, 0, "edge: the end of the stream");
	expect(told(ep, 50), 0, 0, "edge: once");
	must(shutdown(fds[0], SHUT_WR) == 0);
	expect(told(ep, 1000), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP, 0, "edge: both ends");
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

static void test_reset(void)
{
	int fds[2], ep;

	new_pair(fds);
	ep = watch(fds[0], ALL | EPOLLET);
	must(told(ep, 1000) == EPOLLOUT);
	close_hard(fds[1]);
	expect(told(ep, 1000), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP, 0, "edge: a reset");
	expect(so_error(fds[0]), ECONNRESET, 0, "edge: its error");
	close(ep);
	close(fds[0]);
}

static void test_oneshot(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	char buf[8];
	int fds[2], ep;

	new_pair(fds);
	ep = watch(fds[0], EPOLLIN | EPOLLONESHOT);
	must(write(fds[1], "a", 1) == 1);
	expect(told(ep, 1000), EPOLLIN, 0, "one-shot: data");
	must(write(fds[1], "b", 1) == 1);
	expect(told(ep, 50), 0, 0, "one-shot: no more");
	must(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &e) == 0);
	expect(told(ep, 1000), EPOLLIN, 0, "one-shot: armed again, what is there counts");
	must(read(fds[0], buf, 8) == 2);
	must(epoll_ctl(ep, EPOLL_CTL_MOD, fds[0], &e) == 0);
	expect(told(ep, 50), 0, 0, "one-shot: nothing there");
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

static void test_level(void)
{
	char buf[8];
	int fds[2], ep;

	new_pair(fds);
	ep = watch(fds[0], EPOLLIN | EPOLLRDHUP);
	expect(told(ep, 0), 0, 0, "level: nothing");
	must(write(fds[1], "ab", 2) == 2);
	expect(told(ep, 1000), EPOLLIN, 0, "level: data");
	must(read(fds[0], buf, 1) == 1);
	expect(told(ep, 0), EPOLLIN, 0, "level: still data");
	must(read(fds[0], buf, 1) == 1);
	expect(told(ep, 0), 0, 0, "level: no more");
	must(shutdown(fds[0], SHUT_RD) == 0);
	expect(told(ep, 1000), EPOLLIN | EPOLLRDHUP, 0, "level: shut for reading");
	close(ep);
	close(fds[0]);
	close(fds[1]);
	/* Never connected. */
	int lone = new_socket();

	ep = watch(lone, ALL);
	expect(told(ep, 0), EPOLLOUT | EPOLLHUP, 0, "level: a fresh socket");
	close(ep);
	close(lone);
}

#define WAITERS 4

static atomic_int woken, seen;
static atomic_int waiter[WAITERS];

/* What is watched, the other end, and what is waited for. */
struct exclusive {
	int fd, other;
	unsigned int events;
	atomic_int next;
};

static void *exclusive_waiter(void *arg)
{
	struct exclusive *x = arg;
	struct epoll_event e = { .events = x->events | EPOLLEXCLUSIVE };
	int ep = epoll_create1(0);

	must(epoll_ctl(ep, EPOLL_CTL_ADD, x->fd, &e) == 0);
	waiter[atomic_fetch_add(&x->next, 1)] = gettid();
	if (epoll_wait(ep, &e, 1, 1000) > 0) {
		atomic_fetch_add(&woken, 1);
		atomic_fetch_or(&seen, e.events);
	}
	close(ep);
	return NULL;
}

/* How many of those who wait for the same are woken by what happens. */
static void how_many(struct exclusive *x, void (*happens)(struct exclusive *x), int want, int events,
		     const char *name)
{
	pthread_t t[WAITERS];

	woken = 0;
	seen = 0;
	x->next = 0;
	memset(waiter, 0, sizeof(waiter));
	for (int i = 0; i < WAITERS; i++)
		must(pthread_create(&t[i], NULL, exclusive_waiter, x) == 0);
	for (int i = 0; i < WAITERS; i++)
		must(until(waiter[i] && is_asleep(waiter[i])));
	happens(x);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(t[i], NULL);
	if (seen != events)
		printf("# told %#x\n", seen);
	expect(seen == events ? woken : -1, want, 0, name);
	if (x->other >= 0)
		close(x->other);
	close(x->fd);
}

static void knock(struct exclusive *x)
{
	struct endpoint to = local_of(x->fd);

	x->other = new_socket();
	must(connect(x->other, SA(to), sizeof(to)) == 0);
}

static void say(struct exclusive *x)
{
	must(send(x->other, "x", 1, 0) == 1);
}

static void finish(struct exclusive *x)
{
	must(shutdown(x->other, SHUT_WR) == 0);
}

static void finish_here(struct exclusive *x)
{
	must(shutdown(x->fd, SHUT_RDWR) == 0);
}

static void reset_it(struct exclusive *x)
{
	close_hard(x->other);
	x->other = -1;
}

static void make_room(struct exclusive *x)
{
	static char sink[65536];

	while (poll_for(x->other, POLLIN, 100) > 0)
		must(recv(x->other, sink, sizeof(sink), 0) > 0);
}

static struct exclusive *two(unsigned int events)
{
	static struct exclusive x;
	int fds[2];

	new_pair(fds);
	x = (struct exclusive){ .fd = fds[0], .other = fds[1], .events = events };
	return &x;
}

static struct exclusive *one(unsigned int events)
{
	static struct exclusive x;
	struct endpoint sin;

	x = (struct exclusive){ .fd = new_listener(16, &sin), .other = -1, .events = events };
	return &x;
}

/* News that one alone can use wakes one; that it is over is for all. */
static void test_exclusive(void)
{
	struct exclusive *x;

	how_many(one(EPOLLIN), knock, 1, EPOLLIN, "exclusive: a connection: one");
	how_many(one(EPOLLIN | EPOLLOUT), knock, 1, EPOLLIN, "exclusive: a connection, waiting for both: one");
	how_many(one(EPOLLIN), finish_here, WAITERS, EPOLLHUP, "exclusive: a listener that is shut: all");
	how_many(two(EPOLLIN), say, 1, EPOLLIN, "exclusive: data: one");
	how_many(two(EPOLLIN), finish, WAITERS, EPOLLIN, "exclusive: the peer's end: all");
	how_many(two(EPOLLIN), finish_here, WAITERS, EPOLLIN | EPOLLHUP, "exclusive: SHUT_RDWR: all");
	how_many(two(0), finish_here, WAITERS, EPOLLHUP, "exclusive: only EPOLLHUP and EPOLLERR: all");
	how_many(two(EPOLLIN), reset_it, WAITERS, EPOLLIN | EPOLLHUP | EPOLLERR, "exclusive: a reset: all");
	x = two(EPOLLOUT);
	fill_up(x->fd);
	how_many(x, reset_it, WAITERS, EPOLLOUT | EPOLLHUP | EPOLLERR, "exclusive: a reset of a writer: all");
	x = two(EPOLLOUT);
	fill_up(x->fd);
	how_many(x, make_room, 1, EPOLLOUT, "exclusive: room: one");
}

static void test_listener(void)
{
	struct endpoint sin;
	int listener = new_listener(16, &sin), ep = watch(listener, EPOLLIN | EPOLLET), c, d;

	expect(told(ep, 20), 0, 0, "listener: nobody");
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	expect(told(ep, 1000), EPOLLIN, 0, "listener: a connection");
	expect(told(ep, 20), 0, 0, "listener: one edge for each");
	d = new_socket();
	must(connect(d, SA(sin), sizeof(sin)) == 0);
	expect(told(ep, 1000), EPOLLIN, 0, "listener: another");
	close(accept(listener, NULL, NULL));
	close(accept(listener, NULL, NULL));
	close(c);
	close(d);
	close(ep);
	close(listener);
}

/* --- lost wake-ups ------------------------------------------------------------------------- */

/* So many transitions, however long they take. (A kernel that checks itself is slow.) */
#define TRANSITIONS		10000
#define TRANSITIONS_DEBUG	1000
/* Nobody sleeps for so long on a machine that is merely busy. */
#define PATIENCE	20000

static atomic_int stop;
static atomic_long turns;
static atomic_int lost;
static long goal;

struct side {
	int fd;
	int mode;	/* How it waits: 0 blocking, 1 poll, 2 epoll level, 3 epoll edge. */
	bool first;
};

static const char *const modes[] = { "blocking calls", "poll", "epoll level", "epoll edge" };

/* Waits for a byte; false at the end of the stream, or if none comes in all that time. */
static bool await(struct side *s, int ep)
{
	char byte;

	for (;;) {
		ssize_t n = recv(s->fd, &byte, 1, s->mode ? MSG_DONTWAIT : 0);

		if (n == 1)
			return true;
		if (n == 0 || errno != EAGAIN) {
			/* Who has enough ends the connection. */
			if (!stop) {
				printf("# %s: the connection is over\n", modes[s->mode]);
				lost++;
			}
			return false;
		}
		if (s->mode && (s->mode == 1 ? poll_for(s->fd, POLLIN, PATIENCE) > 0 : told(ep, PATIENCE)))
			continue;
		/* The sleep was not ended: was there something for it? */
		if (recv(s->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1)
			printf("# %s: a byte was there, and nobody said so\n", modes[s->mode]);
		else
			printf("# %s: no byte came\n", modes[s->mode]);
		lost++;
		return false;
	}
}

static void *player(void *arg)
{
	struct side *s = arg;
	struct timeval limit = { PATIENCE / 1000, 0 };
	int ep = watch(s->fd, EPOLLIN | (s->mode == 3 ? EPOLLET : 0));
	unsigned int seed = s->fd;

	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (s->first)
		must(send(s->fd, "b", 1, 0) == 1);
	while (!stop && await(s, ep)) {
		if (++turns >= goal)
			stop = 1;
		/* Now and then the other side gets time to fall asleep. */
		if (rand_r(&seed) % 64 == 0)
			usleep(rand_r(&seed) % 200);
		if (send(s->fd, "b", 1, MSG_NOSIGNAL) != 1)
			break;
	}
	shutdown(s->fd, SHUT_RDWR);
	close(ep);
	return NULL;
}

static void test_lost_wakeups(void)
{
	struct side sides[8];
	pthread_t t[8];
	const char *debug = getenv("RUSTTCP_DEBUG");
	int one = 1;

	goal = debug && atoi(debug) ? TRANSITIONS_DEBUG : TRANSITIONS;
	for (int i = 0; i < 4; i++) {
		int fds[2];

		new_pair(fds);
		for (int k = 0; k < 2; k++) {
			setsockopt(fds[k], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			sides[2 * i + k] = (struct side){ fds[k], i, k == 0 };
		}
	}
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, player, &sides[i]);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	printf("# %ld transitions, %d lost\n", (long)turns, (int)lost);
	ktap(lost == 0 && turns >= goal, "readers: no wake-up is lost");
	for (int i = 0; i < 8; i++)
		close(sides[i].fd);
}

static void *drain(void *arg)
{
	static char sink[100000];
	int fd = *(int *)arg;
	unsigned int seed = 1;

	while (recv(fd, sink, 1 + rand_r(&seed) % sizeof(sink), 0) > 0)
		if (rand_r(&seed) % 16 == 0)
			usleep(rand_r(&seed) % 300);
	return NULL;
}

/* The same for writers: edge-triggered, with a full buffer nearly always. */
static void test_writers(void)
{
	static char data[65536];
	enum { FULL = 300, LEAST = 10 };
	int fds[2], ep, stalls = 0;
	long long end, sent = 0, edges = 0;
	pthread_t t;

	int small = 20000;

	new_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	ep = watch(fds[0], EPOLLOUT | EPOLLET);
	pthread_create(&t, NULL, drain, &fds[1]);
	/* Until the buffer was full so often, in half a minute at most. */
	end = now_ms() + 30000;
	while (edges < FULL && now_ms() < end) {
		ssize_t n = send(fds[0], data, sizeof(data), MSG_NOSIGNAL);

		if (n > 0) {
			sent += n;
		} else {
			edges++;
			if (!told(ep, PATIENCE)) {
				printf("# poll() says %#x\n", poll_for(fds[0], POLLOUT, 0));
				stalls++;
				break;
			}
		}
	}
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(t, NULL);
	printf("# %lld bytes, %lld times full, %d lost\n", sent, edges, stalls);
	ktap(stalls == 0 && edges >= LEAST, "writers: no wake-up is lost");
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	ktap_begin();
	test_level();
	test_edges();
	test_reset();
	test_oneshot();
	test_listener();
	test_exclusive();
	test_lost_wakeups();
	test_writers();
	return ktap_end();
}
