// SPDX-License-Identifier: GPL-2.0
/* SO_REUSEPORT listeners, and the options that bind() and connect() choose ports by. */
#include "common.h"
#include <linux/filter.h>

#define LISTENERS 4
#define CLIENTS 240

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int sharing(struct endpoint *sin)
{
	int fd = new_socket();

	must(set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	must(bind(fd, SA(*sin), sizeof(*sin)) == 0 && listen(fd, CLIENTS) == 0);
	*sin = local_of(fd);
	return fd;
}

/* Connects `n` times; counts what each listener got. */
static int spread(struct endpoint *sin, const int *fds, int n, int *got)
{
	int total = 0;

	for (int i = 0; i < n; i++) {
		int c = new_socket();

		must(connect(c, SA(*sin), sizeof(*sin)) == 0);
		set_int(c, SOL_SOCKET, SO_LINGER, 0);
		struct linger gone = { 1, 0 };

		must(setsockopt(c, SOL_SOCKET, SO_LINGER, &gone, sizeof(gone)) == 0);
		for (int turn = 0; turn < 1000; turn++) {
			int before = total;

			for (int k = 0; k < LISTENERS; k++) {
				int s = fds[k] < 0 ? -1 : accept(fds[k], NULL, NULL);

				if (s >= 0) {
					got[k]++;
					total++;
					close(s);
				}
			}
			if (total > before)
				break;
			usleep(100);
		}
		close(c);
	}
	return total;
}

static void test_balance(void)
{
	struct endpoint sin = at("127.0.0.1", 0), own;
	int fds[LISTENERS], got[LISTENERS] = { 0 }, other;
	bool even = true;

	for (int i = 0; i < LISTENERS; i++) {
		fds[i] = sharing(&sin);
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	other = new_socket();
	expect(bind(other, SA(sin), sizeof(sin)), -1, EADDRINUSE, "SO_REUSEPORT: not for who does not share");
	close(other);
	expect(spread(&sin, fds, CLIENTS, got), CLIENTS, 0, "SO_REUSEPORT: each connection is accepted");
	for (int i = 0; i < LISTENERS; i++) {
		/* 240 draws of one in four: 60, give or take six deviations of 6.7. */
		even &= got[i] > 20 && got[i] < 100;
		printf("# listener %d: %d\n", i, got[i]);
	}
	ktap(even, "SO_REUSEPORT: evenly");
	/* Who leaves gets nothing, and nothing is lost. */
	close(fds[1]);
	fds[1] = -1;
	memset(got, 0, sizeof(got));
	expect(spread(&sin, fds, 60, got), 60, 0, "SO_REUSEPORT: the rest goes on");
	ktap(got[0] && got[2] && got[3], "SO_REUSEPORT: the rest shares");

	/* A program that always names the third. */
	struct sock_filter third[] = { BPF_STMT(BPF_RET | BPF_K, 2) };
	struct sock_fprog program = { 1, third };

	expect(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)), 0, 0,
	       "SO_ATTACH_REUSEPORT_CBPF");
	memset(got, 0, sizeof(got));
	must(spread(&sin, fds, 30, got) == 30);
	ktap((got[0] == 30) + (got[2] == 30) + (got[3] == 30) == 1, "SO_ATTACH_REUSEPORT_CBPF: decides");
	own = local_of(fds[0]);
	ktap(own.sin_port == sin.sin_port, "SO_REUSEPORT: one port");
	for (int i = 0; i < LISTENERS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	other = new_socket();
	expect(bind(other, SA(sin), sizeof(sin)), 0, 0, "SO_REUSEPORT: the port is free in the end");
	close(other);
}

#define IP_LOCAL_PORT_RANGE_ 51

/*
 * Which ports connect() and bind() choose: of the socket's part of ip_local_port_range, and none of
 * ip_local_reserved_ports (RFC 6056, 3.2).
 */
static void test_ports(void)
{
	struct endpoint sin, any = at("127.0.0.1", 0), far = at("192.0.2.9", 0);
	int listener = new_listener(20, &sin), fd, c;
	uint32_t range = 51040u << 16 | 51001;
	bool ok = true;

	for (int i = 0; i < 3; i++) {
		c = new_socket();
		must(set_int(c, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, range) == 0);
		must(connect(c, SA(sin), sizeof(sin)) == 0);
		int port = ntohs(local_of(c).sin_port);

		ok &= port >= 51001 && port <= 51040;
	}
	ktap(ok, "IP_LOCAL_PORT_RANGE: connect() keeps to it");
	fd = new_socket();
	must(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51140u << 16 | 51101) == 0);
	must(bind(fd, SA(any), sizeof(any)) == 0);
	int port = ntohs(local_of(fd).sin_port);

	ktap(port >= 51101 && port <= 51140, "IP_LOCAL_PORT_RANGE: bind() keeps to it");
	close(fd);

	/* A range of one: that port is free again as soon as its socket is closed. */
	ok = true;
	for (int i = 0; i < 20; i++) {
		fd = new_socket();
		must(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51201u << 16 | 51201) == 0);
		ok &= bind(fd, SA(any), sizeof(any)) == 0;
		close(fd);
	}
	ktap(ok, "IP_LOCAL_PORT_RANGE: bind() and close(), 20 times, on one port");
	ok = true;
	for (int i = 0; i < 20; i++) {
		struct linger hard = { 1, 0 };

		c = new_socket();
		must(set_int(c, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51202u << 16 | 51202) == 0);
		must(setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
		ok &= connect(c, SA(sin), sizeof(sin)) == 0;
		close(c);
		if (ok)
			close(accept(listener, NULL, NULL));
	}
	ktap(ok, "IP_LOCAL_PORT_RANGE: connect() and a reset, 20 times, on one port");

	/* What is kept for somebody else is nobody's ephemeral port. */
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "w");

	must(f && fputs("51301-51307,51309-51320", f) >= 0 && fclose(f) == 0);
	c = new_socket();
	must(set_int(c, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51320u << 16 | 51301) == 0);
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	expect(ntohs(local_of(c).sin_port), 51308, 0, "ip_local_reserved_ports: connect() keeps off them");
	fd = new_socket();
	must(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51320u << 16 | 51301) == 0);
	expect(bind(fd, SA(any), sizeof(any)), -1, EADDRINUSE, "ip_local_reserved_ports: bind() does too");
	close(fd);
	fd = new_socket();
	must(set_int(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE_, 51320u << 16 | 51301) == 0);
	expect(connect(fd, SA(sin), sizeof(sin)), -1, EADDRNOTAVAIL, "ip_local_reserved_ports: no other is left");
	close(fd);
	close(c);
	f = fopen("/proc/sys/net/ipv4/ip_local_reserved_ports", "w");
	must(f && fputs("\n", f) >= 0 && fclose(f) == 0);

	fd = new_socket();
	must(set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) == 0);
	must(bind(fd, SA(any), sizeof(any)) == 0);
	struct endpoint me = local_of(fd);

	ktap(me.sin_port == 0 && same_endpoint(&me, &any),
	     "IP_BIND_ADDRESS_NO_PORT: only the address");
	expect(connect(fd, SA(sin), sizeof(sin)), 0, 0, "IP_BIND_ADDRESS_NO_PORT: connect() finds a port");
	ktap(local_of(fd).sin_port != 0, "IP_BIND_ADDRESS_NO_PORT: the port is there");
	close(fd);

	fd = new_socket();
	expect(bind(fd, SA(far), sizeof(far)), -1, EADDRNOTAVAIL, "bind: not our address");
	must(set_int(fd, IPPROTO_IP, IP_FREEBIND, 1) == 0);
	expect(bind(fd, SA(far), sizeof(far)), 0, 0, "IP_FREEBIND: any address");
	close(fd);
	fd = new_socket();
	must(set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1) == 0);
	expect(bind(fd, SA(far), sizeof(far)), 0, 0, "IP_TRANSPARENT: any address");
	close(fd);
	close(listener);
}

static void test_device(void)
{
	struct endpoint sin;
	int fd = new_socket(), c = new_socket();
	char name[16] = "";
	socklen_t len = sizeof(name);

	sin = at("0.0.0.0", 0);
	must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	must(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0);
	ktap(!strcmp(name, "lo"), "SO_BINDTODEVICE: reads back");
	must(bind(fd, SA(sin), sizeof(sin)) == 0 && listen(fd, 2) == 0);
	sin = local_of(fd);
	sin = at("127.0.0.1", ntohs(sin.sin_port));
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "SO_BINDTODEVICE: hears that device");
	close(c);
	close(fd);
}

/* Of two listeners at a port the one bound to the device is asked, whichever came first. */
static void test_device_first(bool bound_first)
{
	int fds[2];
	struct endpoint sin = at("0.0.0.0", 0);

	for (int i = 0; i < 2; i++) {
		bool bound = bound_first == !i;

		fds[bound] = new_socket();
		must(set_int(fds[bound], SOL_SOCKET, SO_REUSEPORT, 1) == 0);
		must(!bound || setsockopt(fds[bound], SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
		must(bind(fds[bound], SA(sin), sizeof(sin)) == 0 && listen(fds[bound], 4) == 0);
		sin = local_of(fds[bound]);
		fcntl(fds[bound], F_SETFL, O_NONBLOCK);
	}
	sin = at("127.0.0.1", ntohs(sin.sin_port));
	for (int turn = 0; turn < 4; turn++) {
		int c = new_socket(), s = -1;

		must(connect(c, SA(sin), sizeof(sin)) == 0);
		ktap(until((s = accept(fds[1], NULL, NULL)) >= 0),
		     bound_first ? "the device's listener, which was first" : "the device's listener, which was last");
		close(s);
		close(c);
	}
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	ktap_begin();
	test_balance();
	test_ports();
	test_device();
	/* Linux takes the first that it finds of those that share the port: the last one, with IPv6 the first. */
	if (!is_kernels() || v6)
		test_device_first(true);
	if (!is_kernels() || !v6)
		test_device_first(false);
	return ktap_end();
}
