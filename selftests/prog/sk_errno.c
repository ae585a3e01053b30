// SPDX-License-Identifier: GPL-2.0
/*
 * Every errno of socket(2), bind(2), listen(2), accept(2), connect(2), send(2), recv(2), shutdown(2),
 * getsockopt(2), tcp(7), ip(7) and ipv6(7) that a stream socket can come to: brought about on the kernel's
 * TCP and then on ours, which has to say the same. What those pages have besides is in errno_rst.h, with
 * the reason or the place where it is tested.
 *
 * sk_errno --rst writes the table of Documentation/errnos.rst (make errnos).
 */
#include "common.h"
#include "errno_open.h"
#include "errno_rst.h"
#include "errno_use.h"
#include <stdatomic.h>
#include <sys/mman.h>

/* --- all of them ------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	long want;
	long (*ask)(void);
} rows[] = {
	{ "socket(2): EAFNOSUPPORT, no such family", -EAFNOSUPPORT, socket_family },
	{ "socket(2): EINVAL, flags in the type", -EINVAL, socket_type_flags },
	{ "socket(2): EINVAL, no such type", -EINVAL, socket_type_unknown },
	{ "socket(2): EMFILE", -EMFILE, socket_descriptors },
	{ "socket(2): ENFILE", -ENFILE, socket_files },
	{ "socket(2): EPROTONOSUPPORT", -EPROTONOSUPPORT, socket_protocol },
	{ "ip(7): ESOCKTNOSUPPORT", -ESOCKTNOSUPPORT, socket_type },

	{ "bind(2): EACCES, a privileged port", -EACCES, bind_privileged },
	{ "bind(2): EADDRINUSE", -EADDRINUSE, bind_taken },
	{ "bind(2): EADDRINUSE, no port is left", -EADDRINUSE, bind_no_ports },
	{ "bind(2): EINVAL, bound already", -EINVAL, bind_twice },
	{ "bind(2): EINVAL, a short address", -EINVAL, bind_short },
	{ "bind(2): EAFNOSUPPORT, another family", -EAFNOSUPPORT, bind_other_family },
	{ "bind(2): EADDRNOTAVAIL", -EADDRNOTAVAIL, bind_not_ours },
	{ "bind(2): EFAULT", -EFAULT, bind_pointer },
	{ "ipv6(7): EINVAL, a link-local address of no link", -EINVAL, bind_no_link },
	{ "ipv6(7): ENODEV, a link-local address of a link that is not there", -ENODEV, bind_wrong_link },
	{ "listen(2): EADDRINUSE, somebody listens there", -EADDRINUSE, listen_taken },
	{ "listen(2): EADDRINUSE, no port is left", -EADDRINUSE, listen_no_ports },

	{ "accept(2): EAGAIN", -EAGAIN, accept_none },
	{ "accept(2): EFAULT", -EFAULT, accept_pointer },
	{ "accept(2): EINTR", -EINTR, accept_interrupted },
	{ "accept(2): EINVAL, not a listener", -EINVAL, accept_not_listening },
	{ "accept(2): EINVAL, a length below zero", -EINVAL, accept_length },
	{ "accept(2): EINVAL, accept4()'s flags", -EINVAL, accept_flags },
	{ "accept(2): ENFILE", -ENFILE, accept_files },
	{ "accept(2): EMFILE, and the connection still waits", -EMFILE, accept_descriptors },

	{ "connect(2): EACCES, a prohibited route", -EACCES, connect_prohibited },
	{ "connect(2): EPERM, a broadcast address, which is ENETUNREACH for TCP", -ENETUNREACH, connect_many },
	{ "connect(2): EADDRNOTAVAIL, no port is left", -EADDRNOTAVAIL, connect_no_ports },
	{ "connect(2): EADDRNOTAVAIL, that connection exists", -EADDRNOTAVAIL, connect_same },
	{ "connect(2): EAFNOSUPPORT", -EAFNOSUPPORT, connect_other_family },
	{ "connect(2): EALREADY", -EALREADY, connect_again },
	{ "connect(2): EALREADY, when its time is up again", -EALREADY, connect_late_again },
	{ "connect(2): ECONNREFUSED", -ECONNREFUSED, connect_refused },
	{ "connect(2): EFAULT", -EFAULT, connect_pointer },
	{ "connect(2): EINVAL, a short address", -EINVAL, connect_short },
	{ "connect(2): EINPROGRESS", -EINPROGRESS, connect_nonblocking },
	{ "connect(2): EINPROGRESS, when its time is up", -EINPROGRESS, connect_late },
	{ "connect(2): EINTR", -EINTR, connect_interrupted },
	{ "connect(2): EALREADY after EINTR", -EALREADY, connect_interrupted_again },
	{ "connect(2): EISCONN", -EISCONN, connect_twice },
	{ "connect(2): ENETUNREACH", -ENETUNREACH, connect_no_route },
	{ "connect(2): ETIMEDOUT", -ETIMEDOUT, connect_timed_out },
	{ "ip(7): EHOSTUNREACH, an unreachable route", -EHOSTUNREACH, connect_unreachable },
	{ "ip(7): EINVAL, a black-hole route", -EINVAL, connect_black_hole },

	{ "send(2): EAGAIN", -EAGAIN, send_full },
	{ "send(2): EAGAIN, when its time is up", -EAGAIN, send_late },
	{ "send(2): EINTR", -EINTR, send_interrupted },
	{ "send(2): ECONNRESET", -ECONNRESET, send_reset },
	{ "send(2): EPIPE, a reset that was told already", -EPIPE, send_after_reset },
	{ "send(2): EPIPE, shut for writing", -EPIPE, send_shut },
	{ "send(2): ENOTCONN, which is EPIPE in Linux", -EPIPE, send_unconnected },
	{ "send(2): EISCONN, or the address is ignored", 1, send_addressed },
	{ "send(2): EFAULT", -EFAULT, send_pointer },
	{ "send(2): EINVAL, a broken control message", -EINVAL, send_control },
	{ "send(2): EOPNOTSUPP, MSG_FASTOPEN switched off", -EOPNOTSUPP, send_fast },
	{ "send(2): EDESTADDRREQ, MSG_FASTOPEN without an address, which is EINVAL", -EINVAL, send_fast_nowhere },
	{ "send(2): EALREADY, MSG_FASTOPEN again", -EALREADY, send_fast_again },

	{ "recv(2): EAGAIN", -EAGAIN, recv_none },
	{ "recv(2): EAGAIN, when its time is up", -EAGAIN, recv_late },
	{ "recv(2): ECONNREFUSED", -ECONNREFUSED, recv_refused },
	{ "tcp(7): ECONNRESET", -ECONNRESET, recv_reset },
	{ "recv(2): EFAULT", -EFAULT, recv_pointer },
	{ "recv(2): EINTR", -EINTR, recv_interrupted },
	{ "recv(2): EINVAL, a name's length below zero", -EINVAL, recv_name_length },
	{ "recv(2): EINVAL, MSG_OOB without urgent data", -EINVAL, recv_urgent },
	{ "recv(2): ENOTCONN", -ENOTCONN, recv_unconnected },

	{ "shutdown(2): EINVAL", -EINVAL, shutdown_how },
	{ "shutdown(2): ENOTCONN", -ENOTCONN, shutdown_unconnected },
	{ "getsockopt(2): EFAULT, the value", -EFAULT, get_value_pointer },
	{ "getsockopt(2): EFAULT, the length", -EFAULT, get_length_pointer },
	{ "getsockopt(2): EINVAL", -EINVAL, get_length },
	{ "getsockopt(2): ENOPROTOOPT", -ENOPROTOOPT, get_unknown },
	{ "setsockopt(2): EFAULT", -EFAULT, set_pointer },
	{ "setsockopt(2): EINVAL, the length", -EINVAL, set_length },
	{ "setsockopt(2): EINVAL, the value", -EINVAL, set_value },
	{ "setsockopt(2): ENOPROTOOPT", -ENOPROTOOPT, set_unknown },

	{ "tcp(7): ETIMEDOUT, data is not acknowledged", -ETIMEDOUT, data_timed_out },
	{ "tcp(7): ETIMEDOUT, keepalive is not answered", -ETIMEDOUT, keepalive_timed_out },
	{ "ip(7): ENOENT, SIOCGSTAMP without a packet", -ENOENT, no_stamp },
	{ "ip(7): EPERM, SO_ATTACH_FILTER", -EPERM, nobody_attaches },
};

static const char *tested;
static bool rst;

/* One question: a row of the table, a call of a descriptor that is none, or what a user may not set. */
struct question {
	char name[100];
	long want;
	long (*ask)(void);
	/* Which of them it is about, for the latter two. */
	size_t number;
	/* While it is asked the host has no files for others. */
	bool alone;
};

static struct question questions[ARRAY_SIZE(rows) + 2 * ARRAY_SIZE(calls) + ARRAY_SIZE(guarded)];
static size_t n_questions;
static size_t number;

static long ask_closed(void)
{
	return of_closed(calls[number].call);
}

static long ask_file(void)
{
	return of_file(calls[number].call);
}

static long set_that(void)
{
	return set_guarded(number);
}

static long ask_guarded(void)
{
	return as_nobody(set_that);
}

static struct question *question(long want, long (*ask)(void), size_t which)
{
	struct question *q = &questions[n_questions++];

	q->want = want;
	q->ask = ask;
	q->number = which;
	return q;
}

static void list_questions(void)
{
	struct question *q;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!v6 && !strncmp(rows[i].name, "ipv6(7)", 7))
			continue;
		q = question(rows[i].want, rows[i].ask, 0);
		q->alone = q->ask == socket_files || q->ask == accept_files;
		snprintf(q->name, sizeof(q->name), "%s", rows[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		q = question(-EBADF, ask_closed, i);
		snprintf(q->name, sizeof(q->name), "%s: EBADF", calls[i].page);
		q = question(-ENOTSOCK, ask_file, i);
		snprintf(q->name, sizeof(q->name), "%s: ENOTSOCK", calls[i].page);
	}
	for (size_t i = 0; i < ARRAY_SIZE(guarded); i++) {
		q = question(guarded[i].want, ask_guarded, i);
		snprintf(q->name, sizeof(q->name), "ip(7): %s", guarded[i].name);
	}
}

/* What the kernel's TCP answers, and the stack under test; and which is to be asked next. */
static struct shared {
	long answers[ARRAY_SIZE(questions)][2];
	atomic_size_t next[2];
} *shared;

static void put(size_t i, int stack)
{
	number = questions[i].number;
	shared->answers[i][stack] = questions[i].ask();
}

/* A few for each stack, with a network of their own: most of what they do is to wait. */
#define ASKERS	6

static void asker(int stack)
{
	own_namespace();
	run("ip -batch - <<-END\n"
	    "	link add dummy0 up type dummy\n"
	    "	addr add 192.0.2.254/24 dev dummy0\n"
	    "	addr add 2001:db8::254/64 dev dummy0 nodad\n"
	    "	route add prohibit 198.51.100.0/26\n"
	    "	route add prohibit 2001:db8:a::/48\n"
	    "	route add unreachable 198.51.100.64/26\n"
	    "	route add unreachable 2001:db8:b::/48\n"
	    "	route add blackhole 198.51.100.128/26\n"
	    "	route add blackhole 2001:db8:c::/48\n"
	    "END");
	for (size_t i; (i = atomic_fetch_add(&shared->next[stack], 1)) < n_questions;)
		if (!questions[i].alone)
			put(i, stack);
}

static void choose_stack(int stack)
{
	choose_family(stack ? tested : v6 ? "inet6" : "inet");
}

static void ask_all(void)
{
	int status;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED);
	for (int stack = 0; stack < 2; stack++) {
		choose_stack(stack);
		for (size_t i = 0; i < n_questions; i++)
			if (questions[i].alone)
				put(i, stack);
	}
	fflush(stdout);
	for (int i = 0; i < 2 * ASKERS; i++) {
		pid_t pid = fork();

		must(pid >= 0);
		if (!pid) {
			choose_stack(i % 2);
			asker(i % 2);
			fflush(stdout);
			_exit(0);
		}
	}
	for (int i = 0; i < 2 * ASKERS; i++)
		must(wait(&status) > 0 && status == 0);
}

static void judge(const struct question *q, const long answers[2])
{
	bool good = answers[0] == q->want && answers[1] == q->want;

	if (!good)
		fprintf(rst ? stderr : stdout, "# %s: the kernel's TCP says %ld (%s), this one %ld (%s)\n", q->name,
			answers[0], strerror(answers[0] < 0 ? -answers[0] : 0), answers[1],
			strerror(answers[1] < 0 ? -answers[1] : 0));
	if (rst)
		rst_test(q->name, good);
	else
		ktap(good, q->name);
}

int main(int argc, char **argv)
{
	rst = argc > 1 && !strcmp(argv[1], "--rst");
	tested = getenv("RUSTTCP_FAMILY");
	if (rst) {
		choose_family(tested);
		signal(SIGPIPE, SIG_IGN);
		setvbuf(stdout, NULL, _IOLBF, 0);
		rst_head();
	} else {
		ktap_begin();
	}
	/* The other runs have the kernel's TCP as their control. */
	if (is_kernels())
		return ktap_end();
	list_questions();
	ask_all();
	for (size_t i = 0; i < n_questions; i++)
		judge(&questions[i], shared->answers[i]);
	if (!rst)
		return ktap_end();
	rst_others();
	return 0;
}
