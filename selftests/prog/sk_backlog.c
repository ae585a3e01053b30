// SPDX-License-Identifier: GPL-2.0
/* The accept queue: its bound, what /proc says of it, overflow and its end, on either stack. */
#include "common.h"

/* Recv-Q and Send-Q of the line with these ports; false if there is none. */
static bool queues(int local, int remote, unsigned int *recv_q, unsigned int *send_q)
{
	FILE *f = fopen(proc_file(), "r");
	char line[512];
	bool found = false;

	must(f != NULL);
	while (!found && fgets(line, sizeof(line), f)) {
		unsigned int lport, rport, tx, rx;

		if (sscanf(line, " %*d: %*[^:]:%x %*[^:]:%x %*x %x:%x", &lport, &rport, &tx, &rx) == 4 &&
		    (int)lport == local && (int)rport == remote) {
			*recv_q = rx;
			*send_q = tx;
			found = true;
		}
	}
	fclose(f);
	return found;
}

static int start(struct endpoint *sin)
{
	int fd = new_socket();

	fcntl(fd, F_SETFL, O_NONBLOCK);
	must(connect(fd, SA(*sin), sizeof(*sin)) == 0 || errno == EINPROGRESS);
	return fd;
}

/* listen(n) has room for n + 1; a handshake beyond that does not complete. */
static void test_bound(int backlog)
{
	struct endpoint sin;
	int l = new_listener(backlog, &sin), fds[64], n = 0;
	unsigned int rx, tx;
	char name[64];
	int port = ntohs(sin.sin_port);

	for (; n <= backlog; n++) {
		fds[n] = new_socket();
		must(connect(fds[n], SA(sin), sizeof(sin)) == 0);
	}
	snprintf(name, sizeof(name), "backlog %d: Recv-Q counts who waits", backlog);
	ktap(until(queues(port, 0, &rx, &tx) && (int)rx == n), name);
	/* In the kernel's file that is not the bound; ss has it from elsewhere. */
	snprintf(name, sizeof(name), "backlog %d: Send-Q is the bound", backlog);
	ktap(is_kernels() || (int)tx == backlog, name);
	fds[n] = start(&sin);
	snprintf(name, sizeof(name), "backlog %d: one more is not connected", backlog);
	ktap(poll_for(fds[n], POLLOUT, 300) == 0, name);
	int s = accept(l, NULL, NULL);

	must(s >= 0);
	snprintf(name, sizeof(name), "backlog %d: and is when there is room", backlog);
	ktap(poll_for(fds[n], POLLOUT, 5000) == POLLOUT && so_error(fds[n]) == 0, name);
	close(s);
	for (int i = 0; i <= n; i++)
		close(fds[i]);
	close(l);
}

/* net.core.somaxconn bounds what listen() asks for. In a namespace of our own, whose it is. */
static void test_somaxconn(void)
{
	enum { MOST = 3 };
	struct endpoint sin;
	int fds[MOST + 2], n = 0, l;
	unsigned int rx, tx;
	FILE *f;

	f = fopen("/proc/sys/net/core/somaxconn", "w");
	must(f && fprintf(f, "%d\n", MOST) > 0 && fclose(f) == 0);
	l = new_listener(100, &sin);
	for (; n <= MOST; n++) {
		fds[n] = new_socket();
		must(connect(fds[n], SA(sin), sizeof(sin)) == 0);
	}
	ktap(until(queues(ntohs(sin.sin_port), 0, &rx, &tx) && rx == MOST + 1), "somaxconn: Recv-Q counts who waits");
	ktap(is_kernels() || tx == MOST, "somaxconn: Send-Q is the bound");
	fds[n] = start(&sin);
	ktap(poll_for(fds[n], POLLOUT, 300) == 0, "somaxconn: one more is not connected");
	for (int i = 0; i <= n; i++)
		close(fds[i]);
	close(l);
}

/* First come, first served. */
static void test_order(void)
{
	struct endpoint sin, peer;
	int l = new_listener(16, &sin), fds[8];
	bool right = true;

	for (int i = 0; i < 8; i++) {
		fds[i] = new_socket();
		must(connect(fds[i], SA(sin), sizeof(sin)) == 0);
	}
	for (int i = 0; i < 8; i++) {
		socklen_t len = sizeof(peer);
		int s = accept(l, SA(peer), &len);

		must(s >= 0);
		right &= peer.sin_port == local_of(fds[i]).sin_port;
		close(s);
	}
	ktap(right, "accept: in the order of arrival");
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	close(l);
}

/* listen() with a smaller backlog: who waits goes on waiting, and nobody else comes in. */
static void test_smaller(void)
{
	enum { MOST = 4 };
	struct endpoint sin;
	int l = new_listener(MOST, &sin), fds[MOST + 1], port = ntohs(sin.sin_port), right = 0, late;
	unsigned int rx = 0, tx;

	for (int i = 0; i <= MOST; i++) {
		char c = i;

		fds[i] = new_socket();
		must(connect(fds[i], SA(sin), sizeof(sin)) == 0 && send(fds[i], &c, 1, 0) == 1);
	}
	must(until(queues(port, 0, &rx, &tx) && rx == MOST + 1));
	expect(listen(l, 1), 0, 0, "a smaller backlog");
	expect(listen(l, 0), 0, 0, "and a smaller one still");
	must(queues(port, 0, &rx, &tx));
	expect(rx, MOST + 1, 0, "who waits goes on waiting");
	late = start(&sin);
	ktap(poll_for(late, POLLOUT, 300) == 0, "one more is not connected");
	fcntl(l, F_SETFL, O_NONBLOCK);
	for (int i = 0; i <= MOST; i++) {
		int s = accept(l, NULL, NULL);
		char c = -1;

		if (s < 0)
			break;
		fcntl(s, F_SETFL, 0);
		right += recv(s, &c, 1, 0) == 1 && c == i;
		close(s);
	}
	expect(right, MOST + 1, 0, "all of them are accepted, in their order");
	ktap(poll_for(late, POLLOUT, 5000) == POLLOUT && so_error(late) == 0, "one more is, when there is room");
	for (int i = 0; i <= MOST; i++)
		close(fds[i]);
	close(late);
	close(l);
}

/* Data may come before accept(), and the end too. */
static void test_early_data(void)
{
	struct endpoint sin;
	int l = new_listener(4, &sin), c = new_socket();
	unsigned int rx, tx;
	char buf[16];

	must(connect(c, SA(sin), sizeof(sin)) == 0);
	int port = ntohs(local_of(c).sin_port), lport = ntohs(sin.sin_port);

	must(send(c, "early", 5, 0) == 5);
	ktap(until(queues(lport, port, &rx, &tx) && rx == 5), "Recv-Q: unread bytes before accept");
	close(c);
	int s = accept(l, NULL, NULL);

	must(s >= 0);
	expect(recv(s, buf, sizeof(buf), 0), 5, 0, "data that came before accept");
	expect(recv(s, buf, sizeof(buf), 0), 0, 0, "and the end");
	close(s);
	close(l);
}

static void test_queues(void)
{
	int fds[2];
	unsigned int rx, tx;
	static char block[1 << 16];
	int queued;
	unsigned int out = 0;

	new_pair(fds);
	int a = ntohs(local_of(fds[0]).sin_port), b = ntohs(local_of(fds[1]).sin_port);

	must(send(fds[0], block, 1000, 0) == 1000);
	ktap(until(queues(b, a, &rx, &tx) && rx == 1000), "Recv-Q: unread bytes");
	ktap(until(queues(a, b, &rx, &tx) && tx == 0), "Send-Q: nothing once acknowledged");
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (send(fds[0], block, sizeof(block), 0) > 0)
		;
	must(errno == EAGAIN);
	/* The two are read one after the other: equal once an ACK in between is no more. */
	ktap(until(ioctl(fds[0], SIOCOUTQ, &queued) == 0 && queues(a, b, &rx, &out) &&
		   queued > 0 && (unsigned int)queued == out), "Send-Q is what SIOCOUTQ says");
	close(fds[0]);
	close(fds[1]);
}

/* Many at once, from several processes. */
static void test_many(void)
{
	enum { CHILDREN = 4, EACH = 50 };
	struct endpoint sin;
	int l = new_listener(128, &sin), status, bad = 0;

	for (int i = 0; i < CHILDREN; i++) {
		if (fork())
			continue;
		for (int j = 0; j < EACH; j++) {
			int fd = new_socket();
			char c = j, d;

			must(connect(fd, SA(sin), sizeof(sin)) == 0);
			must(send(fd, &c, 1, 0) == 1 && recv(fd, &d, 1, 0) == 1 && c == d);
			close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < CHILDREN * EACH; i++) {
		char c;
		int s;

		must(poll_for(l, POLLIN, 10000) > 0);
		s = accept(l, NULL, NULL);
		must(s >= 0 && recv(s, &c, 1, 0) == 1 && send(s, &c, 1, 0) == 1);
		close(s);
	}
	for (int i = 0; i < CHILDREN; i++) {
		wait(&status);
		bad += status != 0;
	}
	expect(bad, 0, 0, "200 connections of four processes");
	close(l);
}

int main(void)
{
	ktap_begin();
	test_bound(0);
	test_bound(3);
	test_order();
	test_smaller();
	test_early_data();
	test_queues();
	test_many();
	test_somaxconn();
	return ktap_end();
}
