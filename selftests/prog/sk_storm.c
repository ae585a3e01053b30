// SPDX-License-Identifier: GPL-2.0
/*
 * Readiness under stress, on either stack: threads that fall asleep at all moments while others
 * make their sockets readable, writable, or ready to accept; RUSTTCP_TRANSITIONS of them (20,000;
 * make nightly: a million), in RUSTTCP_SECONDS at most (20). A wake-up is lost if somebody has
 * slept for a second, poll() says that there is something for them, and whoever made it so did the
 * last thing half a second ago: a machine that is merely slow loses none.
 */
#include "common.h"
#include <pthread.h>
#include <stdatomic.h>

/* One look in a sleep: longer than any wake-up takes, but for a stall of the machine. */
#define LOOK	1000
/* So many looks in a row that find nothing, and nobody will come any more. */
#define LOOKS	60

enum mode {
	BLOCK, POLL, LEVEL, EDGE, ONESHOT, EXCLUSIVE, NESTED, BOTH,
	N_MODES
};

static const char *const names[N_MODES] = {
	"blocking calls", "poll", "epoll level", "epoll edge", "epoll one-shot", "epoll exclusive",
	"poll of an epoll", "poll and epoll in turns",
};

static long long deadline;
static atomic_int lost, stuck;
static atomic_long turns;
static atomic_bool stop;
static long goal;

static long number(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? atol(value) : otherwise;
}

/* However slow the machine is, one transition is waited for: who is stuck finds that out himself. */
static bool over(void)
{
	return stop || (turns > 0 && now_ms() > deadline);
}

/* A sleeper: a socket, what it waits for, and how; when the others last did something. */
struct sleeper {
	int fd, ep;
	short events;
	enum mode mode;
	unsigned int seed;
	atomic_llong *moved;
	atomic_long *mine;
};

static unsigned int flags_of(enum mode mode)
{
	switch (mode) {
	case EDGE:
		return EPOLLET;
	case ONESHOT:
		return EPOLLONESHOT;
	case EXCLUSIVE:
		return EPOLLEXCLUSIVE;
	default:
		return 0;
	}
}

static void sleeper_open(struct sleeper *s, int fd, short events, enum mode mode,
			 atomic_llong *moved)
{
	struct epoll_event e = { .events = events | flags_of(mode) };

	*s = (struct sleeper){ fd, epoll_create1(0), events, mode, fd * 7919u + mode, moved, NULL };
	*moved = now_ms();
	must(s->ep >= 0 && epoll_ctl(s->ep, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Sleeps once; whether it was woken. What is there already counts, but for edges. */
static bool nap(struct sleeper *s, int ms)
{
	struct epoll_event e = { .events = s->events | flags_of(s->mode) };

	switch (s->mode) {
	case BLOCK:
	case POLL:
		return poll_for(s->fd, s->events, ms) > 0;
	case NESTED:
		return poll_for(s->ep, POLLIN, ms) > 0 && epoll_wait(s->ep, &e, 1, 0) > 0;
	case BOTH:
		if (rand_r(&s->seed) % 2)
			return poll_for(s->fd, s->events, ms) > 0;
		return epoll_wait(s->ep, &e, 1, ms) > 0;
	case ONESHOT:
		/* Its last word may have been taken: only now it is asked again. */
		must(epoll_ctl(s->ep, EPOLL_CTL_MOD, s->fd, &e) == 0);
		return epoll_wait(s->ep, &e, 1, ms) > 0;
	default:
		return epoll_wait(s->ep, &e, 1, ms) > 0;
	}
}

/* After a nap that nobody ended: whether somebody should have. */
static bool slept_through(struct sleeper *s)
{
	if (now_ms() - *s->moved < LOOK / 2 || poll_for(s->fd, s->events, 0) <= 0)
		return false;
	printf("# %s: ready for %lld ms, and nobody says so\n", names[s->mode], now_ms() - *s->moved);
	lost++;
	return true;
}

/* Sleeps until woken. False: a wake-up was lost, or the end was reached. */
static bool sleep_well(struct sleeper *s)
{
	for (int i = 0; i < LOOKS; i++) {
		if (nap(s, LOOK))
			return true;
		if (slept_through(s))
			return false;
	}
	stuck++;
	return false;
}

static void doze(unsigned int *seed)
{
	unsigned int r = rand_r(seed) % 64;

	/* Some moments between two calls, sometimes enough for the other side to fall asleep. */
	if (r == 0)
		usleep(rand_r(seed) % 200);
	else
		for (volatile unsigned int i = rand_r(seed) % (r * 16); i; i--)
			;
}

/* --- readable: a byte goes to and fro ------------------------------------------------------ */

static void *player(void *arg)
{
	struct sleeper *s = arg;
	int wait = s->mode == BLOCK ? 0 : MSG_DONTWAIT;
	struct timeval limit = { LOOK / 1000, 0 };
	char byte;

	must(setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	/* Each pair plays for half of the goal. */
	for (int looks = 0; looks < LOOKS && *s->mine < goal / 2 && !over();) {
		ssize_t n = recv(s->fd, &byte, 1, wait);

		if (n == 1) {
			turns++;
			(*s->mine)++;
			doze(&s->seed);
			*s->moved = now_ms();
			if (send(s->fd, &byte, 1, MSG_NOSIGNAL) != 1)
				break;
			looks = 0;
		} else if (n == 0 || errno != EAGAIN) {
			break;
		} else if (s->mode == BLOCK) {
			if (slept_through(s))
				break;
			looks++;
		} else if (!sleep_well(s)) {
			break;
		}
	}
	stuck += *s->mine < goal / 2 && !over() && !lost;
	/* Whoever still sleeps there reads the end. */
	*s->moved = now_ms();
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

static void begin(long part)
{
	turns = 0;
	stop = false;
	goal = part;
}

static void finish(const char *what, enum mode mode, long long start)
{
	char text[100];

	printf("# %s, %s: %ld in %lld ms\n", what, names[mode], (long)turns, now_ms() - start);
	snprintf(text, sizeof(text), "%s, %s: no wake-up is lost", what, names[mode]);
	ktap(lost == 0 && stuck == 0 && turns > 0, text);
	lost = 0;
	stuck = 0;
}

/* Two pairs at once, so that the processors are not in step. */
static void readable(enum mode mode, long part)
{
	struct sleeper s[4];
	atomic_llong moved[2];
	atomic_long mine[2] = { 0 };
	pthread_t t[4];
	long long start = now_ms();
	int one = 1;

	begin(part);
	for (int i = 0; i < 4; i += 2) {
		int fds[2];

		new_pair(fds);
		for (int k = 0; k < 2; k++) {
			setsockopt(fds[k], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
			sleeper_open(&s[i + k], fds[k], POLLIN, mode, &moved[i / 2]);
			s[i + k].mine = &mine[i / 2];
		}
		must(send(fds[0], "b", 1, 0) == 1);
	}
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, player, &s[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		close(s[i].ep);
	}
	for (int i = 0; i < 4; i++)
		close(s[i].fd);
	finish("readable", mode, start);
}

/* --- writable: a reader makes room --------------------------------------------------------- */

/* How often the writer found no room. */
static atomic_long full;

static void *drain(void *arg)
{
	static char sink[131072];
	struct sleeper *s = arg;
	unsigned int seed = 1;
	long before = full;

	/* Its fd is the other end. */
	for (int i = 1; recv(s->fd, sink, 1 + rand_r(&seed) % sizeof(sink), 0) > 0; i++) {
		*s->moved = now_ms();
		doze(&seed);
		if (i % 16)
			continue;
		/* Whoever writes slowly, as on the debug kernel, is let to fill the buffer. */
		while (full == before && !stop)
			usleep(20);
		before = full;
	}
	return NULL;
}

static void writable(enum mode mode, long part)
{
	static char data[65536];
	long long start = now_ms();
	int fds[2], small = 50000, mss = 1400;
	struct sleeper s, reader;
	struct endpoint sin;
	atomic_llong moved;
	pthread_t t;
	int listener = new_listener(1, &sin);

	begin(part);
	/* With segments of loopback's size the buffer would hold one or two, and ACKs would be delayed. */
	must(setsockopt(listener, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)) == 0);
	fds[0] = new_socket();
	must(connect(fds[0], SA(sin), sizeof(sin)) == 0);
	fds[1] = accept(listener, NULL, NULL);
	must(fds[1] >= 0);
	close(listener);
	/* The sender's buffer is full nearly always. */
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	sleeper_open(&s, fds[0], POLLOUT, mode, &moved);
	reader = (struct sleeper){ .fd = fds[1], .moved = &moved };
	pthread_create(&t, NULL, drain, &reader);
	while (turns < goal && !over()) {
		ssize_t n = send(fds[0], data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			continue;
		if (n == 0 || errno != EAGAIN)
			break;
		full++;
		if (!sleep_well(&s))
			break;
		turns++;
	}
	stop = true;
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(t, NULL);
	close(s.ep);
	close(fds[0]);
	close(fds[1]);
	finish("writable", mode, start);
}

/* --- connections: listeners that several wait at, and the end of each connection ----------- */

#define ACCEPTORS 3

static struct endpoint door;
static atomic_llong called, ended;

static void *acceptor(void *arg)
{
	struct sleeper *s = arg;
	int looks = 0;

	while (!stop) {
		int fd = accept(s->fd, NULL, NULL);

		if (fd >= 0) {
			doze(&s->seed);
			close(fd);
			ended = now_ms();
			looks = 0;
		} else if (!nap(s, LOOK)) {
			/* One of those who wait is enough to be woken. */
			if (now_ms() - ended > LOOK / 2 && slept_through(s))
				break;
			if (++looks == LOOKS) {
				stuck++;
				break;
			}
		}
	}
	return NULL;
}

/* Connects, and waits for the end, which comes when somebody was woken, accepted and closed. */
static void *caller(void *arg)
{
	enum mode mode = *(enum mode *)arg;
	struct linger hard = { 1, 0 };

	while (turns < goal && !over() && !lost && !stuck) {
		struct sleeper s;
		int fd = new_socket();

		sleeper_open(&s, fd, POLLIN, mode, &ended);
		called = now_ms();
		must(connect(fd, SA(door), sizeof(door)) == 0);
		/* An edge, and an exclusive one, may be no more than that of the connection. */
		while (sleep_well(&s)) {
			char byte;

			if (recv(fd, &byte, 1, MSG_DONTWAIT) == 0) {
				turns += 2;
				break;
			}
		}
		close(s.ep);
		/* No TIME-WAIT: there are not so many ports. */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	return NULL;
}

static void connections(enum mode mode, long part)
{
	struct sleeper s[ACCEPTORS];
	pthread_t t[ACCEPTORS], callers[2];
	long long start = now_ms();
	int listener = new_listener(64, &door);

	begin(part);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < ACCEPTORS; i++) {
		sleeper_open(&s[i], listener, POLLIN, mode, &called);
		pthread_create(&t[i], NULL, acceptor, &s[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&callers[i], NULL, caller, &mode);
	for (int i = 0; i < 2; i++)
		pthread_join(callers[i], NULL);
	stop = true;
	called = ended = now_ms();
	/* That wakes all who wait there. */
	shutdown(listener, SHUT_RDWR);
	for (int i = 0; i < ACCEPTORS; i++) {
		pthread_join(t[i], NULL);
		close(s[i].ep);
	}
	close(listener);
	finish("accepted and ended", mode, start);
}

int main(void)
{
	long total, seconds;

	ktap_begin();
	total = number("RUSTTCP_TRANSITIONS", 20000);
	/* Full and empty once takes a second on the debug kernel. */
	seconds = number("RUSTTCP_SECONDS", number("RUSTTCP_DEBUG", 0) ? 60 : 20);
	deadline = now_ms() + seconds * 1000;
	long long end = deadline, start = now_ms();
	long all = 0;
	int left = N_MODES * 3;

	/* Full and empty again takes its time: an eighth of them. Each kind has its share of the time. */
	for (enum mode m = 0; m < N_MODES; m++) {
		deadline = now_ms() + (end - now_ms()) / left--;
		readable(m, total * 5 / 8 / N_MODES);
		all += turns;
		deadline = now_ms() + (end - now_ms()) / left--;
		writable(m, total / 8 / N_MODES);
		all += turns;
		deadline = now_ms() + (end - now_ms()) / left--;
		connections(m, total / 4 / N_MODES);
		all += turns;
	}
	printf("# %ld transitions in %lld ms\n", all, now_ms() - start);
	/* A slow machine reaches less, one that checks itself far less; few would show nothing. */
	ktap(all >= total / (number("RUSTTCP_DEBUG", 0) ? 100 : 20), "transitions enough to mean something");
	return ktap_end();
}
