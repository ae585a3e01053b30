// SPDX-License-Identifier: GPL-2.0
/*
 * Every socket option that a stream socket may be asked for, put to both stacks: the
 * default, setting and reading back, lengths and pointers that are wrong, what a
 * listener's child inherits, and the same on a connected socket. The kernel's TCP
 * says what is right; the few answers that differ are listed here with what they are and the reason.
 *
 * sk_opt --rst writes Documentation/options.rst.
 */
#include "common.h"
#include <linux/filter.h>
#include <net/if.h>
#include <stdarg.h>
#include <linux/net_tstamp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* What an entry does not name is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* Newer than the C library's headers. */
enum {
	TCP_TX_DELAY_ = 37, TCP_AO_ADD_KEY_ = 38, TCP_AO_DEL_KEY_, TCP_AO_INFO_, TCP_AO_GET_KEYS_,
	TCP_AO_REPAIR_, TCP_IS_MPTCP_, TCP_RTO_MAX_MS_, TCP_RTO_MIN_US_, TCP_DELACK_MAX_US_,
	SO_TXREHASH_ = 74, SO_RCVMARK_ = 75, SO_PASSPIDFD_ = 76, SO_PEERPIDFD_ = 77,
	SO_RCVPRIORITY_ = 82, SO_RESERVE_MEM_ = 73, SO_BUF_LOCK_ = 72, SO_NETNS_COOKIE_ = 71,
	SO_PREFER_BUSY_POLL_ = 69, SO_BUSY_POLL_BUDGET_ = 70, SO_DETACH_REUSEPORT_BPF_ = 68,
	IPV6_MULTICAST_ALL_ = 29, IPV6_ROUTER_ALERT_ISOLATE_ = 30, IPV6_RECVERR_RFC4884_ = 31,
	IPV6_FLOWINFO_ = 11, IPV6_FLOWLABEL_MGR_ = 32, IPV6_FLOWINFO_SEND_ = 33, IPV6_MINHOPCOUNT_ = 73,
	IPV6_RECVORIGDSTADDR_ = 74, IPV6_TRANSPARENT_ = 75, IPV6_UNICAST_IF_ = 76,
	IPV6_RECVFRAGSIZE_ = 77, IPV6_FREEBIND_ = 78,
	SO_TIMESTAMP_NEW_ = 63, SO_TIMESTAMPNS_NEW_, SO_TIMESTAMPING_NEW_, SO_RCVTIMEO_NEW_, SO_SNDTIMEO_NEW_,
	SO_DEVMEM_LINEAR_ = 78, SO_DEVMEM_DMABUF_, SO_DEVMEM_DONTNEED_, SO_PASSRIGHTS_ = 83, SO_INQ_,
	SO_RIGHTS_NOTRUNC_, IPV6_USE_MIN_MTU_ = 63, IPV6_NEXTHOP_ = 9, IPV6_AUTHHDR_ = 10, IP_CHECKSUM_ = 23,
	SO_SECURITY_AUTHENTICATION_ = 22, SO_SECURITY_ENCRYPTION_TRANSPORT_, SO_SECURITY_ENCRYPTION_NETWORK_,
	IP_LOCAL_PORT_RANGE_ = 51, IP_PROTOCOL_ = 52, IP_RECVERR_RFC4884_ = 26,
};

#define VOL	1	/* The value is the moment's: only success and length are compared. */
#define NOSET	2	/* Setting it is not tried. */
#define HERE	4	/* It differs: `gives` and `shows` say how, `why` for whom reads the table. */
#define FRESH	8	/* Compared on fresh sockets and listeners only. */
#define BIG	16	/* Longer than an int. */
#define SHOWS	32	/* Reading it gives `shows`. */
#define GROUP	64	/* Asked for in a memory cgroup. */

static const char no_anycast[] = "ENOPROTOOPT: a connection has one peer";
static const char no_groups[] = "EPROTO, as for IP_ADD_MEMBERSHIP";
static const char no_groups6[] = "EPROTO, as for IPV6_ADD_MEMBERSHIP";

static struct timeval a_second = { 1, 0 };
static struct linger some_linger = { 1, 3 };
/* struct group_req: an interface, and a group of either family at its alignment. */
static const char group4[136] = "\x01\0\0\0\0\0\0\0\x02\0\0\0\xe0\0\0\x63";
static const char group6[136] = "\x01\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\xff\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x63";
static struct tcp_md5sig some_key = {
	.tcpm_addr.ss_family = AF_INET, .tcpm_keylen = 3, .tcpm_key = "key",
};
static struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, 0xffffffff) };
static struct sock_fprog program = { 1, all };

struct option {
	int level, name;
	const char *text;
	int flags;
	int values[5];
	const void *blob;	/* What to set instead of ints. */
	unsigned int blob_len;
	const char *why;
	int gives;	/* Here it can't be set: the errno where the answer differs. 0: not so. */
	int shows;	/* Where that differs; AF_RUSTTCP is the family's number. */
};

#define NO_GROUPS	.why = no_groups, .gives = EPROTO
#define NO_GROUPS6	.why = no_groups6, .gives = EPROTO
#define NO_ANYCAST	.why = no_anycast, .gives = ENOPROTOOPT

#define S(name, flags, ...)	{ SOL_SOCKET, name, #name, flags, __VA_ARGS__ }
#define I(name, flags, ...)	{ IPPROTO_IP, name, #name, flags, __VA_ARGS__ }
#define V(name, flags, ...)	{ IPPROTO_IPV6, name, #name, flags, __VA_ARGS__ }
#define T(name, flags, ...)	{ IPPROTO_TCP, name, #name, flags, __VA_ARGS__ }

static const struct option options[] = {
	S(SO_DEBUG, 0, { 0, 1 }), S(SO_REUSEADDR, 0, { 1, 7, 0 }),
	S(SO_TYPE, 0, { 1 }),
	S(SO_ERROR, 0, { 1 }), S(SO_DONTROUTE, 0, { 1, 0 }), S(SO_BROADCAST, 0, { 1, 0 }),
	S(SO_SNDBUF, FRESH, { 1, 4096, 65536, 100000 }), S(SO_RCVBUF, FRESH, { 1, 4096, 65536, 100000 }),
	S(SO_SNDBUFFORCE, 0, { 65536 }), S(SO_RCVBUFFORCE, 0, { 65536 }),
	S(SO_KEEPALIVE, 0, { 1, 0 }), S(SO_OOBINLINE, 0, { 1, 0 }), S(SO_NO_CHECK, 0, { 1, 0 }),
	S(SO_PRIORITY, 0, { 0, 5 }), S(SO_LINGER, BIG, { 0 }, &some_linger, sizeof(some_linger)),
	S(SO_BSDCOMPAT, 0, { 1 }), S(SO_REUSEPORT, 0, { 1, 0 }), S(SO_PASSCRED, 0, { 1, 0 }),
	S(SO_PEERCRED, BIG | NOSET), S(SO_RCVLOWAT, FRESH, { 1, 0, 100, 20000, -1 }),
	S(SO_SNDLOWAT, 0, { 1 }),
	S(SO_RCVTIMEO, BIG, { 0 }, &a_second, sizeof(a_second)),
	S(SO_SNDTIMEO, BIG, { 0 }, &a_second, sizeof(a_second)),
	S(SO_BINDTODEVICE, BIG, { 0 }, "lo", 3),
	S(SO_ATTACH_FILTER, BIG, { 0 }, &program, sizeof(program)),
	S(SO_DETACH_FILTER, 0, { 0 }), S(SO_LOCK_FILTER, 0, { 0 }),
	S(SO_PEERNAME, BIG | NOSET), S(SO_TIMESTAMP, 0, { 1, 0 }), S(SO_TIMESTAMPNS, 0, { 1, 0 }),
	S(SO_ACCEPTCONN, 0, { 1 }), S(SO_PEERSEC, BIG | NOSET), S(SO_PASSSEC, 0, { 0 }),
	S(SO_MARK, 0, { 0, 77 }), S(SO_RCVMARK_, 0, { 1, 0 }),
	S(SO_TIMESTAMPING, BIG, { 0, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE,
		SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_SOFTWARE, 1 << 30 }),
	S(SO_PROTOCOL, 0, { 6 }), S(SO_RXQ_OVFL, 0, { 1, 0 }),
	S(SO_WIFI_STATUS, 0, { 0 }), S(SO_PEEK_OFF, 0, { 0, 5, -1, -7 }), S(SO_NOFCS, 0, { 0 }),
	S(SO_SELECT_ERR_QUEUE, 0, { 1, 0 }), S(SO_BUSY_POLL, 0, { 0, 50, -1 }),
	S(SO_PREFER_BUSY_POLL_, 0, { 1, 0 }), S(SO_BUSY_POLL_BUDGET_, 0, { 8, -1, 70000 }),
	S(SO_MAX_PACING_RATE, BIG, { 1000000, -1 }), S(SO_BPF_EXTENSIONS, 0, { 0 }),
	S(SO_INCOMING_CPU, VOL, { 0, 1 }), S(SO_ATTACH_BPF, 0, { -1 }),
	S(SO_ATTACH_REUSEPORT_CBPF, BIG, { 0 }, &program, sizeof(program)),
	S(SO_ATTACH_REUSEPORT_EBPF, 0, { -1 }), S(SO_DETACH_REUSEPORT_BPF_, 0, { 0 }),
	S(SO_CNX_ADVICE, 0, { 1 }), S(SO_MEMINFO, BIG | VOL | NOSET), S(SO_INCOMING_NAPI_ID, 0, { 0 }),
	S(SO_COOKIE, BIG | VOL, { 0 }), S(SO_PEERGROUPS, BIG | NOSET),
	S(SO_ZEROCOPY, 0, { 1, 0, 2, -1 }), S(SO_NETNS_COOKIE_, BIG, { 0 }),
	S(SO_BUF_LOCK_, 0, { 3, 0, 4 }), S(SO_PASSPIDFD_, 0, { 1 }), S(SO_PEERPIDFD_, NOSET),
	S(SO_RCVPRIORITY_, 0, { 1, 0 }), S(SO_RESERVE_MEM_, 0, { 0, -1 }),
	S(SO_RESERVE_MEM_, HERE | GROUP | SHOWS, { 1 << 20, 0, -1 }, .gives = EOPNOTSUPP, .shows = 0, .why =
	  "in a memory cgroup; EOPNOTSUPP, as without one: core code reserves for a ``tcp_sock`` only"),
	S(SO_TXTIME, BIG, { 0 }, "\0\0\0\0\0\0\0\0", 8),
	S(SO_BINDTOIFINDEX, 0, { 1, 0, -1 }),
	S(SO_TXREHASH_, HERE, { 1, 0, -1, 2 }, .gives = EOPNOTSUPP, .why =
	  "EOPNOTSUPP: core code reads it of a ``tcp_sock`` only"),
	S(SO_DOMAIN, HERE | SHOWS, { 2 }, .gives = ENOPROTOOPT, .shows = AF_RUSTTCP, .why = "the family's own number; rusttcp-run makes it AF_INET"),
	S(SO_TIMESTAMP_NEW_, 0, { 1, 0 }), S(SO_TIMESTAMPNS_NEW_, 0, { 1, 0 }),
	S(SO_TIMESTAMPING_NEW_, BIG, { 0, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE }),
	S(SO_RCVTIMEO_NEW_, BIG, { 0 }, &a_second, sizeof(a_second)),
	S(SO_SNDTIMEO_NEW_, BIG, { 0 }, &a_second, sizeof(a_second)),
	S(SO_DEVMEM_LINEAR_, 0, { 0 }), S(SO_DEVMEM_DMABUF_, 0, { 0 }),
	S(SO_DEVMEM_DONTNEED_, HERE, { 0 }, .gives = EBADF, .why =
	  "EBADF: nothing is received into the memory of a device"),
	S(SO_PASSRIGHTS_, 0, { 1, 0 }), S(SO_INQ_, 0, { 1, 0 }), S(SO_RIGHTS_NOTRUNC_, 0, { 1, 0 }),
	S(SO_SECURITY_AUTHENTICATION_, 0, { 1 }), S(SO_SECURITY_ENCRYPTION_TRANSPORT_, 0, { 1 }),
	S(SO_SECURITY_ENCRYPTION_NETWORK_, 0, { 1 }),
	S(9999, 0, { 1 }),

	I(IP_TOS, 0, { 0x10, 0x13, 256, -1, 0 }), I(IP_TTL, 0, { 1, 64, 255, 0, 256 }),
	I(IP_MTU, VOL, { 1 }), I(IP_MTU_DISCOVER, 0, { 0, 1, 2, 3, 6 }), I(IP_RECVERR, 0, { 1, 0 }),
	I(IP_RECVERR_RFC4884_, 0, { 1, 0, 2 }),
	I(IP_TRANSPARENT, 0, { 1, 0 }), I(IP_FREEBIND, 0, { 1, 0 }),
	I(IP_BIND_ADDRESS_NO_PORT, 0, { 1, 0 }),
	I(IP_LOCAL_PORT_RANGE_, 0, { 0x9c4f9c40, 1, 0, 5 }), I(IP_MINTTL, 0, { 0, 255, 256 }),
	I(IP_PKTINFO, 0, { 1, 0 }), I(IP_RECVTTL, 0, { 1, 0 }), I(IP_RECVTOS, 0, { 1, 0 }),
	I(IP_RECVOPTS, 0, { 1, 0 }), I(IP_RETOPTS, 0, { 1, 0 }), I(IP_PASSSEC, 0, { 0 }),
	I(IP_RECVORIGDSTADDR, 0, { 1, 0 }), I(IP_RECVFRAGSIZE, 0, { 1 }), I(IP_HDRINCL, 0, { 1 }),
	I(IP_ROUTER_ALERT, 0, { 1 }), I(IP_NODEFRAG, 0, { 1 }), I(IP_UNICAST_IF, 0, { 0 }),
	I(IP_OPTIONS, BIG, { 0 }, "", 0), I(IP_PROTOCOL_, VOL | NOSET),
	I(IP_MULTICAST_TTL, 0, { 1 }), I(IP_MULTICAST_LOOP, 0, { 1, 0 }), I(IP_MULTICAST_IF, 0, { 0 }),
	I(IP_MULTICAST_ALL, 0, { 1, 0 }),
	I(IP_ADD_MEMBERSHIP, BIG, { 0 }, "\xe0\0\0\x63\x7f\0\0\x01", 8),
	I(IP_DROP_MEMBERSHIP, BIG, { 0 }, "\xe0\0\0\x63\x7f\0\0\x01", 8),
	I(IP_ADD_SOURCE_MEMBERSHIP, HERE, { 0 }, NO_GROUPS),
	I(IP_DROP_SOURCE_MEMBERSHIP, HERE, { 0 }, NO_GROUPS),
	I(IP_BLOCK_SOURCE, HERE, { 0 }, NO_GROUPS), I(IP_UNBLOCK_SOURCE, HERE, { 0 }, NO_GROUPS),
	I(IP_MSFILTER, HERE, { 0 }, NO_GROUPS),
	I(MCAST_JOIN_GROUP, HERE | BIG, { 0 }, group4, sizeof(group4), NO_GROUPS), I(MCAST_LEAVE_GROUP, HERE, { 0 }, NO_GROUPS),
	I(MCAST_BLOCK_SOURCE, HERE, { 0 }, NO_GROUPS),
	I(MCAST_UNBLOCK_SOURCE, HERE, { 0 }, NO_GROUPS),
	I(MCAST_JOIN_SOURCE_GROUP, HERE, { 0 }, NO_GROUPS),
	I(MCAST_LEAVE_SOURCE_GROUP, HERE, { 0 }, NO_GROUPS), I(MCAST_MSFILTER, HERE, { 0 }, NO_GROUPS),
	I(IP_PKTOPTIONS, BIG | VOL, { 0 }), I(IP_CHECKSUM_, 0, { 1, 0 }), I(IP_IPSEC_POLICY, 0, { 0 }),
	I(IP_XFRM_POLICY, 0, { 0 }), I(9999, 0, { 1 }),

	V(IPV6_ADDRFORM, 0, { AF_INET, AF_INET6 }),
	V(IPV6_V6ONLY, 0, { 1, 0, 5 }), V(IPV6_UNICAST_HOPS, 0, { 1, 255, -1, 0, 256 }),
	V(IPV6_MULTICAST_IF, 0, { 0, 1 }), V(IPV6_MULTICAST_HOPS, 0, { 1, 255, 256 }),
	V(IPV6_MULTICAST_LOOP, 0, { 0, 1, 2 }), V(IPV6_MULTICAST_ALL_, 0, { 0, 1 }),
	V(IPV6_ADD_MEMBERSHIP, BIG, { 0 }, "\xff\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x63\x01\0\0\0", 20),
	V(IPV6_DROP_MEMBERSHIP, BIG, { 0 }, "\xff\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\x63\x01\0\0\0", 20),
	V(MCAST_JOIN_GROUP, HERE | BIG, { 0 }, group6, sizeof(group6), NO_GROUPS6), V(MCAST_LEAVE_GROUP, HERE, { 0 }, NO_GROUPS6),
	V(MCAST_BLOCK_SOURCE, HERE, { 0 }, NO_GROUPS6),
	V(MCAST_UNBLOCK_SOURCE, HERE, { 0 }, NO_GROUPS6),
	V(MCAST_JOIN_SOURCE_GROUP, HERE, { 0 }, NO_GROUPS6),
	V(MCAST_LEAVE_SOURCE_GROUP, HERE, { 0 }, NO_GROUPS6),
	V(MCAST_MSFILTER, HERE, { 0 }, NO_GROUPS6),
	V(IPV6_USE_MIN_MTU_, 0, { 1, 0 }), V(IPV6_NEXTHOP_, 0, { 0 }), V(IPV6_AUTHHDR_, 0, { 0 }),
	V(IPV6_ROUTER_ALERT, 0, { 1, -1 }), V(IPV6_ROUTER_ALERT_ISOLATE_, 0, { 1, 0 }),
	V(IPV6_MTU_DISCOVER, 0, { 0, 1, 2, 3, 6 }), V(IPV6_MTU, VOL, { 1280, 1279, 0 }),
	V(IPV6_RECVERR, 0, { 1, 0 }), V(IPV6_RECVERR_RFC4884_, 0, { 1, 0, 2 }),
	V(IPV6_JOIN_ANYCAST, HERE, { 0 }, NO_ANYCAST),
	V(IPV6_LEAVE_ANYCAST, HERE, { 0 }, NO_ANYCAST),
	V(IPV6_FLOWLABEL_MGR_, BIG, { 0 }),
	V(IPV6_FLOWINFO_SEND_, 0, { 1, 0 }), V(IPV6_FLOWINFO_, 0, { 1, 0 }),
	V(IPV6_XFRM_POLICY, 0, { 0 }), V(IPV6_IPSEC_POLICY, 0, { 0 }),
	V(IPV6_HDRINCL, 0, { 1, 0 }), V(IPV6_CHECKSUM, 0, { 2 }),
	V(IPV6_RECVPKTINFO, 0, { 1, 0 }), V(IPV6_2292PKTINFO, 0, { 1, 0 }),
	V(IPV6_PKTINFO, BIG, { 0 }, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\0\0\0", 20),
	V(IPV6_RECVHOPLIMIT, 0, { 1, 0 }), V(IPV6_2292HOPLIMIT, 0, { 1, 0 }), V(IPV6_HOPLIMIT, 0, { 1 }),
	V(IPV6_RECVHOPOPTS, 0, { 1, 0 }), V(IPV6_2292HOPOPTS, 0, { 1, 0 }),
	V(IPV6_HOPOPTS, BIG, { 0 }, "", 0),
	V(IPV6_RTHDRDSTOPTS, BIG, { 0 }, "", 0),
	V(IPV6_RECVRTHDR, 0, { 1, 0 }), V(IPV6_2292RTHDR, 0, { 1, 0 }),
	V(IPV6_RTHDR, BIG, { 0 }, "", 0),
	V(IPV6_RECVDSTOPTS, 0, { 1, 0 }), V(IPV6_2292DSTOPTS, 0, { 1, 0 }),
	V(IPV6_DSTOPTS, BIG, { 0 }, "", 0),
	V(IPV6_RECVPATHMTU, 0, { 1, 0 }), V(IPV6_PATHMTU, BIG | VOL, { 1 }),
	V(IPV6_DONTFRAG, 0, { 1, 0 }), V(IPV6_RECVTCLASS, 0, { 1, 0 }),
	V(IPV6_TCLASS, 0, { 0x10, 0x13, 255, -1, 256 }),
	V(IPV6_2292PKTOPTIONS, BIG, { 0 }, "", 0), V(IPV6_AUTOFLOWLABEL, 0, { 1, 0 }),
	V(IPV6_ADDR_PREFERENCES, 0, { 1, 2, 3, 0 }), V(IPV6_MINHOPCOUNT_, 0, { 64, 255, 256, -1, 0 }),
	V(IPV6_RECVORIGDSTADDR_, 0, { 1, 0 }), V(IPV6_TRANSPARENT_, 0, { 1, 0 }),
	V(IPV6_UNICAST_IF_, 0, { 0, 1 << 24, 77 << 24 }), V(IPV6_RECVFRAGSIZE_, 0, { 1, 0 }),
	V(IPV6_FREEBIND_, 0, { 1, 0 }), V(9999, 0, { 1 }),

	T(TCP_NODELAY, 0, { 1, 5, 0 }), T(TCP_MAXSEG, FRESH, { 88, 1000, 32767, 87, 32768 }),
	T(TCP_CORK, 0, { 1, 0 }), T(TCP_KEEPIDLE, 0, { 1, 32767, 0, 32768 }),
	T(TCP_KEEPINTVL, 0, { 1, 32767, 0, 32768 }), T(TCP_KEEPCNT, 0, { 1, 127, 0, 128 }),
	T(TCP_SYNCNT, 0, { 1, 127, 0, 128 }), T(TCP_LINGER2, 0, { 5, 0, -1, 300, 120 }),
	T(TCP_DEFER_ACCEPT, 0, { 1, 3, 10, 0, 100000 }), T(TCP_WINDOW_CLAMP, FRESH, { 5000, 100, 0, -1 }),
	T(TCP_INFO, BIG | VOL, { 0 }), T(TCP_QUICKACK, FRESH, { 0, 1, 2 }),
	T(TCP_CONGESTION, BIG, { 0 }, "reno", 4), T(TCP_CONGESTION, BIG, { 0 }, "nosuch", 6),
	T(TCP_MD5SIG, BIG, { 0 }, &some_key, sizeof(some_key), .gives = ENOPROTOOPT), T(TCP_COOKIE_TRANSACTIONS, 0, { 0 }),
	T(TCP_THIN_LINEAR_TIMEOUTS, 0, { 1, 0, 2 }), T(TCP_THIN_DUPACK, 0, { 1, 0, 2 }),
	T(TCP_USER_TIMEOUT, 0, { 1, 30000, 0, -1 }),
	T(TCP_REPAIR, HERE | SHOWS, { 0, 1 }, .gives = EPERM, .shows = 0, .why = "EPERM: a connection can't be taken apart"),
	T(TCP_REPAIR_QUEUE, 0, { 1 }, .gives = EPERM), T(TCP_QUEUE_SEQ, FRESH, { 1 }, .gives = EINVAL),
	T(TCP_REPAIR_OPTIONS, 0, { 1 }, .gives = EINVAL), T(TCP_REPAIR_WINDOW, 0, { 1 }, .gives = EPERM),
	T(TCP_FASTOPEN, 0, { 5, 0, -1 }),
	T(TCP_FASTOPEN_CONNECT, 0, { 1, 0, 2 }),
	T(TCP_FASTOPEN_KEY, BIG | VOL, { 1 }, "0123456789abcdef", 16),
	T(TCP_FASTOPEN_NO_COOKIE, 0, { 1, 0 }),
	T(TCP_TIMESTAMP, VOL, { 1 }), T(TCP_NOTSENT_LOWAT, 0, { 1, 16384, 0, -1 }),
	T(TCP_CC_INFO, BIG, { 0 }), T(TCP_SAVE_SYN, 0, { 1, 2, 0, 3, -1 }), T(TCP_SAVED_SYN, BIG | VOL, { 0 }),
	T(TCP_ULP, BIG, { 0 }, "nosuch", 6, .gives = ENOENT),
	T(TCP_ULP, BIG, { 0 }, "tls", 3, .gives = ENOENT),
	T(TCP_MD5SIG_EXT, BIG, { 0 }, &some_key, sizeof(some_key), .gives = ENOPROTOOPT),
	T(TCP_ZEROCOPY_RECEIVE, HERE | NOSET, .gives = ENOPROTOOPT, .why = "ENOPROTOOPT: pages are not mapped"),
	T(TCP_INQ, 0, { 1, 0, 2 }),
	T(TCP_TX_DELAY_, 0, { 1000, 0, (1 << 28) - 1, 1 << 28, -1 }),
	T(TCP_AO_ADD_KEY_, 0, { 0 }, .gives = ENOPROTOOPT), T(TCP_AO_DEL_KEY_, 0, { 0 }, .gives = ENOPROTOOPT),
	T(TCP_AO_INFO_, 0, { 0 }, .gives = ENOPROTOOPT), T(TCP_AO_GET_KEYS_, NOSET, .gives = ENOPROTOOPT),
	T(TCP_AO_REPAIR_, HERE, { 0 }, .gives = ENOPROTOOPT, .why =
	  "ENOPROTOOPT, as without CONFIG_TCP_AO"),
	T(TCP_IS_MPTCP_, 0, { 0 }),
	T(TCP_RTO_MAX_MS_, 0, { 1000, 120000, 999, 120001 }),
	T(TCP_RTO_MIN_US_, 0, { 8000, 200000, 1000, 200001, 0 }),
	T(TCP_DELACK_MAX_US_, 0, { 8000, 200000, 1000, 200001, 0 }),
	T(9999, 0, { 1 }),
};

/* A protocol of what was asked and answered. */
struct log {
	char line[200][120];
	int n;
};

static void add(struct log *log, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (log->n < 200)
		vsnprintf(log->line[log->n++], sizeof(log->line[0]), format, args);
	va_end(args);
}

static const char *error_of(int r)
{
	return r < 0 ? strerrorname_np(errno) : "0";
}

static void ask_get(struct log *log, int fd, const struct option *o, const char *what)
{
	unsigned char value[512] = { 0 };
	socklen_t len = o->flags & BIG ? sizeof(value) : 4;
	int r = getsockopt(fd, o->level, o->name, value, &len);
	char hex[2 * 24 + 1] = "";

	if (r == 0 && !(o->flags & VOL))
		for (unsigned int i = 0; i < len && i < 24; i++)
			sprintf(hex + 2 * i, "%02x", value[i]);
	add(log, "%s: get %s, length %u, %s", what, error_of(r), r ? 0 : len, hex);
}

static void ask_set(struct log *log, int fd, const struct option *o, const char *what)
{
	if (o->flags & NOSET)
		return;
	if (o->blob) {
		int r = setsockopt(fd, o->level, o->name, o->blob, o->blob_len);

		add(log, "%s: set blob %s", what, error_of(r));
		ask_get(log, fd, o, what);
		return;
	}
	for (int i = 0; i < 5; i++) {
		int v = o->values[i];

		if (i && !v && (i > 3 || !o->values[i + 1]) && !o->values[i - 1])
			break;
		int r = setsockopt(fd, o->level, o->name, &v, sizeof(v));

		add(log, "%s: set %d %s", what, v, error_of(r));
		ask_get(log, fd, o, what);
	}
}

static void ask_lengths(struct log *log, int fd, const struct option *o)
{
	char value[64] = { 0 };

	for (int len = 0; len < 4; len++) {
		socklen_t l = len;
		int r = getsockopt(fd, o->level, o->name, value, &l);

		add(log, "get with room for %d: %s, length %u", len, error_of(r), r ? 0 : l);
		if (!(o->flags & NOSET)) {
			r = setsockopt(fd, o->level, o->name, value, len);
			add(log, "set with length %d: %s", len, error_of(r));
		}
	}
	socklen_t l = (socklen_t)-1;
	int r = getsockopt(fd, o->level, o->name, value, &l);

	add(log, "get with room for -1: %s", error_of(r));
	l = 4;
	r = getsockopt(fd, o->level, o->name, (void *)1, &l);
	add(log, "get to a bad pointer: %s", error_of(r));
	r = getsockopt(fd, o->level, o->name, value, (void *)1);
	add(log, "get with a bad length: %s", error_of(r));
	if (!(o->flags & NOSET) && o->name != TCP_REPAIR_OPTIONS) {
		r = setsockopt(fd, o->level, o->name, (void *)1, 4);
		add(log, "set from a bad pointer: %s", error_of(r));
		r = setsockopt(fd, o->level, o->name, value, -1);
		add(log, "set with length -1: %s", error_of(r));
	}
}

static void ask(struct log *log, const struct option *o)
{
	struct endpoint sin;
	int fd, listener, client, child;

	log->n = 0;
	fd = new_socket();
	ask_get(log, fd, o, "fresh");
	ask_set(log, fd, o, "fresh");
	close(fd);
	fd = new_socket();
	ask_lengths(log, fd, o);
	close(fd);
	listener = new_listener(4, &sin);
	ask_get(log, listener, o, "listener");
	/* The first value, which the child then has. */
	if (!(o->flags & NOSET)) {
		int v = o->values[0];
		int r = setsockopt(listener, o->level, o->name, o->blob ? o->blob : &v,
				   o->blob ? o->blob_len : sizeof(v));

		add(log, "listener: set %s", error_of(r));
		ask_get(log, listener, o, "listener");
	}
	client = new_socket();
	fcntl(client, F_SETFL, O_NONBLOCK);
	if (o->level == IPPROTO_TCP && (o->name == TCP_DEFER_ACCEPT || o->name == TCP_AO_REPAIR_)) {
		close(client);
		close(listener);
		return;
	}
	if (connect(client, SA(sin), sizeof(sin)) == 0 || poll_for(client, POLLOUT, 2000) > 0) {
		fcntl(listener, F_SETFL, O_NONBLOCK);
		child = poll_for(listener, POLLIN, 1000) > 0 ? accept(listener, NULL, NULL) : -1;
		if (child >= 0) {
			if (!(o->flags & FRESH))
				ask_get(log, child, o, "child");
			close(child);
		} else {
			add(log, "no child");
		}
	} else {
		add(log, "no connection");
	}
	if (!(o->flags & FRESH)) {
		ask_get(log, client, o, "connected");
		ask_set(log, client, o, "connected");
	}
	close(client);
	close(listener);
}

/* Whether a line ends with this answer: of setting, or of reading what can't be. */
static bool answers(const char *line, const char *answer)
{
	const char *end = strstr(line, ", length");
	size_t len = end ? (size_t)(end - line) : strlen(line), n = strlen(answer);

	return len > n && line[len - n - 1] == ' ' && !strncmp(line + len - n, answer, n);
}

/*
 * Whether this stack answered as the entry says where it did not answer as the kernel's, and let nothing be set
 * that it says can't be.
 */
static bool as_said(const struct option *o, const struct log *kernels, const struct log *ours)
{
	int value = o->shows == AF_RUSTTCP ? family : o->shows;
	bool ok = kernels->n == ours->n;
	char shown[40];

	snprintf(shown, sizeof(shown), ": get 0, length 4, %08x", htonl(value));
	for (int i = 0; i < ours->n && o->gives; i++) {
		const char *line = ours->line[i];
		bool set = strstr(line, "set "), good;

		good = (!set || !answers(line, "0")) &&
		       (!strcmp(line, kernels->line[i]) || answers(line, strerrorname_np(o->gives)) ||
			(o->flags & SHOWS && strstr(line, shown)));
		if (!good)
			printf("# kernel   %s\n# rusttcp  %s\n", kernels->line[i], line);
		ok = ok && good;
	}
	return ok;
}

static int differences(const struct log *a, const struct log *b, bool show)
{
	int n = 0;

	for (int i = 0; i < a->n || i < b->n; i++) {
		const char *x = i < a->n ? a->line[i] : "-", *y = i < b->n ? b->line[i] : "-";

		if (strcmp(x, y)) {
			n++;
			if (show)
				printf("# kernel   %s\n# rusttcp  %s\n", x, y);
		}
	}
	return n;
}

static const char *level_of(const struct option *o)
{
	switch (o->level) {
	case SOL_SOCKET:
		return "SOL_SOCKET";
	case IPPROTO_IP:
		return "SOL_IP";
	case IPPROTO_IPV6:
		return "SOL_IPV6";
	default:
		return "SOL_TCP";
	}
}

/* The name without the underscore that keeps it apart from the C library's. */
static const char *name_of(const struct option *o)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s", o->text);
	if (name[strlen(name) - 1] == '_')
		name[strlen(name) - 1] = 0;
	return name;
}

static void rst_head(void)
{
	printf(".. SPDX-License-Identifier: GPL-2.0\n"
	       ".. Written by ``make options`` (the program sk_opt). Do not edit.\n\n"
	       "==============\nSocket options\n==============\n\n"
	       "What both stacks answered when each option was read and set, on a fresh socket, on a\n"
	       "listener, on the child that it accepted and on a connected socket, with right and with\n"
	       "wrong lengths and pointers. *Same* means that all answers were those of the kernel's TCP.\n\n"
	       ".. list-table::\n   :header-rows: 1\n\n   * - Level\n     - Option\n     - Default\n"
	       "     - Answers\n     - Difference\n");
}

static void rst_row(const struct option *o, const struct log *log, int bad)
{
	const char *first = log->n ? log->line[0] : "";
	const char *value = strrchr(first, ' ');
	int fixed = 0;
	char text[32] = "";
	unsigned int b[4];

	if (strstr(first, "get 0, length 4") && value && strlen(value) == 9 &&
	    sscanf(value, " %2x%2x%2x%2x", b, b + 1, b + 2, b + 3) == 4)
		snprintf(text, sizeof(text), "%d", fixed = (int)(b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24));
	else if (strstr(first, "get E"))
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(strstr(first, "get E") + 4, ","),
			 strstr(first, "get E") + 4);
	(void)fixed;
	printf("   * - %s\n     - %s\n     - %s\n     - %d, %s\n     -%s%s\n", level_of(o), name_of(o), text,
	       log->n, bad ? "not all the same" : "same", bad && o->why ? " " : "",
	       bad && o->why ? o->why : "");
}

static void write_to(const char *dir, const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY);
	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* Into a memory cgroup of the process's own, or out of it. */
static void memory_group(bool in)
{
	static char root[32], group[64];

	if (in) {
		snprintf(root, sizeof(root), "/tmp/sk_opt.XXXXXX");
		must(mkdtemp(root) && mount("none", root, "cgroup2", 0, NULL) == 0);
		write_to(root, "cgroup.subtree_control", "+memory");
		snprintf(group, sizeof(group), "%s/sk_opt.%d", root, getpid());
		must(mkdir(group, 0755) == 0);
		write_to(group, "cgroup.procs", "0");
	} else {
		write_to(root, "cgroup.procs", "0");
		must(rmdir(group) == 0 && umount(root) == 0 && rmdir(root) == 0);
	}
}

/* What was received is mapped by the kernel's TCP, not by this one. */
static void test_mapping(void)
{
	struct tcp_zerocopy_receive r = { .length = 4096 };
	socklen_t len = sizeof(r);
	int fds[2], refusal = is_kernels() ? EPERM : ENODEV;
	void *at;

	new_pair(fds);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[0], 0);
	ktap(is_kernels() ? at != MAP_FAILED : at == MAP_FAILED && errno == ENODEV,
	     "mmap: for the kernel's TCP only; ENODEV");
	r.address = (uintptr_t)at;
	if (is_kernels())
		expect(getsockopt(fds[0], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &r, &len), 0, 0,
		       "TCP_ZEROCOPY_RECEIVE: the kernel's TCP has it");
	else
		expect(getsockopt(fds[0], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &r, &len), -1, ENOPROTOOPT,
		       "TCP_ZEROCOPY_RECEIVE: ENOPROTOOPT");
	expect(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0), -1, refusal, "mmap: to write");
	if (is_kernels())
		munmap(at, 4096);
	close(fds[0]);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	static struct log kernel, ours;
	bool rst = argc > 1 && !strcmp(argv[1], "--rst");
	const char *stack = getenv("RUSTTCP_FAMILY");

	if (rst)
		rst_head();
	else
		ktap_begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		bool six = o->level == IPPROTO_IPV6, here;
		int bad;
		char name[100];

		if (!strcmp(o->text, "9999") && rst)
			continue;
		/* The table has each level on a socket that has it. */
		if (rst)
			stack = six ? "rusttcp6" : "rusttcp";
		choose_family(stack);
		choose_family(v6 ? "inet6" : "inet");
		if (o->flags & GROUP)
			memory_group(true);
		ask(&kernel, o);
		choose_family(stack);
		ask(&ours, o);
		if (o->flags & GROUP)
			memory_group(false);
		bad = differences(&kernel, &ours, !rst && !(o->flags & HERE));
		if (rst) {
			rst_row(o, &ours, bad);
			continue;
		}
		snprintf(name, sizeof(name), "%s: %s%s", level_of(o), name_of(o),
			 o->flags & GROUP ? ", in a memory cgroup" : "");
		/* A level that a socket does not have is the same everywhere. */
		here = o->flags & HERE && (v6 || !six) && !is_kernels();
		/* A known difference has to be one, and the one that is known, or the table is out of date. */
		ktap((here ? bad > 0 : bad == 0) && (is_kernels() || as_said(o, &kernel, &ours)), name);
	}
	if (!rst)
		test_mapping();
	return rst ? 0 : ktap_end();
}
