// SPDX-License-Identifier: GPL-2.0
/*
 * What IPv6 sockets have besides, on either stack: IPv4 peers and IPV6_V6ONLY, scopes, the flow
 * label and the traffic class. Nothing to ask of IPv4 sockets.
 */
#include "common.h"
#include <linux/in6.h>

static int set6(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_IPV6, name, &value, sizeof(value));
}

/* An IPv4 socket of the same stack, and its address. */
static int new_socket4(void)
{
	int fd = socket(family == AF_INET6 ? AF_INET : family, SOCK_STREAM, 0);

	must(fd >= 0);
	return fd;
}

static struct sockaddr_in at4(const char *addr, int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	must(inet_pton(AF_INET, addr, &sin.sin_addr) == 1);
	return sin;
}

static int port_of(int fd)
{
	return ntohs(local_of(fd).sin_port);
}

static struct endpoint peer_of(int fd)
{
	struct endpoint peer = { 0 };
	socklen_t len = sizeof(peer);

	must(getpeername(fd, SA(peer), &len) == 0 && len == addr_len());
	return peer;
}

/* A listener on any address of IPv6, and of IPv4 if it is `dual`. */
static int any_listener(bool dual)
{
	struct endpoint any = at("::", 0);
	int fd = new_socket();

	must(set6(fd, IPV6_V6ONLY, !dual) == 0);
	must(bind(fd, SA(any), sizeof(any)) == 0 && listen(fd, 4) == 0);
	return fd;
}

static bool passes(int from, int to)
{
	char byte = 0;

	return send(from, "x", 1, 0) == 1 && recv(to, &byte, 1, 0) == 1 && byte == 'x';
}

static void test_dual_listener(void)
{
	int l = any_listener(true), c4 = new_socket4(), c6 = new_socket(), s, other;
	struct sockaddr_in to4 = at4("127.0.0.1", port_of(l)), me;
	struct endpoint to6 = at("::1", port_of(l)), mapped, any;
	socklen_t len = sizeof(me);

	expect(connect(c4, SA(to4), sizeof(to4)), 0, 0, "dual: an IPv4 client");
	s = accept(l, NULL, NULL);
	must(s >= 0 && getsockname(c4, SA(me), &len) == 0);
	mapped = at("::ffff:127.0.0.1", ntohs(me.sin_port));
	any = peer_of(s);
	ktap(same_endpoint(&any, &mapped), "dual: its address is v4-mapped");
	mapped = at("::ffff:127.0.0.1", port_of(l));
	any = local_of(s);
	ktap(same_endpoint(&any, &mapped), "dual: and so is ours");
	ktap(passes(c4, s) && passes(s, c4), "dual: data over IPv4");
	close(c4);
	close(s);
	expect(connect(c6, SA(to6), sizeof(to6)), 0, 0, "dual: an IPv6 client");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	any = peer_of(s);
	to6 = local_of(c6);
	ktap(same_endpoint(&any, &to6), "dual: its address");
	ktap(passes(c6, s) && passes(s, c6), "dual: data over IPv6");
	close(c6);
	close(s);
	/* The port is taken for IPv4 too. */
	other = new_socket4();
	to4 = at4("0.0.0.0", port_of(l));
	expect(bind(other, SA(to4), sizeof(to4)), -1, EADDRINUSE, "dual: the port is taken for IPv4");
	close(other);
	other = socket(AF_INET, SOCK_STREAM, 0);
	expect(bind(other, SA(to4), sizeof(to4)), -1, EADDRINUSE, "dual: for the kernel's IPv4 as well");
	close(other);
	close(l);
}

/* One port: IPv6 on this stack, IPv4 on the kernel's, and the other way round. */
static void test_split_port(void)
{
	int l = any_listener(false), l4 = socket(AF_INET, SOCK_STREAM, 0), c, s;
	struct sockaddr_in any4 = at4("0.0.0.0", port_of(l)), to4 = at4("127.0.0.1", port_of(l));
	struct endpoint to6 = at("::1", port_of(l));

	must(bind(l4, SA(any4), sizeof(any4)) == 0 && listen(l4, 4) == 0);
	c = new_socket4();
	must(connect(c, SA(to4), sizeof(to4)) == 0);
	s = accept(l4, NULL, NULL);
	ktap(s >= 0 && passes(c, s), "a port split: IPv4 to the kernel's listener");
	close(s);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	must(connect(c, SA(to6), sizeof(to6)) == 0);
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c, s), "a port split: IPv6 to ours");
	close(s);
	close(c);
	close(l4);
	close(l);
	/* The kernel's listens for both, and the stack under test connects. */
	l = socket(AF_INET6, SOCK_STREAM, 0);
	to6 = at("::", 0);
	must(bind(l, SA(to6), sizeof(to6)) == 0 && listen(l, 4) == 0);
	to4 = at4("127.0.0.1", port_of(l));
	c = new_socket4();
	must(connect(c, SA(to4), sizeof(to4)) == 0);
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c, s) && passes(s, c), "to a listener of the kernel's by IPv4");
	close(s);
	close(c);
	to6 = at("::ffff:127.0.0.1", port_of(l));
	c = new_socket();
	must(connect(c, SA(to6), sizeof(to6)) == 0);
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c, s) && passes(s, c), "and by a v4-mapped address");
	close(s);
	close(c);
	close(l);
}

static void test_v6only(void)
{
	int l = any_listener(false), c4 = new_socket4(), l4 = new_socket4(), c, s;
	struct sockaddr_in to4 = at4("127.0.0.1", port_of(l)), any4 = at4("0.0.0.0", port_of(l));
	struct endpoint to6 = at("::1", port_of(l)), mapped;

	expect(connect(c4, SA(to4), sizeof(to4)), -1, ECONNREFUSED, "V6ONLY: not for IPv4");
	expect(bind(l4, SA(any4), sizeof(any4)), 0, 0, "V6ONLY: the port is free for IPv4");
	must(listen(l4, 4) == 0);
	expect(connect(c4, SA(to4), sizeof(to4)), 0, 0, "V6ONLY: IPv4 has a listener of its own");
	s = accept(l4, NULL, NULL);
	ktap(s >= 0 && passes(c4, s), "V6ONLY: which gets it");
	close(s);
	c = new_socket();
	expect(connect(c, SA(to6), sizeof(to6)), 0, 0, "V6ONLY: IPv6");
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c, s), "V6ONLY: its listener gets it");
	expect(get_int(s, IPPROTO_IPV6, IPV6_V6ONLY), 1, 0, "V6ONLY: the child has it too");
	close(s);
	close(c);
	close(c4);
	close(l4);
	expect(set6(l, IPV6_V6ONLY, 0), -1, EINVAL, "V6ONLY: not after bind()");
	close(l);
	c = new_socket();
	must(set6(c, IPV6_V6ONLY, 1) == 0);
	mapped = at("::ffff:127.0.0.1", 1);
	expect(connect(c, SA(mapped), sizeof(mapped)), -1, ENETUNREACH, "V6ONLY: no v4-mapped peer");
	expect(bind(c, SA(mapped), sizeof(mapped)), -1, EINVAL, "V6ONLY: no v4-mapped address");
	close(c);
	/* Who is bound to an address of IPv6 is for IPv6 only. */
	c = new_socket();
	to6 = at("::1", 0);
	must(bind(c, SA(to6), sizeof(to6)) == 0);
	expect(get_int(c, IPPROTO_IPV6, IPV6_V6ONLY), 1, 0, "V6ONLY: comes with an address of IPv6");
	expect(connect(c, SA(mapped), sizeof(mapped)), -1, ENETUNREACH, "bound to IPv6: no IPv4 peer");
	close(c);
}

static void test_mapped(void)
{
	struct endpoint mapped = at("::ffff:127.0.0.1", 0), six = at("::1", 1), got;
	int l = new_socket(), c = new_socket(), c4 = new_socket4(), s;
	struct sockaddr_in to4;

	expect(bind(l, SA(mapped), sizeof(mapped)), 0, 0, "mapped: bind");
	must(listen(l, 4) == 0);
	mapped = local_of(l);
	got = at("::ffff:127.0.0.1", ntohs(mapped.sin_port));
	ktap(same_endpoint(&mapped, &got), "mapped: getsockname");
	to4 = at4("127.0.0.1", ntohs(mapped.sin_port));
	expect(connect(c4, SA(to4), sizeof(to4)), 0, 0, "mapped: an IPv4 client");
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c4, s), "mapped: data");
	close(s);
	close(c4);
	six.sin_port = mapped.sin_port;
	expect(connect(c, SA(six), sizeof(six)), -1, ECONNREFUSED, "mapped: not for IPv6");
	expect(connect(c, SA(mapped), sizeof(mapped)), 0, 0, "mapped: connect");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	got = peer_of(c);
	ktap(same_endpoint(&got, &mapped), "mapped: getpeername");
	got = local_of(c);
	ktap(IN6_IS_ADDR_V4MAPPED(&got.in6.sin6_addr), "mapped: the source too");
	ktap(passes(c, s) && passes(s, c), "mapped: data both ways");
	close(c);
	ktap(recv(s, &got, 1, 0) == 0, "mapped: the end");
	close(s);
	close(l);
	/* ::ffff:0.0.0.0 is any address of IPv4. */
	l = new_socket();
	mapped = at("::ffff:0.0.0.0", 0);
	expect(bind(l, SA(mapped), sizeof(mapped)), 0, 0, "mapped: any address of IPv4");
	must(listen(l, 4) == 0);
	c4 = new_socket4();
	to4 = at4("127.0.0.1", port_of(l));
	expect(connect(c4, SA(to4), sizeof(to4)), 0, 0, "mapped any: an IPv4 client");
	six = at("::1", port_of(l));
	c = new_socket();
	expect(connect(c, SA(six), sizeof(six)), -1, ECONNREFUSED, "mapped any: not for IPv6");
	close(c4);
	close(c);
	close(l);
	/* No source of IPv4 for a peer of IPv6. */
	c = new_socket();
	mapped = at("::ffff:127.0.0.1", 0);
	must(bind(c, SA(mapped), sizeof(mapped)) == 0);
	ktap(connect(c, SA(six), sizeof(six)) == -1, "bound to IPv4: no IPv6 peer");
	printf("# %s\n", strerror(errno));
	close(c);
}

/* What is an address and what is not; no multicast (RFC 9293, MUST-46). */
static void test_addresses(void)
{
	struct endpoint sin, any = at("::", 0), got;
	struct sockaddr_in in4 = at4("127.0.0.1", 1);
	int l = new_listener(4, &sin), c = new_socket();

	expect(connect(c, SA(sin), 23), -1, EINVAL, "an address of 23 bytes");
	expect(connect(c, SA(in4), sizeof(in4)), -1, EINVAL, "connect: an address of IPv4");
	expect(bind(c, SA(in4), sizeof(in4)), -1, EINVAL, "bind: an address of IPv4");
	got.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET };
	expect(connect(c, SA(got), sizeof(got)), -1, EAFNOSUPPORT, "connect: family AF_INET");
	expect(bind(c, SA(got), sizeof(got)), -1, EAFNOSUPPORT, "bind: family AF_INET");
	expect(connect(c, SA(sin), 24), 0, 0, "an address without scope (RFC 2133)");
	close(c);
	c = new_socket();
	any.sin_port = sin.sin_port;
	expect(connect(c, SA(any), sizeof(any)), 0, 0, "connect: :: is this host");
	got = peer_of(c);
	ktap(same_endpoint(&got, &sin), "connect: by the loopback address");
	close(c);
	c = new_socket();
	got = at("ff02::1", 1);
	expect(connect(c, SA(got), sizeof(got)), -1, ENETUNREACH, "connect: multicast");
	expect(bind(c, SA(got), sizeof(got)), -1, EINVAL, "bind: multicast");
	got = at("fe80::1", 1);
	expect(connect(c, SA(got), sizeof(got)), -1, EINVAL, "connect: link-local without a scope");
	expect(bind(c, SA(got), sizeof(got)), -1, EINVAL, "bind: link-local without a scope");
	got.in6.sin6_scope_id = 7777;
	expect(bind(c, SA(got), sizeof(got)), -1, ENODEV, "bind: link-local, no such interface");
	close(c);
	close(l);
}

/* A connection by a link-local address: `device` has fe80::99. */
static void test_link_local(const char *device)
{
	struct endpoint sin, got;
	char name[64];
	int l = new_socket(), c = new_socket(), s, index = if_nametoindex(device);

	snprintf(name, sizeof(name), "fe80::99%%%s", device);
	sin = at(name, 0);
	expect(bind(l, SA(sin), sizeof(sin)), 0, 0, "link-local: bind");
	expect(get_int(l, SOL_SOCKET, SO_BINDTOIFINDEX), index, 0, "link-local: binds to the interface");
	must(listen(l, 4) == 0);
	sin = local_of(l);
	ktap((int)sin.in6.sin6_scope_id == index, "link-local: getsockname has the scope");
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "link-local: connect");
	got = peer_of(c);
	ktap(same_endpoint(&got, &sin) && got.in6.sin6_scope_id == sin.in6.sin6_scope_id,
	     "link-local: getpeername has the scope");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	got = peer_of(s);
	ktap((int)got.in6.sin6_scope_id == index, "link-local: the peer's scope");
	expect(get_int(s, SOL_SOCKET, SO_BINDTOIFINDEX), index, 0, "link-local: the child is bound too");
	ktap(passes(c, s) && passes(s, c), "link-local: data");
	close(s);
	close(c);
	close(l);
	/* Any address, and a client with a scope that it was bound to before. */
	l = any_listener(false);
	sin = at(name, port_of(l));
	c = new_socket();
	must(setsockopt(c, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device)) == 0);
	sin.in6.sin6_scope_id = 0;
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "link-local: the scope by SO_BINDTODEVICE");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	got = local_of(s);
	ktap((int)got.in6.sin6_scope_id == index, "link-local: at a listener of any address");
	expect(get_int(s, SOL_SOCKET, SO_BINDTOIFINDEX), index, 0, "link-local: its child is bound");
	close(s);
	close(c);
	c = new_socket();
	must(setsockopt(c, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	sin.in6.sin6_scope_id = index;
	expect(connect(c, SA(sin), sizeof(sin)), -1, EINVAL, "link-local: two interfaces");
	close(c);
	close(l);
}

/* What the peer sees of a client's options, from its SYN (RFC 9293, MUST-48, MUST-49, SHLD-22). */
static void test_header(void)
{
	struct endpoint sin, got;
	char control[512];
	struct msghdr msg = { .msg_control = control };
	socklen_t len = sizeof(control);
	int l = new_listener(4, &sin), c = new_socket(), s;
	int hops = -1, class = -1;
	uint32_t flow = 0;

	must(set6(l, IPV6_RECVTCLASS, 1) == 0 && set6(l, IPV6_RECVHOPLIMIT, 1) == 0);
	must(set6(l, 11 /* IPV6_FLOWINFO */, 1) == 0);
	must(set6(c, IPV6_TCLASS, 0x48) == 0 && set6(c, IPV6_UNICAST_HOPS, 33) == 0);
	must(set6(c, 33 /* IPV6_FLOWINFO_SEND */, 1) == 0);
	sin.in6.sin6_flowinfo = htonl(0x12345);
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "connect: with a flow label");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	got = peer_of(c);
	ktap(got.in6.sin6_flowinfo == htonl(0x12345), "getpeername: with the flow label");
	must(getsockopt(s, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &len) == 0);
	msg.msg_controllen = len;
	for (struct cmsghdr *m = CMSG_FIRSTHDR(&msg); m; m = CMSG_NXTHDR(&msg, m)) {
		if (m->cmsg_type == IPV6_HOPLIMIT)
			memcpy(&hops, CMSG_DATA(m), sizeof(hops));
		if (m->cmsg_type == IPV6_TCLASS)
			memcpy(&class, CMSG_DATA(m), sizeof(class));
		if (m->cmsg_type == 11)
			memcpy(&flow, CMSG_DATA(m), sizeof(flow));
	}
	expect(hops, 33, 0, "IPV6_UNICAST_HOPS: on the wire");
	expect(class & ~3, 0x48, 0, "IPV6_TCLASS: on the wire");
	expect(ntohl(flow) & 0xfffff, 0x12345, 0, "the flow label: on the wire");
	ktap(passes(c, s) && passes(s, c), "and data goes");
	close(s);
	close(c);
	close(l);
}

/* A peer of the kernel's whose segments have extension headers before TCP's (RFC 9293, MUST-50). */
static void test_extension_headers(void)
{
	static const unsigned char padding[8] = { 0, 0, 1, 4 };
	static const int kinds[] = { IPV6_HOPOPTS, IPV6_DSTOPTS };
	int l, c = socket(AF_INET6, SOCK_STREAM, 0), s;
	struct endpoint sin;
	bool set = true;

	l = new_listener(4, &sin);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		set = set && !setsockopt(c, IPPROTO_IPV6, kinds[i], padding, sizeof(padding));
	must(set);
	expect(connect(c, SA(sin), sizeof(sin)), 0, 0, "extension headers: connect");
	s = accept(l, NULL, NULL);
	ktap(s >= 0 && passes(c, s) && passes(s, c), "extension headers: data");
	close(c);
	ktap(recv(s, &c, 1, 0) == 0, "extension headers: the end");
	close(s);
	close(l);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		ktap_begin_here();
	else
		ktap_begin();
	if (!v6)
		return ktap_end();
	if (argc > 1) {
		test_link_local(argv[1]);
		return ktap_end();
	}
	test_dual_listener();
	test_v6only();
	test_split_port();
	test_mapped();
	test_addresses();
	test_header();
	test_extension_headers();
	return ktap_end();
}
