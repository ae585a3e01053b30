/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RUSTTCP_H
#define _UAPI_LINUX_RUSTTCP_H

#include <linux/types.h>

/*
 * The address family. A number of its own can't be had without patching the
 * kernel (AF_MAX bounds them), so the module takes a retired one: 19 was Econet's.
 * The module parameter `family` chooses another.
 */
#ifndef AF_RUSTTCP
#define AF_RUSTTCP	19
#endif
#define PF_RUSTTCP	AF_RUSTTCP

/*
 * socket(AF_RUSTTCP, SOCK_STREAM, protocol): a socket as AF_INET makes it, or as AF_INET6 does.
 * IPPROTO_TCP means RUSTTCP_IPV4.
 */
#define RUSTTCP_IPV4	0
#define RUSTTCP_IPV6	1

/*
 * setsockopt(fd, IPPROTO_TCP, RUSTTCP_LOG, struct rusttcp_log): the connection keeps a
 * log of itself, of `records` records (at most 4096 without CAP_NET_ADMIN; 0: no log). On
 * a listener: each child does (at most 256 records, with CAP_NET_ADMIN 16384).
 * getsockopt() takes records out, the oldest first.
 *
 * RUSTTCP_LOG_EVENTS explains (Documentation/log.rst); when it is full the oldest records
 * go. RUSTTCP_LOG_INPUTS can be replayed on the host core (make replay); when it is
 * full it ends. It has to be asked for before the socket is connected.
 */
#define RUSTTCP_LOG		1000

#define RUSTTCP_LOG_EVENTS	1
#define RUSTTCP_LOG_INPUTS	2

struct rusttcp_log {
	__u32 kinds;
	__u32 records;
};

struct rusttcp_record {
	__u64 at;		/* nanoseconds of the monotonic clock */
	__u8 kind;		/* rust/tcp/log.rs has all of them */
	__u8 cause;
	__u16 more;
	__u32 words[13];
};

#endif /* _UAPI_LINUX_RUSTTCP_H */
