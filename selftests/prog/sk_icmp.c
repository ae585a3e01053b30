// SPDX-License-Identifier: GPL-2.0
/*
 * What routers say: errors that end connect(), with IP_RECVERR and without, and what of them is in the error
 * queue; redirects, which the route of a connection follows; and that a packet was too big. The router is another
 * namespace, on the same machine, so that it says so while the call goes on that sent the packet. What the kernel's
 * TCP makes of each is what is expected.
 */
#include "common.h"
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

static pid_t router, far;

static void run(const char *command)
{
	must(system(command) == 0);
}

static void on(pid_t host, const char *command)
{
	char whole[300];

	snprintf(whole, sizeof(whole), "nsenter -t %d -n %s", host, command);
	run(whole);
}

static void on_router(const char *command)
{
	on(router, command);
}

/* A process with a namespace of its own. */
static pid_t new_host(void)
{
	int ready[2];
	pid_t pid;
	char c;

	must(pipe(ready) == 0);
	pid = fork();
	must(pid >= 0);
	if (!pid) {
		own_namespace();
		must(write(ready[1], "x", 1) == 1);
		for (;;)
			pause();
	}
	must(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* A cable to a router, which refuses some networks and knows a better way to others. */
static void set_up(void)
{
	char command[200];

	own_namespace();
	router = new_host();
	snprintf(command, sizeof(command), "ip link add v0 type veth peer name v1 netns %d", router);
	run(command);
	run("ip link set v0 address 02:00:00:00:00:01");
	on_router("ip link set v1 address 02:00:00:00:00:02");
	run("ip link set v0 up");
	on_router("ip link set v1 up");
	on_router("sysctl -q net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0");
	on_router("sysctl -q net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0");
	run("ip addr add 192.0.2.1/24 dev v0");
	run("ip addr add 2001:db8::1/64 dev v0 nodad");
	run("ip addr add fe80::1/64 dev v0 nodad");
	on_router("ip addr add 192.0.2.2/24 dev v1");
	on_router("ip addr add 2001:db8::2/64 dev v1 nodad");
	on_router("ip addr add fe80::2/64 dev v1 nodad");
	run("ip route add default via 192.0.2.2");
	run("ip -6 route add default via fe80::2 dev v0");
	on_router("ip route add unreachable 198.51.100.0/26");
	on_router("ip route add prohibit 198.51.100.64/26");
	on_router("ip -6 route add unreachable 2001:db8:a::/48");
	on_router("ip -6 route add prohibit 2001:db8:b::/48");
	/* Nobody is there, but packets leave by where they came from. */
	run("ip neigh add 192.0.2.3 lladdr 02:00:00:00:00:02 dev v0 nud permanent");
	on_router("ip neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev v1 nud permanent");
	on_router("ip neigh add fe80::3 lladdr 02:00:00:00:00:03 dev v1 nud permanent");
	on_router("ip route add 198.51.100.128/26 via 192.0.2.3");
	on_router("ip -6 route add 2001:db8:c::/48 via fe80::3 dev v1");
}

/* Another host behind the router, on a link that takes packets of 1,300 bytes. */
static void set_up_far(void)
{
	char command[200];

	far = new_host();
	snprintf(command, sizeof(command), "ip link add v2 netns %d type veth peer name v3 netns %d", router, far);
	run(command);
	on_router("ip link set v2 up");
	on(far, "ip link set v3 up");
	on_router("ip addr add 203.0.113.1/24 dev v2");
	on_router("ip addr add 2001:db8:d::1/64 dev v2 nodad");
	on(far, "ip addr add 203.0.113.2/24 dev v3");
	on(far, "ip addr add 2001:db8:d::2/64 dev v3 nodad");
	on(far, "ip route add default via 203.0.113.1");
	on(far, "ip -6 route add default via 2001:db8:d::1");
	on_router("ip route add 203.0.113.2/32 dev v2 mtu lock 1300");
	on_router("ip -6 route add 2001:db8:d::2/128 dev v2 mtu lock 1300");
}

static struct endpoint either(const char *four, const char *six)
{
	return at(v6 ? six : four, 80);
}

struct outcome {
	int error;
	/* The first message of the error queue, less the time and ports of our own. */
	int got;
	struct sock_extended_err ee;
	struct sockaddr_storage to, offender;
	unsigned int to_len;
	int level, type;
	/* Of the segment that it is about: its destination port, and whether it is a SYN. */
	int port, flags;
};

static struct outcome ask(struct endpoint to, int recverr)
{
	unsigned char segment[200] = "";
	char control[400];
	struct outcome o = { 0 };
	struct iovec iov = { segment, sizeof(segment) };
	struct msghdr msg = {
		.msg_name = &o.to, .msg_namelen = sizeof(o.to), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct timeval tv = { 5, 0 };
	struct cmsghdr *c;
	int fd = new_socket();

	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	must(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &recverr,
			sizeof(recverr)) == 0);
	o.error = connect(fd, SA(to), sizeof(to)) ? errno : 0;
	o.got = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (o.got >= 0) {
		o.to_len = msg.msg_namelen;
		o.port = segment[2] << 8 | segment[3];
		o.flags = o.got > 13 ? segment[13] & 0x3f : -1;
		c = CMSG_FIRSTHDR(&msg);
		if (c) {
			o.level = c->cmsg_level;
			o.type = c->cmsg_type;
			memcpy(&o.ee, CMSG_DATA(c), sizeof(o.ee));
			memcpy(&o.offender, SO_EE_OFFENDER((struct sock_extended_err *)CMSG_DATA(c)), addr_len());
		}
		/*
		 * How much of the segment comes along depends on its options; and there is another message if
		 * the first one came while connect() was busy, and the SYN was sent again.
		 */
		o.got = 1;
	} else {
		o.got = -errno;
		o.to_len = 0;
		memset(&o.to, 0, sizeof(o.to));
	}
	close(fd);
	return o;
}

static void show(const char *who, const struct outcome *o)
{
	printf("# %s: connect() %s; queue %d; errno %d, origin %d, type %d, code %d, info %d; "
	       "level %d, type %d; name of %u; port %d, flags %#x\n", who, strerror(o->error), o->got,
	       o->ee.ee_errno, o->ee.ee_origin, o->ee.ee_type, o->ee.ee_code, o->ee.ee_info,
	       o->level, o->type, o->to_len, o->port, o->flags);
}

static void test_errors(const char *stack)
{
	static const struct {
		const char *name, *four, *six;
	} places[] = {
		{ "unreachable", "198.51.100.1", "2001:db8:a::1" },
		{ "prohibited", "198.51.100.65", "2001:db8:b::1" },
	};
	struct outcome control, o;
	char name[100];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		for (int recverr = 0; recverr < 2; recverr++) {
			struct endpoint to = either(places[i].four, places[i].six);

			choose_family(v6 ? "inet6" : "inet");
			control = ask(to, recverr);
			choose_family(stack);
			o = ask(to, recverr);
			if (memcmp(&control, &o, sizeof(o))) {
				show("the kernel's TCP", &control);
				show("this one", &o);
			}
			snprintf(name, sizeof(name), "%s, %s IP_RECVERR: as with the kernel's TCP", places[i].name,
				 recverr ? "with" : "without");
			ktap(control.error && !memcmp(&control, &o, sizeof(o)), name);
			if (recverr) {
				snprintf(name, sizeof(name), "%s: a message of ICMP's about a SYN", places[i].name);
				ktap(o.got == 1 && o.port == 80 && o.flags == 2 &&
				     o.ee.ee_errno == (unsigned int)o.error, name);
			}
		}
	}
}

/*
 * What comes while connect() has the socket is missed, and counted. The router answers the SYN, which may pass one
 * hop only, within the call, unless the machine is so busy that a softirq is put off.
 */
static void test_missed(void)
{
	struct endpoint to = either("198.51.100.131", "2001:db8:c::3");
	long before, missed = 0;

	for (int tries = 0; tries < 100 && !missed; tries++) {
		int fd = new_socket(), hops = 1;

		must(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL, &hops,
				sizeof(hops)) == 0);
		must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
		before = counter("LockDroppedIcmps");
		must(connect(fd, SA(to), sizeof(to)) == -1 && errno == EINPROGRESS);
		missed = counter("LockDroppedIcmps") - before;
		close(fd);
	}
	ktap(missed == 1, "a report that comes while connect() has the socket is counted");
}

/* Whether the way to @where leads to the router that was named by the first one. */
static bool leads_to(const char *where, const char *gateway)
{
	char command[200];

	snprintf(command, sizeof(command), "ip %s route get %s | grep -q 'via %s '", v6 ? "-6" : "", where, gateway);
	return system(command) == 0;
}

static void test_redirect(void)
{
	/* A place of its own for each stack, since the host remembers. */
	const char *where = v6 ? (is_kernels() ? "2001:db8:c::1" : "2001:db8:c::2") :
				 (is_kernels() ? "198.51.100.129" : "198.51.100.130");
	struct endpoint to = at(where, 80);
	int fd = new_socket();

	ktap(leads_to(where, v6 ? "fe80::2" : "192.0.2.2"), "redirect: the way leads to the router first");
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	must(connect(fd, SA(to), sizeof(to)) == -1 && errno == EINPROGRESS);
	ktap(until(leads_to(where, v6 ? "fe80::3" : "192.0.2.3")), "redirect: the connection's route follows it");
	close(fd);
}

/* A listener on the host behind the router. */
static int far_listener(struct endpoint to)
{
	int here, there, s;
	char path[50];

	must((here = open("/proc/self/ns/net", O_RDONLY)) >= 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", far);
	must((there = open(path, O_RDONLY)) >= 0);
	must(setns(there, CLONE_NEWNET) == 0);
	s = listener_at(to, 1);
	must(setns(here, CLONE_NEWNET) == 0);
	close(there);
	close(here);
	return s;
}

/* That a packet was too big comes while write() has the socket, and is heeded once it lets go of it. */
static void test_too_big(void)
{
	static char data[1400];
	struct timeval tv = { 5, 0 };
	struct endpoint to = at(v6 ? "2001:db8:d::2" : "203.0.113.2", 7000);
	int fd, s, there, on = 1;
	long timeouts;

	/* Nothing else sends again. */
	run("sysctl -q net.ipv4.tcp_rto_min_us=30000000 net.ipv4.tcp_early_retrans=0");
	s = far_listener(to);
	fd = new_socket();
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
	must(connect(fd, SA(to), sizeof(to)) == 0);
	there = accept(s, NULL, NULL);
	must(there >= 0 && setsockopt(there, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	timeouts = counter("TCPTimeouts");
	must(write(fd, data, sizeof(data)) == sizeof(data));
	expect(recv(there, data, sizeof(data), MSG_WAITALL), sizeof(data), 0,
	       "too big: what write() sent is sent again in smaller packets");
	expect(counter("TCPTimeouts"), timeouts, 0, "too big: at once");
	close(there);
	close(s);
	close(fd);
}

/*
 * A way that a router shuts while a connection is open: who asked for it (IP_RECVERR) is told by one call, once, and
 * the connection goes on when the way is open again.
 */
static void test_open_told(void)
{
	struct endpoint to = at(v6 ? "2001:db8:d::2" : "203.0.113.2", 7001);
	const char *shut = v6 ? "ip -6 route add prohibit 2001:db8:d::2 metric 1" :
				"ip route replace prohibit 203.0.113.2";
	const char *open_up = v6 ? "ip -6 route del prohibit 2001:db8:d::2 metric 1" :
				   "ip route replace 203.0.113.2 dev v2 mtu lock 1300";
	struct pollfd p = { .events = POLLIN };
	struct timeval tv = { 20, 0 };
	int refusal = v6 ? EACCES : EHOSTUNREACH;
	char buf[20] = "";
	long long since;
	int fd, s, there, on = 1;

	s = far_listener(to);
	fd = new_socket();
	must(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on)) == 0);
	must(connect(fd, SA(to), sizeof(to)) == 0);
	there = accept(s, NULL, NULL);
	must(there >= 0 && setsockopt(there, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	must(write(there, "ab", 2) == 2);
	must(recv(fd, buf, 2, MSG_PEEK | MSG_WAITALL) == 2);
	on_router(shut);
	must(write(fd, "0", 1) == 1);
	p.fd = fd;
	ktap(until(poll(&p, 1, 0) == 1 && (p.revents & POLLERR)), "open, shut off: POLLERR");
	since = now_ms();
	expect(recv(fd, buf, 4, MSG_PEEK | MSG_WAITALL), 2, 0, "open, shut off: a look at all stops short of the error");
	ktap(now_ms() - since < 15000, "open, shut off: at once");
	expect(write(fd, "1", 1), -1, refusal, "open, shut off: a call is told");
	on_router(open_up);
	/* What was sent again may have been refused once more. */
	(void)so_error(fd);
	expect(write(fd, "2", 1), 1, 0, "open, shut off: the next one is not");
	expect(recv(there, buf, 2, MSG_WAITALL), 2, 0, "open, shut off: and the connection goes on");
	ktap(!memcmp(buf, "02", 2), "open, shut off: with every byte");
	close(there);
	close(s);
	close(fd);
}

/* Whether SO_ERROR tells it in time although nothing ended: there never is a POLLERR. */
static bool tells_softly(int fd, int error)
{
	struct pollfd p = { fd, POLLIN, 0 };
	long long end = now_ms() + 20000;

	do {
		if (poll(&p, 1, 10) == 1 && (p.revents & POLLERR))
			return false;
		if (so_error(fd) == error)
			return true;
	} while (now_ms() < end);
	return false;
}

/*
 * The same way for who did not ask: the error is one that may pass, which SO_ERROR tells. @option, for errors of the
 * other family, is no such asking. From too far away (IP_MINTTL) not even that comes.
 */
static void test_open_untold(struct endpoint to, bool four, int level, int option, const char *name)
{
	const char *shut = four ? "ip route replace prohibit 203.0.113.2" :
				  "ip -6 route add prohibit 2001:db8:d::2 metric 1";
	const char *open_up = four ? "ip route replace 203.0.113.2 dev v2 mtu lock 1300" :
				     "ip -6 route del prohibit 2001:db8:d::2 metric 1";
	int fd, s, there, left, most = 255, none = 0, on = 1, refusal = four ? EHOSTUNREACH : EACCES;
	int min_level = four ? IPPROTO_IP : IPPROTO_IPV6, min_option = four ? IP_MINTTL : 73 /* IPV6_MINHOPCOUNT */;
	struct timeval tv = { 20, 0 };
	char what[120], buf[2];
	long far_away;

	s = far_listener(to);
	fd = new_socket();
	if (option)
		must(setsockopt(fd, level, option, &on, sizeof(on)) == 0);
	must(connect(fd, SA(to), sizeof(to)) == 0);
	there = accept(s, NULL, NULL);
	must(there >= 0 && setsockopt(there, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	on_router(shut);
	must(setsockopt(fd, min_level, min_option, &most, sizeof(most)) == 0);
	far_away = counter("TCPMinTTLDrop");
	must(write(fd, "0", 1) == 1);
	snprintf(what, sizeof(what), "%s: an error from too far away is none", name);
	ktap(until(counter("TCPMinTTLDrop") > far_away) && !so_error(fd), what);
	must(setsockopt(fd, min_level, min_option, &none, sizeof(none)) == 0);
	snprintf(what, sizeof(what), "%s: SO_ERROR tells, and nothing ends", name);
	ktap(tells_softly(fd, refusal), what);
	on_router(open_up);
	must(write(fd, "1", 1) == 1);
	must(recv(there, buf, 2, MSG_WAITALL) == 2);
	must(until(ioctl(fd, SIOCOUTQ, &left) == 0 && !left));
	snprintf(what, sizeof(what), "%s: what is acknowledged makes up for it", name);
	ktap(!so_error(fd), what);
	close(there);
	close(s);
	close(fd);
}

static void test_open_untold_all(void)
{
	test_open_untold(at(v6 ? "2001:db8:d::2" : "203.0.113.2", 7002), !v6, 0, 0, "open, not asked for");
	if (!v6)
		return;
	test_open_untold(at("::ffff:203.0.113.2", 7003), true, IPPROTO_IPV6, IPV6_RECVERR,
			 "open, asked for errors of IPv6");
	test_open_untold(at("2001:db8:d::2", 7004), false, IPPROTO_IP, IP_RECVERR, "open, asked for errors of IPv4");
}

int main(void)
{
	const char *stack = getenv("RUSTTCP_FAMILY");

	ktap_begin();
	set_up();
	test_redirect();
	test_errors(stack);
	test_missed();
	set_up_far();
	test_open_told();
	test_open_untold_all();
	test_too_big();
	kill(router, SIGKILL);
	kill(far, SIGKILL);
	waitpid(router, NULL, 0);
	waitpid(far, NULL, 0);
	return ktap_end();
}
