// SPDX-License-Identifier: GPL-2.0
/*
 * What an IPv6 socket may have in front of TCP: extension headers (RFC 3542, 6 to 9) and flow labels that were
 * leased, in what is set, read back and seen on the wire; and IPV6_ADDRFORM. Over IPv4 there is nothing of that.
 * On either stack.
 */
#include "common.h"
#include <linux/if_ether.h>

/* The C library's headers have none of these, and the kernel's are not for both together. */
#define IPV6_FLOWINFO_SEND_	33
#define IPV6_FLOWLABEL_MGR_	32
#define FL_GET		0
#define FL_PUT		1
#define FL_RENEW	2
#define FL_CREATE	1
#define FL_EXCL		2
#define FL_REFLECT	4
#define FL_REMOTE	8
#define SHARE_EXCL	1
#define SHARE_USER	3
#define SHARE_ANY	255

struct label_request {
	struct in6_addr dst;
	uint32_t label;
	uint8_t action, share;
	uint16_t flags, expires, linger;
	uint32_t pad;
};

/* Eight bytes: nothing but padding. */
static const unsigned char padding[8] = { 0, 0, 1, 4 };
/* Sixteen: an option for experiments (RFC 4727), which who does not know it skips. */
static const unsigned char longer[16] = { 0, 1, 0x1e, 12 };

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_blob(int fd, int name, const void *blob, unsigned int len)
{
	return setsockopt(fd, IPPROTO_IPV6, name, blob, len);
}

/* --- what is on the wire ---------------------------------------------------------------------- */

static int new_sniffer(void)
{
	struct timeval tv = { 2, 0 };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IPV6));

	must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	return fd;
}

struct seen {
	/* Bytes of the header of each kind. */
	int hop, destination;
	uint32_t label;
};

#define SYN	2
#define ACK	16
#define PSH	8

/* The next packet from @port with exactly these flags. */
static bool see(int sniffer, int port, int flags, struct seen *seen)
{
	unsigned char p[2000];
	ssize_t n;

	while ((n = recv(sniffer, p, sizeof(p), 0)) > 40) {
		int next = p[6], at = 40;

		memset(seen, 0, sizeof(*seen));
		seen->label = (p[1] & 15) << 16 | p[2] << 8 | p[3];
		while ((next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS) && at + 8 < n) {
			int len = 8 + 8 * p[at + 1];

			*(next == IPPROTO_HOPOPTS ? &seen->hop : &seen->destination) = len;
			next = p[at];
			at += len;
		}
		if (next == IPPROTO_TCP && at + 20 <= n && p[at] << 8 == (port & 0xff00) &&
		    p[at + 1] == (port & 0xff) && (p[at + 13] & 0x3f) == flags)
			return true;
	}
	return false;
}

static bool has(const struct seen *seen, int hop, int destination)
{
	if (seen->hop != hop || seen->destination != destination)
		printf("# hop-by-hop %d, destination %d\n", seen->hop, seen->destination);
	return seen->hop == hop && seen->destination == destination;
}

/* --- extension headers ------------------------------------------------------------------------ */

static void test_set_and_get(void)
{
	static const struct {
		const char *name;
		int option;
	} kinds[] = {
		{ "IPV6_HOPOPTS", IPV6_HOPOPTS }, { "IPV6_RTHDRDSTOPTS", IPV6_RTHDRDSTOPTS },
		{ "IPV6_DSTOPTS", IPV6_DSTOPTS },
	};
	unsigned char back[64], routing[24] = { 0, 2, 0, 1 };
	char name[100];
	socklen_t len;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		fd = new_socket();
		snprintf(name, sizeof(name), "%s: set", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, padding, 8), 0, 0, name);
		len = sizeof(back);
		must(getsockopt(fd, IPPROTO_IPV6, kinds[i].option, back, &len) == 0);
		snprintf(name, sizeof(name), "%s: read back", kinds[i].name);
		ktap(len == 8 && !memcmp(back + 1, padding + 1, 7), name);
		snprintf(name, sizeof(name), "%s: another in its place", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, longer, 16), 0, 0, name);
		len = sizeof(back);
		must(getsockopt(fd, IPPROTO_IPV6, kinds[i].option, back, &len) == 0);
		snprintf(name, sizeof(name), "%s: that one is read back", kinds[i].name);
		ktap(len == 16, name);
		snprintf(name, sizeof(name), "%s: too short", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, longer, 8), -1, EINVAL, name);
		snprintf(name, sizeof(name), "%s: not of eights", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, longer, 12), -1, EINVAL, name);
		snprintf(name, sizeof(name), "%s: a bad pointer", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, (void *)8, 8), -1, EFAULT, name);
		snprintf(name, sizeof(name), "%s: none any more", kinds[i].name);
		expect(set_blob(fd, kinds[i].option, NULL, 0), 0, 0, name);
		len = sizeof(back);
		must(getsockopt(fd, IPPROTO_IPV6, kinds[i].option, back, &len) == 0);
		snprintf(name, sizeof(name), "%s: nothing is read back", kinds[i].name);
		ktap(len == 0, name);
		close(fd);
	}
	fd = new_socket();
	/* RFC 5095: type 0 is not to be sent. */
	expect(set_blob(fd, IPV6_RTHDR, routing, 24), -1, EINVAL, "IPV6_RTHDR: type 0");
	close(fd);
}

static long set_hop_by_hop(void)
{
	return set_blob(new_socket(), IPV6_HOPOPTS, padding, 8) ? -errno : 0;
}

static long set_destination(void)
{
	return set_blob(new_socket(), IPV6_DSTOPTS, padding, 8) ? -errno : 0;
}

static void test_privileges(void)
{
	expect(as_nobody(set_hop_by_hop), -EPERM, 0, "IPV6_HOPOPTS: an administrator's");
	expect(as_nobody(set_destination), -EPERM, 0, "IPV6_DSTOPTS: an administrator's");
}

/* RFC 2292: all of them at once, as control messages. */
static void test_pktoptions(void)
{
	char control[CMSG_SPACE(8) + CMSG_SPACE(16)] = "";
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	unsigned char back[64];
	socklen_t len = sizeof(back);
	int fd = new_socket();

	c->cmsg_len = CMSG_LEN(8);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_HOPOPTS;
	memcpy(CMSG_DATA(c), padding, 8);
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_len = CMSG_LEN(16);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_DSTOPTS;
	memcpy(CMSG_DATA(c), longer, 16);
	expect(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, sizeof(control)), 0, 0,
	       "IPV6_2292PKTOPTIONS: set");
	must(getsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, back, &len) == 0);
	ktap(len == 8, "IPV6_2292PKTOPTIONS: hop-by-hop options are there");
	len = sizeof(back);
	must(getsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, back, &len) == 0);
	ktap(len == 16, "IPV6_2292PKTOPTIONS: destination options are there");
	expect(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, 20), -1, EINVAL,
	       "IPV6_2292PKTOPTIONS: a broken message");
	expect(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, NULL, 0), 0, 0, "IPV6_2292PKTOPTIONS: none");
	len = sizeof(back);
	must(getsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, back, &len) == 0);
	ktap(len == 0, "IPV6_2292PKTOPTIONS: and they are gone");
	close(fd);
}

static void test_on_the_wire(void)
{
	int sniffer = new_sniffer(), listener, c, s, port, mss;
	static char much[300000], got[300000];
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct endpoint sin;
	struct seen seen;
	pid_t pid;

	/* Packets of a size that is the MTU's doing. */
	must(system("ip link set lo mtu 1500") == 0);
	listener = new_listener(1, &sin);
	must(set_blob(listener, IPV6_DSTOPTS, longer, 16) == 0);
	c = new_socket();
	must(set_blob(c, IPV6_HOPOPTS, padding, 8) == 0);
	must(connect(c, SA(sin), sizeof(sin)) == 0);
	port = ntohs(local_of(c).sin_port);
	ktap(see(sniffer, port, SYN, &seen) && has(&seen, 8, 0), "the SYN has the opener's headers");
	ktap(see(sniffer, ntohs(sin.sin_port), SYN | ACK, &seen) && has(&seen, 0, 16),
	     "the SYN-ACK has the listener's");
	s = accept(listener, NULL, NULL);
	must(s >= 0 && write(s, "x", 1) == 1 && read(c, got, 1) == 1);
	ktap(see(sniffer, ntohs(sin.sin_port), ACK | PSH, &seen) && has(&seen, 0, 16),
	     "data has those that the child took over");
	must(set_blob(c, IPV6_DSTOPTS, padding, 8) == 0);
	must(write(c, "x", 1) == 1 && read(s, got, 1) == 1);
	ktap(see(sniffer, port, ACK | PSH, &seen) && has(&seen, 8, 8), "one is added to a connection");
	must(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	mss = info.tcpi_snd_mss;
	/* MTU, IPv6, TCP with timestamps, and both. */
	expect(mss, 1500 - 40 - 32 - 16, 0, "segments are shorter by that");
	close(sniffer);
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = i * 7 + i / 251;
	pid = fork();
	must(pid >= 0);
	if (!pid)
		_exit(write(c, much, sizeof(much)) != sizeof(much));
	expect(recv(s, got, sizeof(got), MSG_WAITALL), sizeof(got), 0, "much arrives");
	ktap(!memcmp(much, got, sizeof(got)), "and all of it as it was");
	waitpid(pid, NULL, 0);
	len = sizeof(info);
	must(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	expect(info.tcpi_total_retrans, 0, 0, "nothing was sent again");
	must(set_blob(c, IPV6_DSTOPTS, NULL, 0) == 0 && set_blob(c, IPV6_HOPOPTS, NULL, 0) == 0);
	must(write(c, "x", 1) == 1 && read(s, got, 1) == 1);
	len = sizeof(info);
	must(getsockopt(c, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	/* The kernel's TCP notices the last one's end later. */
	ktap((int)info.tcpi_snd_mss > mss && info.tcpi_snd_mss <= 1500 - 40 - 32, "segments are longer without");
	close(c);
	close(s);
	close(listener);
}

/* --- flow labels ------------------------------------------------------------------------------ */

static int lease(int fd, int action, int share, int flags, uint32_t *label)
{
	struct label_request r = {
		.action = action, .share = share, .flags = flags, .label = htonl(*label), .expires = 60, .linger = 6,
	};
	int result;

	must(inet_pton(AF_INET6, "::1", &r.dst) == 1);
	result = set_blob(fd, IPV6_FLOWLABEL_MGR_, &r, sizeof(r));
	*label = ntohl(r.label);
	return result;
}

static int ask_label(int fd, int flags, uint32_t *label)
{
	struct label_request r = { .action = FL_GET, .flags = flags };
	socklen_t len = sizeof(r);
	int result = getsockopt(fd, IPPROTO_IPV6, IPV6_FLOWLABEL_MGR_, &r, &len);

	*label = ntohl(r.label);
	return result;
}

static void test_labels(void)
{
	uint32_t mine = 0x12345, any = 0, got = 0, wrong = 0x22222;
	int sniffer = new_sniffer(), listener, c, s, other;
	struct endpoint sin, to, name;
	socklen_t len = sizeof(name);
	struct seen seen;

	listener = new_listener(2, &sin);
	c = new_socket();
	expect(lease(c, FL_PUT, SHARE_EXCL, 0, &mine), -1, ESRCH, "a label that nobody has can't be given back");
	expect(lease(c, FL_GET, SHARE_EXCL, 0, &mine), -1, ENOENT, "one that is not there: ENOENT");
	expect(lease(c, FL_GET, SHARE_EXCL, FL_CREATE, &mine), 0, 0, "it is leased");
	expect(lease(c, FL_GET, SHARE_EXCL, FL_CREATE | FL_EXCL, &mine), -1, EEXIST, "once");
	expect(lease(c, FL_RENEW, SHARE_EXCL, 0, &mine), 0, 0, "and renewed");
	expect(lease(c, FL_GET, SHARE_USER, FL_CREATE, &any), 0, 0, "another one, any");
	ktap(any != 0, "any is one");
	expect(lease(c, FL_PUT, SHARE_USER, 0, &any), 0, 0, "which is given back");
	expect(lease(c, FL_PUT, SHARE_USER, 0, &any), -1, ESRCH, "once too");
	other = new_socket();
	expect(lease(other, FL_GET, SHARE_EXCL, FL_CREATE, &mine), -1, EPERM, "it is not for another socket");
	must(set_int(other, IPPROTO_IPV6, IPV6_FLOWINFO_SEND_, 1) == 0);
	to = sin;
	to.in6.sin6_flowinfo = htonl(mine);
	expect(connect(other, SA(to), sizeof(to)), -1, EINVAL, "nor may that send with it");
	close(other);
	must(set_int(c, IPPROTO_IPV6, IPV6_FLOWINFO_SEND_, 1) == 0);
	expect(ask_label(c, 0, &got), -1, ENOENT, "none is in use yet");
	to.in6.sin6_flowinfo = htonl(wrong);
	expect(connect(c, SA(to), sizeof(to)), -1, EINVAL, "one that was not leased");
	to.in6.sin6_flowinfo = htonl(mine);
	expect(connect(c, SA(to), sizeof(to)), 0, 0, "the one that was");
	ktap(see(sniffer, ntohs(local_of(c).sin_port), SYN, &seen) && seen.label == mine, "the SYN has it");
	must(getpeername(c, SA(name), &len) == 0);
	expect(ntohl(name.in6.sin6_flowinfo), mine, 0, "getpeername() tells it");
	expect(ask_label(c, 0, &got), 0, 0, "it is in use");
	expect(got, mine, 0, "that one");
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	expect(ask_label(s, FL_REMOTE, &got), 0, 0, "the other end is asked for its peer's");
	expect(got, mine, 0, "which is that too");
	close(s);
	/* Labels that come are sent back, if the host does not insist on leases. */
	expect(lease(listener, FL_GET, SHARE_ANY, FL_REFLECT, &any), -1, EPERM, "a listener may not reflect");
	must(system("echo 0 >/proc/sys/net/ipv6/flowlabel_consistency") == 0);
	expect(lease(listener, FL_GET, SHARE_ANY, FL_REFLECT, &any), 0, 0, "a listener reflects");
	close(c);
	c = new_socket();
	/* The first one lingers. */
	mine++;
	to.in6.sin6_flowinfo = htonl(mine);
	must(lease(c, FL_GET, SHARE_EXCL, FL_CREATE, &mine) == 0);
	must(set_int(c, IPPROTO_IPV6, IPV6_FLOWINFO_SEND_, 1) == 0);
	must(connect(c, SA(to), sizeof(to)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0 && ask_label(s, 0, &got) == 0);
	expect(got, mine, 0, "its child has the peer's label");
	expect(lease(listener, FL_PUT, SHARE_ANY, FL_REFLECT, &any), 0, 0, "no more");
	expect(lease(listener, FL_PUT, SHARE_ANY, FL_REFLECT, &any), -1, ESRCH, "it did not");
	expect(set_blob(c, IPV6_FLOWLABEL_MGR_, &mine, 4), -1, EINVAL, "a short request");
	expect(set_blob(c, IPV6_FLOWLABEL_MGR_, (void *)8, sizeof(struct label_request)), -1, EFAULT,
	       "a bad pointer");
	expect(lease(c, 77, SHARE_EXCL, 0, &mine), -1, EINVAL, "an unknown request");
	close(s);
	close(c);
	close(listener);
	close(sniffer);
}

/* --- IPV6_ADDRFORM ---------------------------------------------------------------------------- */

static int family_of(int fd, bool peer)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	must((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&name, &len) == 0);
	return name.ss_family;
}

/* Whether a file of /proc/net has a connection with the local port of @fd. */
static bool is_listed(int fd, const char *name)
{
	unsigned int local, remote, port = ntohs(local_of(fd).sin_port);
	FILE *f = fopen(name, "r");
	bool found = false;
	char line[512];

	must(f);
	while (fgets(line, sizeof(line), f))
		found |= sscanf(line, "%*s %*[^:]:%x %*[^:]:%x", &local, &remote) == 2 && local == port && remote;
	fclose(f);
	return found;
}

static void test_addrform(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any }, to;
	int listener = new_socket(), c, s, value, zero = 0;
	socklen_t len = sizeof(any), size;
	char buf[8];

	must(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) == 0);
	must(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 2) == 0);
	must(getsockname(listener, (struct sockaddr *)&any, &len) == 0);
	to = any;
	c = new_socket();
	expect(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), -1, ENOTCONN, "IPV6_ADDRFORM: not connected");
	must(inet_pton(AF_INET6, "::1", &to.sin6_addr) == 1);
	must(connect(c, (struct sockaddr *)&to, sizeof(to)) == 0);
	expect(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), -1, EADDRNOTAVAIL,
	       "IPV6_ADDRFORM: the peer is of IPv6");
	close(c);
	close(accept(listener, NULL, NULL));
	c = new_socket();
	must(set_blob(c, IPV6_DSTOPTS, padding, 8) == 0);
	must(inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr) == 1);
	must(connect(c, (struct sockaddr *)&to, sizeof(to)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	value = 0;
	size = sizeof(value);
	must(getsockopt(c, IPPROTO_IPV6, IPV6_ADDRFORM, &value, &size) == 0);
	ktap(value == AF_INET6 || !is_kernels(), "IPV6_ADDRFORM: it is of IPv6");
	expect(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, 77), -1, EINVAL, "IPV6_ADDRFORM: another family");
	expect(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), 0, 0, "IPV6_ADDRFORM: of the opener");
	expect(set_int(s, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), 0, 0, "IPV6_ADDRFORM: of the other end");
	expect(family_of(c, false), AF_INET, 0, "getsockname() tells an address of IPv4");
	expect(family_of(c, true), AF_INET, 0, "getpeername() too");
	expect(family_of(s, true), AF_INET, 0, "at the other end too");
	ktap(is_listed(c, is_kernels() ? "/proc/net/tcp" : "/proc/net/rusttcp"), "/proc lists it with IPv4's sockets");
	ktap(!is_listed(c, proc_file()), "and not with IPv6's");
	must(write(c, "there", 5) == 5);
	expect(read(s, buf, 8), 5, 0, "data goes on there");
	must(write(s, "back", 4) == 4);
	expect(read(c, buf, 8), 4, 0, "and back");
	expect(set_int(c, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5), -1, ENOPROTOOPT, "it has no options of IPv6 any more");
	expect(getsockopt(c, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &value, &size), -1, EOPNOTSUPP,
	       "nor are there any to read");
	expect(set_int(c, IPPROTO_IP, IP_TTL, 5), 0, 0, "it has those of IPv4");
	expect(set_int(c, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), -1, ENOPROTOOPT,
	       "IPV6_ADDRFORM: there is no second time");
	must(shutdown(c, SHUT_WR) == 0);
	expect(read(s, buf, 8), 0, 0, "its end is seen");
	close(c);
	close(s);
	close(listener);
}

/* What IPV6_ADDRFORM made one of IPv4 has children of IPv4, which outlive it. */
static void test_addrform_listens(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	int first = new_socket(), listener = new_socket(), c = new_socket(), zero = 0, s;
	socklen_t len = sizeof(any);
	char buf[8];

	must(setsockopt(first, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) == 0);
	must(bind(first, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(first, 2) == 0);
	must(getsockname(first, (struct sockaddr *)&any, &len) == 0);
	must(inet_pton(AF_INET6, "::ffff:127.0.0.1", &any.sin6_addr) == 1);
	must(connect(listener, (struct sockaddr *)&any, sizeof(any)) == 0);
	must(set_int(listener, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET) == 0);
	must(connect(listener, &nobody, sizeof(nobody)) == 0);
	expect(bind(listener, (struct sockaddr *)&here, sizeof(here)), 0, 0, "it may be bound as one of IPv4");
	expect(listen(listener, 1), 0, 0, "and listen");
	len = sizeof(here);
	must(getsockname(listener, (struct sockaddr *)&here, &len) == 0);
	any.sin6_port = here.sin_port;
	must(connect(c, (struct sockaddr *)&any, sizeof(any)) == 0);
	s = accept(listener, NULL, NULL);
	must(s >= 0);
	expect(family_of(s, false), AF_INET, 0, "its child is of IPv4");
	expect(family_of(s, true), AF_INET, 0, "and the peer");
	expect(set_int(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5), -1, ENOPROTOOPT, "it has no options of IPv6");
	close(listener);
	close(first);
	/* As long as it takes until nothing of the listener is left. */
	usleep(200000);
	must(write(c, "there", 5) == 5);
	expect(read(s, buf, 8), 5, 0, "data goes to it when the listener is gone");
	close(s);
	expect(read(c, buf, 8), 0, 0, "and its end comes");
	close(c);
}

int main(void)
{
	ktap_begin();
	if (!v6)
		return ktap_end();
	test_set_and_get();
	test_privileges();
	test_pktoptions();
	test_labels();
	test_addrform();
	test_addrform_listens();
	test_on_the_wire();
	return ktap_end();
}
