// SPDX-License-Identifier: GPL-2.0
/*
 * Each call of a table on a socket in each state of another: what it says, and what can be seen of the socket
 * after it. The kernel's TCP is asked the same; every answer has to be its answer, errnos that two faults
 * compete for among them.
 */
#include "common.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* What a cell is about. */
static int one_fd;
/* Its other end, or its listener. */
static int other_fd;
/* Somebody who listens, and a port that somebody holds. */
static struct endpoint server, taken;
static int fixed_port = 20000;
/* What a cell has to choose from, so that nothing is in TIME-WAIT there. */
static uint32_t first_choice = 32768;
enum { CHOICES = 8 };

static void shell(const char *command)
{
	must(system(command) == 0);
}

/* An address of ours that isn't loopback's. */
static struct endpoint ours(int port)
{
	return at(v6 ? "2001:db8::254" : "192.0.2.254", port);
}

static void bind_one(struct endpoint sin)
{
	must(bind(one_fd, SA(sin), sizeof(sin)) == 0);
}

static void set_one(int level, int name, int value)
{
	must(setsockopt(one_fd, level, name, &value, sizeof(value)) == 0);
}

static long to(struct endpoint sin)
{
	return connect(one_fd, SA(sin), sizeof(sin));
}

/* --- states ----------------------------------------------------------------------------------- */

static void fresh(void)
{
}

static void bound(void)
{
	bind_one(ours(0));
}

static void bound_fixed(void)
{
	bind_one(ours(++fixed_port));
}

static void bound_any(void)
{
	bind_one(at("0.0.0.0", 0));
}

static void bound_loopback(void)
{
	bind_one(v6 ? at("::1", 0) : at("127.0.0.2", 0));
}

static void bound_no_port(void)
{
	set_one(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	bind_one(ours(0));
}

static void listening(void)
{
	must(listen(one_fd, 3) == 0);
}

static void listening_bound(void)
{
	bound();
	listening();
}

static void listening_fixed(void)
{
	bound_fixed();
	listening();
}

static void listened(void)
{
	listening();
	must(shutdown(one_fd, SHUT_RDWR) == 0);
}

static void listened_bound(void)
{
	listening_bound();
	must(shutdown(one_fd, SHUT_RDWR) == 0);
}

static void listened_fixed(void)
{
	listening_fixed();
	must(shutdown(one_fd, SHUT_RDWR) == 0);
}

static void connecting(void)
{
	must(to(at("192.0.2.9", 80)) == -1 && errno == EINPROGRESS);
}

static void connecting_fixed(void)
{
	bound_fixed();
	connecting();
}

static void refused(void)
{
	must(to(at("127.0.0.1", 1)) == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
	poll_for(one_fd, POLLIN | POLLOUT, 5000);
}

static void connected(void)
{
	int listener = new_socket();
	struct endpoint sin = at("127.0.0.1", ++fixed_port);

	must(bind(listener, SA(sin), sizeof(sin)) == 0 && listen(listener, 1) == 0);
	must(to(sin) == 0 || errno == EINPROGRESS);
	other_fd = accept(listener, NULL, NULL);
	must(other_fd >= 0 && poll_for(one_fd, POLLOUT, 5000) == POLLOUT);
	close(listener);
}

static void connected_told(void)
{
	struct endpoint sin = server;

	connected();
	/* The second connect() of a non-blocking one says that it is done. */
	must(to(sin) == 0 || errno == EISCONN);
}

static void connected_fixed(void)
{
	bind_one(at("127.0.0.1", ++fixed_port));
	connected_told();
}

static void hang_up(bool hard)
{
	if (hard)
		close_hard(other_fd);
	else
		close(other_fd);
	other_fd = -1;
	must(poll_for(one_fd, POLLIN, 5000) & POLLIN);
}

static void was_reset(void)
{
	connected_told();
	hang_up(true);
}

static void was_reset_fixed(void)
{
	connected_fixed();
	hang_up(true);
}

static void was_reset_told(void)
{
	was_reset();
	must(so_error(one_fd) == ECONNRESET);
}

static void peer_closed(void)
{
	connected_told();
	hang_up(false);
}

static void shut_down(void)
{
	connected_told();
	must(shutdown(one_fd, SHUT_RDWR) == 0);
}

static void all_closed(void)
{
	peer_closed();
	must(shutdown(one_fd, SHUT_RDWR) == 0);
	must(until(poll_for(one_fd, POLLIN | POLLOUT, 0) & POLLHUP));
}

static void waited_out(void)
{
	connected_told();
	must(shutdown(one_fd, SHUT_WR) == 0);
	hang_up(false);
}

static void unconnected(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	connected_told();
	must(connect(one_fd, &nobody, sizeof(nobody)) == 0);
}

static void peeking(void)
{
	set_one(SOL_SOCKET, SO_PEEK_OFF, 3);
}

static const struct {
	const char *name;
	void (*make)(void);
} states[] = {
	{ "fresh", fresh },
	{ "bound", bound },
	{ "bound to a number", bound_fixed },
	{ "bound to any", bound_any },
	{ "bound to loopback", bound_loopback },
	{ "bound without a port", bound_no_port },
	{ "listening", listening },
	{ "listening, bound", listening_bound },
	{ "listening, bound to a number", listening_fixed },
	{ "stopped listening", listened },
	{ "stopped listening, bound", listened_bound },
	{ "stopped listening, bound to a number", listened_fixed },
	{ "connecting", connecting },
	{ "connecting, bound to a number", connecting_fixed },
	{ "refused", refused },
	{ "connected, not told", connected },
	{ "connected", connected_told },
	{ "connected, bound to a number", connected_fixed },
	{ "reset", was_reset },
	{ "reset, bound to a number", was_reset_fixed },
	{ "reset, told", was_reset_told },
	{ "the peer closed", peer_closed },
	{ "shut down", shut_down },
	{ "closed by both", all_closed },
	{ "closed by both, this end first", waited_out },
	{ "disconnected", unconnected },
	{ "with SO_PEEK_OFF", peeking },
};

/* --- calls ------------------------------------------------------------------------------------ */

static long do_nothing(void)
{
	return 0;
}

static long bind_to(struct endpoint sin)
{
	return bind(one_fd, SA(sin), sizeof(sin));
}

static long bind_ours(void)
{
	return bind_to(ours(0));
}

static long bind_fixed(void)
{
	return bind_to(ours(++fixed_port));
}

static long bind_short(void)
{
	struct endpoint sin = ours(0);

	return bind(one_fd, SA(sin), 7);
}

static long bind_nothing(void)
{
	struct endpoint sin = ours(0);

	return bind(one_fd, SA(sin), 0);
}

static long bind_family(void)
{
	struct endpoint sin = ours(0);

	sin.sin_family = AF_UNIX;
	return bind_to(sin);
}

static long bind_unspec(void)
{
	struct endpoint sin = at("0.0.0.0", 0);

	sin.sin_family = AF_UNSPEC;
	return bind_to(sin);
}

static long bind_unspec_ours(void)
{
	struct endpoint sin = ours(0);

	sin.sin_family = AF_UNSPEC;
	return bind_to(sin);
}

static long bind_not_ours(void)
{
	return bind_to(at(v6 ? "2001:db9::1" : "203.0.113.1", 0));
}

static long bind_many(void)
{
	return bind_to(at(v6 ? "ff02::1" : "224.0.0.1", 0));
}

static long bind_all(void)
{
	return bind_to(at(v6 ? "ff0e::1" : "255.255.255.255", 0));
}

static long bind_taken(void)
{
	return bind_to(taken);
}

static long bind_low_as_nobody(void)
{
	return bind_to(ours(81)) ? -errno : 0;
}

static long bind_low(void)
{
	errno = -as_nobody(bind_low_as_nobody);
	return errno ? -1 : 0;
}

static long connect_server(void)
{
	return to(server);
}

static long connect_nowhere(void)
{
	return to(at("192.0.2.9", 80));
}

static long connect_refused(void)
{
	return to(at("127.0.0.1", 1));
}

static long connect_short(void)
{
	struct endpoint sin = server;

	return connect(one_fd, SA(sin), 7);
}

static long connect_nothing(void)
{
	struct endpoint sin = server;

	return connect(one_fd, SA(sin), 0);
}

static long connect_family(void)
{
	struct endpoint sin = server;

	sin.sin_family = AF_UNIX;
	return to(sin);
}

static long connect_many(void)
{
	return to(at(v6 ? "ff02::1" : "224.0.0.1", 80));
}

static long connect_all(void)
{
	return to(at(v6 ? "ff0e::1" : "255.255.255.255", 80));
}

static long connect_broadcast(void)
{
	return to(at(v6 ? "ff05::1" : "192.0.2.255", 80));
}

static long connect_no_route(void)
{
	return to(at(v6 ? "2001:db9::1" : "203.0.113.1", 80));
}

static long connect_any(void)
{
	return to(at("0.0.0.0", ntohs(server.sin_port)));
}

static long connect_no_port(void)
{
	return to(at("127.0.0.1", 0));
}

static long disconnect(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	return connect(one_fd, &nobody, sizeof(nobody.sa_family));
}

static long disconnect_short(void)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	return connect(one_fd, &nobody, 1);
}

static long do_listen(void)
{
	return listen(one_fd, 2);
}

static long do_accept(void)
{
	return accept(one_fd, NULL, NULL);
}

static long shut_read(void)
{
	return shutdown(one_fd, SHUT_RD);
}

static long shut_write(void)
{
	return shutdown(one_fd, SHUT_WR);
}

static long shut_both(void)
{
	return shutdown(one_fd, SHUT_RDWR);
}

static long do_send(void)
{
	return send(one_fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static long do_recv(void)
{
	char byte;

	return recv(one_fd, &byte, 1, MSG_DONTWAIT);
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{ "nothing", do_nothing },
	{ "bind()", bind_ours },
	{ "bind() to a number", bind_fixed },
	{ "bind(), a short address", bind_short },
	{ "bind(), no address", bind_nothing },
	{ "bind(), another family", bind_family },
	{ "bind(), AF_UNSPEC and any address", bind_unspec },
	{ "bind(), AF_UNSPEC and an address", bind_unspec_ours },
	{ "bind(), not our address", bind_not_ours },
	{ "bind(), multicast", bind_many },
	{ "bind(), broadcast", bind_all },
	{ "bind(), a port in use", bind_taken },
	{ "bind(), a privileged port", bind_low },
	{ "connect()", connect_server },
	{ "connect() to nobody", connect_nowhere },
	{ "connect(), refused", connect_refused },
	{ "connect(), a short address", connect_short },
	{ "connect(), no address", connect_nothing },
	{ "connect(), another family", connect_family },
	{ "connect(), multicast", connect_many },
	{ "connect(), everybody", connect_all },
	{ "connect(), the network's broadcast", connect_broadcast },
	{ "connect(), no route", connect_no_route },
	{ "connect(), any address", connect_any },
	{ "connect(), no port", connect_no_port },
	{ "connect(AF_UNSPEC)", disconnect },
	{ "connect(AF_UNSPEC), a short address", disconnect_short },
	{ "listen()", do_listen },
	{ "accept()", do_accept },
	{ "shutdown(SHUT_RD)", shut_read },
	{ "shutdown(SHUT_WR)", shut_write },
	{ "shutdown(SHUT_RDWR)", shut_both },
	{ "send()", do_send },
	{ "recv()", do_recv },
};

/* --- what is seen ----------------------------------------------------------------------------- */

struct seen {
	char line[240];
};

static struct seen (*seen)[ARRAY_SIZE(states)][ARRAY_SIZE(calls)];

static const char *name_of(int e)
{
	return e ? strerror(e) : "0";
}

static char *shown(struct endpoint *sin, char *buf)
{
	if (v6)
		inet_ntop(AF_INET6, &sin->in6.sin6_addr, buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET, &sin->sin_addr, buf, INET6_ADDRSTRLEN);
	return buf;
}

/* Whether somebody else could bind to where this one was: its port is free. */
static const char *port_is(struct endpoint sin)
{
	int fd;
	long r;

	if (!sin.sin_port)
		return "none";
	fd = new_socket();
	r = bind(fd, SA(sin), sizeof(sin));
	close(fd);
	return r ? "held" : "free";
}

/* What getsockname() tells of the port. If the call chose a new one, that may be any. */
static const char *told_port(unsigned short now, unsigned short before, bool chosen)
{
	if (!now)
		return " port 0";
	return chosen || !before ? "" : now == before ? " port as before" : " another port";
}

static void look(struct seen *cell, void (*make)(void), long (*call)(void))
{
	struct endpoint before, after, peer = { 0 };
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN] = "";
	socklen_t len = sizeof(peer);
	int events, error, peer_error, off;
	const char *port;
	bool chosen;
	long r;

	one_fd = new_socket();
	other_fd = -1;
	must(fcntl(one_fd, F_SETFL, O_NONBLOCK) == 0);
	set_one(IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, first_choice | (first_choice + CHOICES - 1) << 16);
	first_choice += CHOICES;
	make();
	before = local_of(one_fd);
	errno = 0;
	r = call();
	error = r < 0 ? errno : 0;
	/* What is under way on loopback gets there. */
	if (error == EINPROGRESS && call != connect_nowhere)
		poll_for(one_fd, POLLIN | POLLOUT, 2000);
	events = poll_for(one_fd, POLLIN | POLLOUT | POLLRDHUP, 0);
	after = local_of(one_fd);
	if (!after.sin_port)
		after.sin_port = before.sin_port;
	off = get_int(one_fd, SOL_SOCKET, SO_PEEK_OFF);
	port = port_is(after);
	/* It is held now, or was until connect() failed. */
	chosen = *port == 'h' || error == EINPROGRESS;
	peer_error = getpeername(one_fd, SA(peer), &len) ? errno : 0;
	if (!peer_error)
		shown(&peer, b);
	snprintf(cell->line, sizeof(cell->line),
		 "%d %s, events %x, then %s, local %s%s, its port is %s, peer %s %s, peeks at %d", r < 0 ? -1 : 0,
		 name_of(error), events, name_of(so_error(one_fd)), shown(&after, a),
		 told_port(local_of(one_fd).sin_port, before.sin_port, chosen), port, name_of(peer_error), b, off);
	close(one_fd);
	if (other_fd >= 0)
		close(other_fd);
}

static void look_at_all(int stack)
{
	int holder, listener;

	own_namespace();
	shell("ip -batch - <<-END\n"
	      "	link add dummy0 up type dummy\n"
	      "	addr add 192.0.2.254/24 brd + dev dummy0\n"
	      "	addr add 2001:db8::254/64 dev dummy0 nodad\n"
	      "END");
	listener = new_socket();
	server = at("0.0.0.0", 0);
	must(bind(listener, SA(server), sizeof(server)) == 0 && listen(listener, 1000) == 0);
	server = at("127.0.0.1", ntohs(local_of(listener).sin_port));
	holder = new_socket();
	taken = ours(0);
	must(bind(holder, SA(taken), sizeof(taken)) == 0);
	taken = local_of(holder);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		for (size_t j = 0; j < ARRAY_SIZE(calls); j++) {
			look(&seen[stack][i][j], states[i].make, calls[j].call);
			/* Nobody waits there for long. */
			for (int fd; fcntl(listener, F_SETFL, O_NONBLOCK) == 0 && (fd = accept(listener, NULL, NULL)) >= 0;)
				close(fd);
		}
}

/* --- a listen() that fails -------------------------------------------------------------------- */

static int second_fd;
static atomic_bool over;

static void *listen_in_vain(void *unused)
{
	while (!over)
		if (listen(second_fd, 1) != -1 || errno != EADDRINUSE)
			return "it listens";
	return unused;
}

/* Its socket is bound to where another listens, who goes on getting every connection at once. */
static void second_listener(struct endpoint one, struct endpoint other, const char *name)
{
	int one_listens = new_socket(), yes = 1, fd, late = 0;
	pthread_t thread;
	void *wrong;

	second_fd = new_socket();
	must(setsockopt(one_listens, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
	must(setsockopt(second_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0);
	must(bind(one_listens, SA(one), sizeof(one)) == 0);
	must(bind(second_fd, SA(other), sizeof(other)) == 0);
	must(listen(one_listens, 10) == 0);
	over = false;
	must(pthread_create(&thread, NULL, listen_in_vain, NULL) == 0);
	other = at("127.0.0.1", ntohs(one.sin_port));
	for (int i = 0; i < 3000 && late < 3; i++) {
		long long start = now_ms();

		fd = new_socket();
		must(connect(fd, SA(other), sizeof(other)) == 0);
		/* A SYN that nobody answers is sent again after a second. */
		late += now_ms() - start > 900;
		close(accept(one_listens, NULL, NULL));
		close_hard(fd);
	}
	over = true;
	must(pthread_join(thread, &wrong) == 0);
	if (late || wrong)
		printf("# %d were late%s%s\n", late, wrong ? "; " : "", wrong ? (char *)wrong : "");
	ktap(!late && !wrong, name);
	close(second_fd);
	close(one_listens);
}

int main(void)
{
	const char *tested = getenv("RUSTTCP_FAMILY");
	int status;

	ktap_begin();
	seen = mmap(NULL, 2 * sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(seen != MAP_FAILED);
	for (int stack = 0; stack < 2; stack++) {
		if (!fork()) {
			choose_family(stack ? tested : v6 ? "inet6" : "inet");
			look_at_all(stack);
			fflush(stdout);
			_exit(0);
		}
	}
	for (int stack = 0; stack < 2; stack++)
		must(wait(&status) > 0 && status == 0);
	for (size_t j = 0; j < ARRAY_SIZE(calls); j++) {
		bool same = true;

		for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
			if (!strcmp(seen[0][i][j].line, seen[1][i][j].line))
				continue;
			same = false;
			printf("# %s, %s\n#   the kernel's TCP: %s\n#   this one:         %s\n", states[i].name, calls[j].name,
			       seen[0][i][j].line, seen[1][i][j].line);
		}
		ktap(same, calls[j].name);
	}
	second_listener(at("127.0.0.1", 7601), at("127.0.0.1", 7601), "a listen() that fails takes nothing away");
	second_listener(at("0.0.0.0", 7602), at("127.0.0.1", 7602), "nor one at an address of those that another has");
	return ktap_end();
}
