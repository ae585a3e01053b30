// SPDX-License-Identifier: GPL-2.0
/*
 * unload: inserts the module, makes connections that end in every way, removes it; many times.
 *
 *   unload MODULE CYCLES
 *
 * Loads and removes by the system calls themselves (a process for each would take longer than
 * the rest), in a namespace of its own. A third of the connections is between two sockets of
 * ours, a third from ours to the kernel's TCP, a third the other way; half of each over IPv4, half over
 * IPv6. 192.0.2.1 and 2001:db8::1 have to be addresses of ours, and 192.0.2.0/24 and 2001:db8::/64
 * networks where nobody answers.
 */
#include "common.h"
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/syscall.h>

/* Over each of IPv4 and IPv6. */
#define CONNECTIONS 50
/* What is compared with the end: the first cycles fill caches. */
#define WARM 20

static const char *module;

static int insert(void)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC), r;

	must(fd >= 0);
	r = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return r;
}

static int remove_module(void)
{
	return syscall(SYS_delete_module, "rusttcp", O_NONBLOCK);
}

static int socket_of(bool ours)
{
	int fd = socket(ours ? family : v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			ours ? protocol : 0);

	must(fd >= 0);
	return fd;
}

static int listener_of(bool ours, const char *addr, struct endpoint *sin)
{
	int fd = socket_of(ours);

	*sin = at(addr, 0);
	must(bind(fd, SA(*sin), sizeof(*sin)) == 0);
	must(listen(fd, CONNECTIONS) == 0);
	*sin = local_of(fd);
	return fd;
}

static char data[20000];

enum end {
	CLIENT_FIRST,
	SERVER_FIRST,
	BOTH_AT_ONCE,
	RESET,
	RESET_BY_UNREAD,
	HALF_CLOSED,
	DATA_IN_FLIGHT,
	UNACCEPTED,
	UNACCEPTED_CLOSED,
	ABORTED_CONNECT,
	ENDS,
};

/* A connection to `l`, ended as `how` says. Gives what is to be closed after the listener. */
static int one(bool ours, int l, const struct endpoint *sin, enum end how)
{
	char buf[64];
	int c = socket_of(ours), s;

	if (how == ABORTED_CONNECT) {
		must(fcntl(c, F_SETFL, O_NONBLOCK) == 0);
		must(connect(c, SA(*sin), sizeof(*sin)) == 0 || errno == EINPROGRESS);
		close(c);
		return -1;
	}
	must(connect(c, SA(*sin), sizeof(*sin)) == 0);
	if (how == UNACCEPTED)
		return c;
	if (how == UNACCEPTED_CLOSED) {
		must(send(c, "x", 1, 0) == 1);
		close(c);
		return -1;
	}
	/*
	 * Not always the one that just connected, if there are unaccepted ones: as good, but its
	 * client may be gone.
	 */
	s = accept(l, NULL, NULL);
	must(s >= 0);
	switch (how) {
	case CLIENT_FIRST:
		must(send(c, "hello", 5, MSG_NOSIGNAL) == 5);
		close(c);
		recv(s, buf, sizeof(buf), MSG_DONTWAIT);
		close(s);
		break;
	case SERVER_FIRST:
		shutdown(s, SHUT_WR);
		recv(c, buf, sizeof(buf), MSG_DONTWAIT);
		close(s);
		close(c);
		break;
	case BOTH_AT_ONCE:
		close(s);
		close(c);
		break;
	case RESET:
		close_hard(c);
		close(s);
		break;
	case RESET_BY_UNREAD:
		must(send(s, "unread", 6, MSG_NOSIGNAL) == 6 || errno == EPIPE ||
		     errno == ECONNRESET);
		close(c);
		close(s);
		break;
	case HALF_CLOSED:
		shutdown(c, SHUT_WR);
		send(s, "back", 4, MSG_NOSIGNAL);
		shutdown(s, SHUT_WR);
		close(c);
		close(s);
		break;
	case DATA_IN_FLIGHT:
		must(send(c, data, sizeof(data), MSG_NOSIGNAL) == sizeof(data));
		close(c);
		close_hard(s);
		break;
	default:
		break;
	}
	return -1;
}

static uint16_t sum(const void *p, size_t len, uint32_t acc)
{
	const uint16_t *w = p;

	for (; len > 1; len -= 2)
		acc += *w++;
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return acc;
}

/* A SYN from somebody who will not answer: a half-open connection stays behind. */
static void half_open(int raw, const struct endpoint *to, int n)
{
	struct endpoint from = at("192.0.2.99", 0), dest = *to;
	struct tcphdr tcp = {
		.source = htons(10000 + n),
		.dest = to->sin_port,
		.seq = htonl(n),
		.syn = 1,
		.doff = 5,
		.window = htons(1000),
	};
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = from.sin_addr.s_addr,
		.daddr = to->sin_addr.s_addr,
	};
	struct ip6_hdr ip6 = {
		.ip6_flow = htonl(6 << 28),
		.ip6_plen = htons(sizeof(tcp)),
		.ip6_nxt = IPPROTO_TCP,
		.ip6_hlim = 64,
		.ip6_src = from.in6.sin6_addr,
		.ip6_dst = to->in6.sin6_addr,
	};
	uint32_t pseudo = htons(IPPROTO_TCP) + htons(sizeof(tcp));
	struct iovec parts[] = {
		{ v6 ? (void *)&ip6 : (void *)&ip, v6 ? sizeof(ip6) : sizeof(ip) },
		{ &tcp, sizeof(tcp) },
	};
	struct msghdr msg = {
		.msg_name = &dest,
		.msg_namelen = addr_len(),
		.msg_iov = parts,
		.msg_iovlen = 2,
	};

	/* To a raw socket of IPv6 it would be the protocol. */
	dest.sin_port = 0;
	pseudo += v6 ? sum(&ip6.ip6_src, 32, 0) : sum(&ip.saddr, 8, 0);
	tcp.check = ~sum(&tcp, sizeof(tcp), pseudo);
	must(sendmsg(raw, &msg, 0) == (ssize_t)(parts[0].iov_len + sizeof(tcp)));
}

/* How many lines of our /proc file have this state. */
static int count_state(int state)
{
	FILE *f = fopen(proc_file(), "re");
	char line[512];
	unsigned int st;
	int n = 0;

	must(f != NULL);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, " %*d: %*x:%*x %*x:%*x %x", &st) == 1 && (int)st == state;
	fclose(f);
	return n;
}

static void show(const char *path, const char *but)
{
	char line[512];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!but || !strstr(line, but))
			printf("# %s", line);
	if (f)
		fclose(f);
}

/* What keeps the module: at most 20 s, a connection whose last segment was lost included. */
static bool removed_at_last(void)
{
	for (int i = 0; i < 20000; i++) {
		if (remove_module() == 0)
			return true;
		if (i == 2000) {
			printf("# after two seconds there still are:\n");
			show("/proc/net/rusttcp", " 06 ");
			show("/proc/net/rusttcp6", " 06 ");
			printf("# and of all that waits, and of the kernel's:\n");
			show("/proc/net/rusttcp", NULL);
			show("/proc/net/rusttcp6", NULL);
			show("/proc/net/tcp", NULL);
			show("/proc/net/tcp6", NULL);
			show("/proc/net/rusttcp_stat", NULL);
		}
		usleep(1000);
	}
	return false;
}

static int seen_half_open, seen_time_wait, seen_waiting;

static void connections(void)
{
	struct endpoint ours, theirs, dark;
	int l_ours = listener_of(true, "127.0.0.1", &ours);
	int l_theirs = listener_of(false, "127.0.0.1", &theirs);
	int l_dark = listener_of(true, "192.0.2.1", &dark);
	int raw = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	int late[CONNECTIONS], n_late = 0;

	must(raw >= 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		enum end how = (enum end)(i / 3 % ENDS);
		int fd = i % 3 == 0 ? one(true, l_ours, &ours, how) :
			 i % 3 == 1 ? one(true, l_theirs, &theirs, how) :
				      one(false, l_ours, &ours, how);

		if (fd >= 0)
			late[n_late++] = fd;
	}
	for (int i = 0; i < 10; i++)
		half_open(raw, &dark, i);
	close(raw);
	seen_half_open += count_state(3) >= 10;
	seen_time_wait += count_state(6) > 0;
	/* Accepted by nobody: their listener goes first. */
	seen_waiting += poll_for(l_ours, POLLIN, 0) > 0;
	close(l_ours);
	close(l_theirs);
	close(l_dark);
	while (n_late > 0)
		close(late[--n_late]);
}

/*
 * Kernel memory in use: each cache of kmalloc's and the network's by objects, and two sums in
 * KiB. TIME-WAIT of the kernel's own sockets stays for a minute: its caches are left out, and
 * so is the sum of all slabs.
 */
struct use {
	char name[48];
	long before, after;
};
static struct use uses[256];
static int n_uses;

static void note(const char *name, long value, bool last)
{
	int i = 0;

	while (i < n_uses && strcmp(uses[i].name, name))
		i++;
	if (i == (int)ARRAY_SIZE(uses))
		return;
	if (i == n_uses) {
		snprintf(uses[i].name, sizeof(uses[i].name), "%s", name);
		n_uses++;
	}
	*(last ? &uses[i].after : &uses[i].before) = value;
}

static void take_stock(bool last)
{
	char line[512], name[64], path[160];
	long value;
	FILE *f;

	/* What waits for a grace period, and what the CPUs keep at hand. */
	sleep(1);
	f = fopen("/proc/slabinfo", "re");
	must(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s", name) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", name);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd >= 0) {
			(void)!write(fd, "1", 1);
			close(fd);
		}
	}
	rewind(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %ld", name, &value) == 2 &&
		    (!strncmp(name, "kmalloc", 7) || !strncmp(name, "skbuff", 6) ||
		     !strncmp(name, "dst_cache", 9) || !strncmp(name, "ip_dst", 6) ||
		     !strncmp(name, "inet_peer", 9) || !strncmp(name, "sock_inode", 10) ||
		     !strncmp(name, "request_sock", 12) || !strcmp(name, "TCP") ||
		     !strcmp(name, "proc_dir_entry") || !strcmp(name, "pool_workqueue")))
			note(name, value, last);
	fclose(f);
	f = fopen("/proc/meminfo", "re");
	must(f != NULL);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %ld", name, &value) == 2 &&
		    (!strcmp(name, "VmallocUsed") || !strcmp(name, "Percpu")))
			note(name, value, last);
	fclose(f);
}

/* Less than half an object, or 1 KiB, for each cycle in between. */
static bool no_growth(int cycles)
{
	bool good = n_uses > 20;

	for (int i = 0; i < n_uses; i++) {
		long grown = uses[i].after - uses[i].before;
		bool sum = strchr("VP", uses[i].name[0]) != NULL;
		long limit = sum ? cycles : cycles / 2;

		if (grown > limit)
			good = false;
		if (grown > limit || (sum && grown != 0))
			printf("# %s: %ld, %d cycles later %ld\n", uses[i].name, uses[i].before,
			       cycles, uses[i].after);
	}
	printf("# %d caches and sums compared\n", n_uses);
	return good;
}

static bool refused(const char *why)
{
	bool good = remove_module() == -1 && errno == EAGAIN;

	if (!good)
		printf("# rmmod with %s: %s\n", why, strerror(errno));
	return good;
}

static void test_refused(const char *name)
{
	struct endpoint sin;
	int fd, l, s;

	choose_family(name);
	printf("# %s\n", name);
	fd = new_socket();
	ktap(refused("a socket"), "rmmod is refused while a socket is open");
	l = new_listener(4, &sin);
	close(fd);
	ktap(refused("a listener"), "while a socket listens");
	fd = new_socket();
	must(connect(fd, SA(sin), sizeof(sin)) == 0);
	close(fd);
	ktap(refused("a child"), "while a child waits for accept");
	s = accept(l, NULL, NULL);
	must(s >= 0);
	close(l);
	ktap(refused("a half-closed connection"), "while one end of a connection is open");
	close(s);
	fd = new_socket();
	ktap(refused("a socket again"), "refused: sockets can still be made");
	close(fd);
}

int main(int argc, char **argv)
{
	int cycles = argc == 3 ? atoi(argv[2]) : 0, done, waited = 0;
	long long start;

	if (cycles < 1) {
		fprintf(stderr, "usage: unload MODULE CYCLES\n");
		return 2;
	}
	module = argv[1];
	ktap_begin_here();
	test_refused("rusttcp");
	test_refused("rusttcp6");
	expect(removed_at_last(), 1, 0, "rmmod after the last socket");

	start = now_ms();
	for (done = 0; done < cycles; done++) {
		if (insert() != 0)
			break;
		choose_family("rusttcp");
		connections();
		choose_family("rusttcp6");
		connections();
		if (remove_module() != 0) {
			waited++;
			if (!removed_at_last())
				break;
		}
		if (done == WARM - 1)
			take_stock(false);
	}
	printf("# %d cycles, %lld s; rmmod had to be tried again in %d\n", done,
	       (now_ms() - start) / 1000, waited);
	expect(done, cycles, 0, "insmod, 100 connections, rmmod: all cycles");
	expect(seen_half_open, 2 * cycles, 0, "each left half-open connections, of IPv4 and of IPv6");
	expect(seen_time_wait, 2 * cycles, 0, "and TIME-WAIT");
	expect(seen_waiting, 2 * cycles, 0, "and children that nobody accepted");
	if (done > WARM) {
		take_stock(true);
		ktap(no_growth(done - WARM), "kernel memory does not grow");
	}
	expect(insert(), 0, 0, "and it comes back");
	return ktap_end();
}
