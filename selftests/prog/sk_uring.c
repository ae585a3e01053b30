// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring's socket calls, on either stack: connect, accept, send and receive in their forms (one
 * shot and multishot, with provided buffers, linked, with a time limit, without copying), polling,
 * shutdown, cancellation. Each on a plain ring, on one whose completions run when the task asks for
 * them, and on one that a kernel thread serves. The rings are used without a library.
 */
#include "uring.h"

/* Younger than the oldest headers that this is built with. */
#define OP_BIND		56
#define OP_LISTEN	57
#define OP_URING_CMD	46
#define CMD_SIOCINQ	0
#define CMD_SIOCOUTQ	1
#define CMD_GETSOCKOPT	2
#define CMD_SETSOCKOPT	3
#define ZC_REPORT_USAGE	(1U << 3)
#define ZC_COPIED	(1U << 31)

static char prefix[16];

static void result(bool ok, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "%s%s", prefix, name);
	ktap(ok, text);
}

/* One test: a value that has to be another. */
#define is(got, want, name) do {						\
	long got_ = (long)(got), want_ = (long)(want);				\
	if (got_ != want_)							\
		printf("# %s:%d: got %ld, want %ld\n", __FILE__, __LINE__, got_, want_); \
	result(got_ == want_, name);						\
} while (0)

/* One call alone: its result. */
static int one(int op, int fd, const void *data, unsigned int len)
{
	call(op, fd, data, len, 1000);
	submit();
	return done(1000).res;
}

/* Whether nothing of call `id` comes for a while. */
static bool silent(uint64_t id)
{
	int res = done_within(id, 50).res;

	if (res != NOTHING)
		printf("# call %d came to %d\n", (int)id, res);
	return res == NOTHING;
}

static void fill(char *data, size_t len, int seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 7 + i / 251 + seed);
}

/* For what has to fill them. */
static void small_buffers(int fds[2])
{
	int size = 50000;

	must(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	must(setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
}

static int cancel(uint64_t id)
{
	call(IORING_OP_ASYNC_CANCEL, -1, (void *)(uintptr_t)id, 0, 1001);
	submit();
	return done(1001).res;
}

static void connect_and_accept(void)
{
	struct endpoint sin, from = { 0 }, peer;
	struct io_uring_sqe *sqe;
	socklen_t len = sizeof(from);
	int listener, c, child;

	listener = new_listener(4, &sin);
	c = new_socket();
	sqe = call(IORING_OP_ACCEPT, listener, &from, 0, 1);
	sqe->addr2 = (uintptr_t)&len;
	sqe->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	submit();
	result(silent(1), "accept: waits");
	call(IORING_OP_CONNECT, c, &sin, 0, 2)->off = sizeof(sin);
	submit();
	is(done(2).res, 0, "connect");
	child = done(1).res;
	result(child >= 0, "accept: a connection");
	peer = local_of(c);
	result(same_endpoint(&peer, &from) && len == addr_len(), "accept: whose it is");
	is(fcntl(child, F_GETFD), FD_CLOEXEC, "accept: SOCK_CLOEXEC");
	is(fcntl(child, F_GETFL) & O_NONBLOCK, O_NONBLOCK, "accept: SOCK_NONBLOCK");
	call(IORING_OP_CONNECT, c, &sin, 0, 2)->off = sizeof(sin);
	submit();
	is(done(2).res, -EISCONN, "connect: again");
	call(IORING_OP_RECV, child, &from, 1, 3)->msg_flags = MSG_DONTWAIT;
	submit();
	is(done(3).res, -EAGAIN, "recv: MSG_DONTWAIT");
	call(IORING_OP_RECV, child, &from, 1, 3);
	submit();
	result(silent(3), "recv: waits, O_NONBLOCK or not");
	must(send(c, "x", 1, 0) == 1);
	is(done(3).res, 1, "recv: O_NONBLOCK");
	is(one(IORING_OP_ACCEPT, c, NULL, 0), -EINVAL, "accept: not a listener");
	close(c);
	close(child);
	close(listener);
	c = new_socket();
	call(IORING_OP_CONNECT, c, &sin, 0, 2)->off = sizeof(sin);
	submit();
	is(done(2).res, -ECONNREFUSED, "connect: nobody listens");
	close(c);
	/* The calls that make a listener. */
	call(IORING_OP_SOCKET, family, NULL, protocol, 3)->off = SOCK_STREAM;
	submit();
	listener = done(3).res;
	result(listener >= 0, "socket");
	sin = at("127.0.0.1", 0);
	call(OP_BIND, listener, &sin, 0, 4)->addr2 = sizeof(sin);
	submit();
	is(done(4).res, 0, "bind");
	is(one(OP_LISTEN, listener, NULL, 3), 0, "listen");
	sin = local_of(listener);
	c = new_socket();
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "listen: it does");
	close(c);
	close(listener);
}

static void send_and_receive(void)
{
	static char data[3000000], got[3000000];
	struct outcome first;
	int fds[2], n;

	new_pair(fds);
	fill(data, sizeof(data), 1);
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	submit();
	result(silent(1), "recv: waits");
	is(one(IORING_OP_SEND, fds[0], data, 5), 5, "send");
	is(done(1).res, 5, "recv");
	result(!memcmp(data, got, 5), "recv: the bytes");

	call(IORING_OP_RECV, fds[1], got, 10000, 1)->msg_flags = MSG_WAITALL;
	submit();
	for (int i = 0; i < 4; i++) {
		must(send(fds[0], data + i * 2500, 2500, 0) == 2500);
		if (i == 1)
			result(silent(1), "recv: MSG_WAITALL waits for all");
	}
	is(done(1).res, 10000, "recv: MSG_WAITALL");
	result(!memcmp(data, got, 10000), "recv: MSG_WAITALL, the bytes");

	/* Far more than fits the buffers. */
	small_buffers(fds);
	call(IORING_OP_SEND, fds[0], data, sizeof(data), 2)->msg_flags = MSG_WAITALL;
	submit();
	result(silent(2), "send: MSG_WAITALL waits for room");
	call(IORING_OP_RECV, fds[1], got, sizeof(got), 1)->msg_flags = MSG_WAITALL;
	submit();
	is(done(2).res, sizeof(data), "send: MSG_WAITALL, all of it");
	is(done(1).res, sizeof(data), "recv: all of it");
	result(!memcmp(data, got, sizeof(data)), "recv: all of it, the bytes");

	must(send(fds[0], data, 10, 0) == 10);
	until(poll_for(fds[1], POLLIN, 0) > 0);
	memset(got, 0, 20);
	call(IORING_OP_RECV, fds[1], got, 4, 1)->msg_flags = MSG_PEEK;
	submit();
	is(done(1).res, 4, "recv: MSG_PEEK");
	call(IORING_OP_RECV, fds[1], got + 10, 4, 1);
	submit();
	first = done(1);
	result(first.res == 4 && !memcmp(got, got + 10, 4), "recv: what was peeked at");
	result(first.flags & IORING_CQE_F_SOCK_NONEMPTY, "recv: says that there is more");
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	submit();
	first = done(1);
	result(first.res == 6 && !(first.flags & IORING_CQE_F_SOCK_NONEMPTY), "recv: and that there is not");

	/* read() and write() in the same way. */
	call(IORING_OP_READ, fds[0], got, 100, 1)->off = -1;
	call(IORING_OP_WRITE, fds[1], data, 33, 2)->off = -1;
	submit();
	is(done(2).res, 33, "write");
	is(done(1).res, 33, "read");

	/* A worker thread may be asked for from the start. */
	call(IORING_OP_RECV, fds[1], got, 100, 1)->flags = IOSQE_ASYNC;
	submit();
	result(silent(1), "recv: by a worker, waits");
	call(IORING_OP_SEND, fds[0], data, 7, 2)->flags = IOSQE_ASYNC;
	submit();
	is(done(2).res, 7, "send: by a worker");
	is(done(1).res, 7, "recv: by a worker");

	/* The end. */
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	submit();
	close(fds[0]);
	is(done(1).res, 0, "recv: the end");
	n = one(IORING_OP_SEND, fds[1], data, 10);
	result(n == 10, "send: nobody there, not known yet");
	until(poll_for(fds[1], POLLERR, 0) > 0);
	n = one(IORING_OP_SEND, fds[1], data, 10);
	result(n == -EPIPE || n == -ECONNRESET, "send: nobody there, and no signal");
	close(fds[1]);

	new_pair(fds);
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	submit();
	close_hard(fds[0]);
	is(done(1).res, -ECONNRESET, "recv: a reset");
	close(fds[1]);
}

static void messages(void)
{
	char control[CMSG_SPACE(sizeof(int))], data[300], got[300];
	struct iovec out[3] = { { data, 100 }, { data + 100, 1 }, { data + 101, 199 } };
	struct iovec in[2] = { { got, 50 }, { got + 50, 150 } };
	struct msghdr tx = { .msg_iov = out, .msg_iovlen = 3 };
	struct msghdr rx = {
		.msg_iov = in, .msg_iovlen = 2,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int fds[2], on = 1, left = -1;

	new_pair(fds);
	fill(data, sizeof(data), 2);
	must(setsockopt(fds[1], IPPROTO_TCP, TCP_INQ, &on, sizeof(on)) == 0);
	call(IORING_OP_RECVMSG, fds[1], &rx, 1, 1);
	submit();
	result(silent(1), "recvmsg: waits");
	is(one(IORING_OP_SENDMSG, fds[0], &tx, 1), 300, "sendmsg: three parts");
	is(done(1).res, 200, "recvmsg: two parts");
	result(!memcmp(data, got, 200), "recvmsg: the bytes");
	c = CMSG_FIRSTHDR(&rx);
	if (c && c->cmsg_level == SOL_TCP && c->cmsg_type == TCP_CM_INQ)
		memcpy(&left, CMSG_DATA(c), sizeof(left));
	is(left, 100, "recvmsg: its control message (TCP_INQ)");
	is(rx.msg_flags, 0, "recvmsg: its flags");
	is(one(IORING_OP_RECV, fds[1], got, 300), 100, "recvmsg: the rest");
	close(fds[0]);
	close(fds[1]);
}

/* Whether more connections wait is told with each. */
static void accept_more(void)
{
	struct outcome a;
	struct endpoint sin;
	int listener = new_listener(16, &sin), c[3], good = 0;

	for (int i = 0; i < 3; i++) {
		c[i] = new_socket();
		must(connect(c[i], SA(sin), sizeof(sin)) == 0);
	}
	for (int i = 0; i < 3; i++) {
		call(IORING_OP_ACCEPT, listener, NULL, 0, 1);
		submit();
		a = done(1);
		must(a.res >= 0);
		good += !!(a.flags & IORING_CQE_F_SOCK_NONEMPTY) == (i < 2);
		close(a.res);
		close(c[i]);
	}
	is(good, 3, "accept: says whether there is more");
	close(listener);
}

static void multishot_accept(void)
{
	struct outcome a;
	struct endpoint sin;
	int listener = new_listener(16, &sin), c[5], good = 0;

	call(IORING_OP_ACCEPT, listener, NULL, 0, 1)->ioprio = IORING_ACCEPT_MULTISHOT;
	submit();
	for (int i = 0; i < 5; i++) {
		c[i] = new_socket();
		must(connect(c[i], SA(sin), sizeof(sin)) == 0);
		/* Some one by one, some together. */
		if (i < 2) {
			a = done(1);
			good += a.res >= 0 && a.flags & IORING_CQE_F_MORE;
			close(a.res);
		}
	}
	for (int i = 2; i < 5; i++) {
		a = done(1);
		good += a.res >= 0 && a.flags & IORING_CQE_F_MORE;
		close(a.res);
	}
	is(good, 5, "multishot accept: each connection");
	result(silent(1), "multishot accept: no more");
	is(cancel(1), 0, "multishot accept: cancelled");
	a = done(1);
	result(a.res == -ECANCELED && !(a.flags & IORING_CQE_F_MORE), "multishot accept: its end");
	for (int i = 0; i < 5; i++)
		close(c[i]);
	call(IORING_OP_ACCEPT, listener, NULL, 0, 1)->ioprio = IORING_ACCEPT_MULTISHOT;
	submit();
	must(shutdown(listener, SHUT_RD) == 0);
	is(done(1).res, -EINVAL, "multishot accept: the listener is shut");
	close(listener);
}

#define BUFS	8
#define BUF_LEN	64

static struct io_uring_buf_ring *bufs;
static char buf_data[BUFS][BUF_LEN];

static void buf_give(int id)
{
	struct io_uring_buf *b = &bufs->bufs[bufs->tail & (BUFS - 1)];

	b->addr = (uintptr_t)buf_data[id];
	b->len = BUF_LEN;
	b->bid = id;
	__atomic_store_n(&bufs->tail, bufs->tail + 1, __ATOMIC_RELEASE);
}

static void bufs_open(void)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFS, .bgid = 1 };

	bufs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(bufs != MAP_FAILED);
	reg.ring_addr = (uintptr_t)bufs;
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &reg, 1) == 0);
	for (int i = 0; i < BUFS; i++)
		buf_give(i);
}

static void bufs_close(void)
{
	struct io_uring_buf_reg reg = { .bgid = 1 };

	must(syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_PBUF_RING, &reg, 1) == 0);
	munmap(bufs, 4096);
}

static void arm_recv(int op, int fd, const void *data, uint64_t id)
{
	struct io_uring_sqe *sqe = call(op, fd, data, op == IORING_OP_RECVMSG, id);

	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = 1;
	submit();
}

static void multishot_recv(void)
{
	char data[BUFS * BUF_LEN + 100], got[2 * sizeof(data)];
	struct outcome r;
	int fds[2], total = 0, shots = 0;
	bool flags = true;

	bufs_open();
	new_pair(fds);
	fill(data, sizeof(data), 3);
	arm_recv(IORING_OP_RECV, fds[1], NULL, 1);
	result(silent(1), "multishot recv: waits");
	for (int i = 0; i < 10; i++) {
		must(send(fds[0], data + i * 30, 30, 0) == 30);
		while (total < (i + 1) * 30) {
			r = done(1);
			if (r.res <= 0)
				break;
			flags = flags && r.flags & IORING_CQE_F_MORE && r.flags & IORING_CQE_F_BUFFER;
			memcpy(got + total, buf_data[r.flags >> IORING_CQE_BUFFER_SHIFT], r.res);
			total += r.res;
			shots++;
			buf_give(r.flags >> IORING_CQE_BUFFER_SHIFT);
		}
	}
	result(total == 300 && !memcmp(data, got, 300), "multishot recv: the bytes");
	result(shots >= 10 && flags, "multishot recv: a buffer for each, and more to come");
	/* Nobody gives buffers back. */
	must(send(fds[0], data, sizeof(data), 0) == sizeof(data));
	int held[BUFS], n_held = 0;

	for (total = 0;;) {
		r = done(1);
		if (r.res <= 0 || n_held == BUFS)
			break;
		held[n_held++] = r.flags >> IORING_CQE_BUFFER_SHIFT;
		memcpy(got + total, buf_data[held[n_held - 1]], r.res);
		total += r.res;
	}
	result(r.res == -ENOBUFS && !(r.flags & IORING_CQE_F_MORE), "multishot recv: no buffer is left");
	is(n_held, BUFS, "multishot recv: all were used");
	for (int i = 0; i < n_held; i++)
		buf_give(held[i]);
	arm_recv(IORING_OP_RECV, fds[1], NULL, 1);
	while (total < (int)sizeof(data)) {
		r = done(1);
		if (r.res <= 0)
			break;
		memcpy(got + total, buf_data[r.flags >> IORING_CQE_BUFFER_SHIFT], r.res);
		total += r.res;
		buf_give(r.flags >> IORING_CQE_BUFFER_SHIFT);
	}
	result(total == sizeof(data) && !memcmp(data, got, sizeof(data)), "multishot recv: nothing was lost");
	must(shutdown(fds[0], SHUT_WR) == 0);
	r = done(1);
	result(r.res == 0 && !(r.flags & IORING_CQE_F_MORE), "multishot recv: the end");
	close(fds[0]);
	close(fds[1]);

	/* With messages. */
	struct msghdr layout = { .msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct io_uring_recvmsg_out *head;
	int on = 1;

	new_pair(fds);
	must(setsockopt(fds[1], IPPROTO_TCP, TCP_INQ, &on, sizeof(on)) == 0);
	arm_recv(IORING_OP_RECVMSG, fds[1], &layout, 1);
	for (int i = 0; i < 3; i++) {
		must(send(fds[0], data, 10 + i, 0) == 10 + i);
		r = done(1);
		if (r.res < (int)sizeof(*head))
			break;
		head = (void *)buf_data[r.flags >> IORING_CQE_BUFFER_SHIFT];
		char *payload = (char *)(head + 1) + layout.msg_controllen;

		if (head->payloadlen != 10U + i || head->controllen != CMSG_SPACE(sizeof(int)) ||
		    head->namelen || head->flags || memcmp(payload, data, 10 + i) ||
		    !(r.flags & IORING_CQE_F_MORE)) {
			printf("# payload %u control %u name %u flags %#x\n", head->payloadlen,
			       head->controllen, head->namelen, head->flags);
			r.res = NOTHING;
			break;
		}
		buf_give(r.flags >> IORING_CQE_BUFFER_SHIFT);
	}
	result(r.res > 0, "multishot recvmsg: payload, control message and flags of each");
	is(cancel(1), 0, "multishot recvmsg: cancelled");
	is(done(1).res, -ECANCELED, "multishot recvmsg: its end");
	close(fds[0]);
	close(fds[1]);
	bufs_close();
}

static struct io_uring_sqe *arm_poll(int fd, unsigned int events, bool multi, uint64_t id)
{
	struct io_uring_sqe *sqe = call(IORING_OP_POLL_ADD, fd, NULL, multi ? IORING_POLL_ADD_MULTI : 0, id);

	sqe->poll32_events = events;
	submit();
	return sqe;
}

static void polling(void)
{
	static char sink[1000000];
	struct outcome r;
	struct endpoint sin;
	int fds[2], listener, c;

	new_pair(fds);
	arm_poll(fds[0], POLLOUT, false, 1);
	is(done(1).res, POLLOUT, "poll: writable");
	arm_poll(fds[0], POLLIN | POLLRDHUP, false, 1);
	result(silent(1), "poll: waits");
	must(send(fds[1], "abc", 3, 0) == 3);
	is(done(1).res, POLLIN, "poll: readable");
	arm_poll(fds[0], POLLIN, false, 1);
	is(done(1).res, POLLIN, "poll: still readable");
	must(recv(fds[0], sink, 10, 0) == 3);

	arm_poll(fds[0], POLLIN | POLLRDHUP, true, 1);
	for (int i = 0; i < 3; i++) {
		must(send(fds[1], "x", 1, 0) == 1);
		r = done(1);
		if (r.res != POLLIN || !(r.flags & IORING_CQE_F_MORE))
			break;
	}
	result(r.res == POLLIN, "multishot poll: each arrival");
	must(recv(fds[0], sink, 10, 0) == 3);
	must(shutdown(fds[1], SHUT_WR) == 0);
	r = done(1);
	is(r.res, POLLIN | POLLRDHUP, "multishot poll: the peer is done");
	/* One that is just being woken again can't be removed at that moment. */
	result(until(one(IORING_OP_POLL_REMOVE, -1, (void *)1, 0) == 0), "multishot poll: removed");
	do
		r = done(1);
	while (r.res > 0);
	is(r.res, -ECANCELED, "multishot poll: its end");

	close(fds[0]);
	close(fds[1]);

	/* Full, then room. */
	new_pair(fds);
	small_buffers(fds);
	fill_up(fds[0]);
	arm_poll(fds[0], POLLOUT, false, 1);
	result(silent(1), "poll: full");
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 5000; i++) {
		while (recv(fds[1], sink, sizeof(sink), 0) > 0)
			;
		r = done_within(1, 1);
		if (r.res != NOTHING)
			break;
	}
	is(r.res, POLLOUT, "poll: room again");
	close(fds[0]);
	close(fds[1]);

	listener = new_listener(4, &sin);
	arm_poll(listener, POLLIN, false, 1);
	result(silent(1), "poll: nobody at the listener");
	c = new_socket();
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	is(done(1).res, POLLIN, "poll: somebody at the listener");
	close(c);
	close(listener);
}

static void shutting_down(void)
{
	struct endpoint sin;
	int fds[2], lone, listener;
	char byte;

	new_pair(fds);
	call(IORING_OP_RECV, fds[1], &byte, 1, 1);
	submit();
	is(one(IORING_OP_SHUTDOWN, fds[0], NULL, SHUT_WR), 0, "shutdown");
	is(done(1).res, 0, "shutdown: the peer reads the end");
	is(one(IORING_OP_SEND, fds[0], "x", 1), -EPIPE, "shutdown: no more is sent");
	is(one(IORING_OP_SEND, fds[1], "x", 1), 1, "shutdown: the other way is open");
	is(one(IORING_OP_RECV, fds[0], &byte, 1), 1, "shutdown: and is read");
	call(IORING_OP_RECV, fds[0], &byte, 1, 1);
	submit();
	result(silent(1), "shutdown: somebody waits for more");
	is(one(IORING_OP_SHUTDOWN, fds[0], NULL, SHUT_RD), 0, "shutdown: of the rest");
	is(done(1).res, 0, "shutdown: wakes whoever waited");
	is(one(IORING_OP_SHUTDOWN, fds[0], NULL, 77), -EINVAL, "shutdown: no such way");
	close(fds[0]);
	close(fds[1]);
	lone = new_socket();
	is(one(IORING_OP_SHUTDOWN, lone, NULL, SHUT_RDWR), -ENOTCONN, "shutdown: not connected");
	close(lone);
	listener = new_listener(1, &sin);
	call(IORING_OP_ACCEPT, listener, NULL, 0, 1);
	submit();
	result(silent(1), "shutdown: somebody accepts");
	is(one(IORING_OP_SHUTDOWN, listener, NULL, SHUT_RDWR), 0, "shutdown: of a listener");
	is(done(1).res, -EINVAL, "shutdown: wakes who accepts");
	close(listener);
}

static void cancelling(void)
{
	struct __kernel_timespec soon = { 0, 30000000 };
	struct io_uring_sqe *sqe;
	struct endpoint sin;
	char got[100], data[100];
	int fds[2], listener, c[8], n;

	new_pair(fds);
	fill(data, sizeof(data), 4);
	is(cancel(1), -ENOENT, "cancel: no such call");
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	submit();
	is(cancel(1), 0, "cancel: recv");
	is(done(1).res, -ECANCELED, "cancel: recv, its end");
	call(IORING_OP_RECV, fds[1], got, 100, 1)->flags = IOSQE_ASYNC;
	submit();
	silent(1);
	n = cancel(1);
	result(n == 0 || n == -EALREADY, "cancel: recv by a worker");
	n = done(1).res;
	result(n == -ECANCELED || n == -EINTR, "cancel: recv by a worker, its end");
	call(IORING_OP_RECV, fds[1], got, 100, 1);
	call(IORING_OP_POLL_ADD, fds[1], NULL, 0, 2)->poll32_events = POLLIN;
	submit();
	sqe = call(IORING_OP_ASYNC_CANCEL, fds[1], NULL, 0, 3);
	sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
	submit();
	is(done(3).res, 2, "cancel: all of a socket");
	is(done(1).res, -ECANCELED, "cancel: all, recv");
	is(done(2).res, -ECANCELED, "cancel: all, poll");
	must(send(fds[0], data, 50, 0) == 50);
	is(one(IORING_OP_RECV, fds[1], got, 100), 50, "cancel: who cancelled took no data");
	result(!memcmp(data, got, 50), "cancel: the bytes");

	/* With a time limit. */
	call(IORING_OP_RECV, fds[1], got, 100, 1)->flags = IOSQE_IO_LINK;
	call(IORING_OP_LINK_TIMEOUT, -1, &soon, 1, 2);
	submit();
	is(done(1).res, -ECANCELED, "time limit: recv");
	is(done(2).res, -ETIME, "time limit: it was that");
	call(IORING_OP_RECV, fds[1], got, 100, 1)->flags = IOSQE_IO_LINK;
	call(IORING_OP_LINK_TIMEOUT, -1, &(struct __kernel_timespec){ 100, 0 }, 1, 2);
	submit();
	must(send(fds[0], data, 5, 0) == 5);
	is(done(1).res, 5, "time limit: kept");
	is(done(2).res, -ECANCELED, "time limit: not needed");

	/* One after the other. */
	call(IORING_OP_SEND, fds[0], data, 20, 1)->flags = IOSQE_IO_LINK;
	sqe = call(IORING_OP_RECV, fds[1], got, 20, 2);
	sqe->msg_flags = MSG_WAITALL;
	sqe->flags = IOSQE_IO_LINK;
	call(IORING_OP_SHUTDOWN, fds[1], NULL, SHUT_WR, 3)->flags = IOSQE_IO_LINK;
	call(IORING_OP_CLOSE, fds[1], NULL, 0, 4);
	submit();
	is(done(1).res, 20, "chain: send");
	is(done(2).res, 20, "chain: recv");
	is(done(3).res, 0, "chain: shutdown");
	is(done(4).res, 0, "chain: close");
	is(recv(fds[0], got, 10, 0), 0, "chain: the peer's end");
	close(fds[0]);

	/* A connect() that gets no answer, since nobody accepts. */
	listener = new_listener(0, &sin);
	for (int i = 0; i < 8; i++) {
		c[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, protocol);
		connect(c[i], SA(sin), sizeof(sin));
		usleep(10000);
	}
	int late = new_socket();

	call(IORING_OP_CONNECT, late, &sin, 0, 1)->off = sizeof(sin);
	submit();
	result(silent(1), "cancel: connect waits");
	is(cancel(1), 0, "cancel: connect");
	is(done(1).res, -ECANCELED, "cancel: connect, its end");
	close(late);
	for (int i = 0; i < 8; i++)
		close(c[i]);
	close(listener);
	listener = new_listener(1, &sin);
	call(IORING_OP_ACCEPT, listener, NULL, 0, 1);
	submit();
	is(cancel(1), 0, "cancel: accept");
	is(done(1).res, -ECANCELED, "cancel: accept, its end");
	c[0] = new_socket();
	is(connect(c[0], SA(sin), sizeof(sin)), 0, "cancel: the listener goes on");
	n = one(IORING_OP_ACCEPT, listener, NULL, 0);
	result(n >= 0, "cancel: the connection is still there");
	close(n);
	close(c[0]);
	close(listener);
}

/* Sending by reference: a result, then word that the memory is free. */
static void sending_zc(void)
{
	static char data[200000], got[200000];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct io_uring_sqe *sqe;
	struct outcome r;
	int fds[2], on = 1, sent;

	new_pair(fds);
	/* What MSG_ZEROCOPY tells by the error queue, io_uring tells in its own way. */
	must(setsockopt(fds[0], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) == 0);
	fill(data, sizeof(data), 5);
	must(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1) == 0);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "send_zc", "send_zc: registered memory", "sendmsg_zc" };
		char text[64];

		memset(got, 0, sizeof(got));
		if (i < 2) {
			sqe = call(IORING_OP_SEND_ZC, fds[0], data, sizeof(data), 1);
			sqe->ioprio = (i ? IORING_RECVSEND_FIXED_BUF : 0) | ZC_REPORT_USAGE;
		} else {
			sqe = call(IORING_OP_SENDMSG_ZC, fds[0], &msg, 1, 1);
		}
		sqe->msg_flags = MSG_WAITALL;
		call(IORING_OP_RECV, fds[1], got, sizeof(got), 2)->msg_flags = MSG_WAITALL;
		submit();
		r = done(1);
		sent = r.res;
		is(sent, sizeof(data), names[i]);
		snprintf(text, sizeof(text), "%s: word will follow", names[i]);
		result(r.flags & IORING_CQE_F_MORE, text);
		is(done(2).res, sizeof(got), "send_zc: received");
		result(!memcmp(data, got, sizeof(data)), "send_zc: the bytes");
		r = done(1);
		snprintf(text, sizeof(text), "%s: the memory is free", names[i]);
		result(r.res != NOTHING && r.flags & IORING_CQE_F_NOTIF, text);
		/* Over loopback the data is copied sooner or later on either stack. */
		if (i < 2)
			is((unsigned int)r.res & ~ZC_COPIED, 0, "send_zc: whether it was copied");
	}
	is(poll_for(fds[0], POLLOUT, 0), POLLOUT, "send_zc: nothing in the error queue");
	must(syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0) == 0);
	close(fds[0]);
	close(fds[1]);
}

static int command(int op, int fd, int level, int name, void *value, int len)
{
	struct io_uring_sqe *sqe = call(OP_URING_CMD, fd, NULL, 0, 1);

	sqe->off = op;
	sqe->addr = (uint64_t)name << 32 | (unsigned int)level;
	sqe->file_index = len;
	sqe->addr3 = (uintptr_t)value;
	submit();
	return done(1).res;
}

static void commands(void)
{
	int fds[2], value = 0;
	char sink[10];

	new_pair(fds);
	is(command(CMD_SIOCINQ, fds[1], 0, 0, NULL, 0), 0, "command: SIOCINQ, none");
	must(send(fds[0], "hello", 5, 0) == 5);
	until(poll_for(fds[1], POLLIN, 0) > 0);
	is(command(CMD_SIOCINQ, fds[1], 0, 0, NULL, 0), 5, "command: SIOCINQ");
	result(until(command(CMD_SIOCOUTQ, fds[0], 0, 0, NULL, 0) == 0), "command: SIOCOUTQ");
	is(command(CMD_GETSOCKOPT, fds[0], SOL_SOCKET, SO_TYPE, &value, sizeof(value)), sizeof(value),
	   "command: getsockopt");
	is(value, SOCK_STREAM, "command: getsockopt, its value");
	value = 1;
	is(command(CMD_SETSOCKOPT, fds[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), 0,
	   "command: setsockopt");
	is(get_int(fds[0], IPPROTO_TCP, TCP_NODELAY), 1, "command: setsockopt took effect");
	must(recv(fds[1], sink, 10, 0) == 5);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static const struct {
		const char *name;
		unsigned int flags;
	} kinds[] = {
		{ "", 0 },
		{ "deferred: ", IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
		{ "sqpoll: ", IORING_SETUP_SQPOLL },
	};
	static void (*const parts[])(void) = {
		connect_and_accept, send_and_receive, messages, accept_more, multishot_accept, multishot_recv,
		polling, shutting_down, cancelling, sending_zc, commands,
	};
	long long start;

	ktap_begin();
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		snprintf(prefix, sizeof(prefix), "%s", kinds[k].name);
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
			start = now_ms();
			ring_open(kinds[k].flags);
			parts[i]();
			ring_close();
			printf("# %lld ms\n", now_ms() - start);
		}
	}
	return ktap_end();
}
