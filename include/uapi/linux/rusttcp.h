/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RUSTTCP_H
#define _UAPI_LINUX_RUSTTCP_H

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

#endif /* _UAPI_LINUX_RUSTTCP_H */
