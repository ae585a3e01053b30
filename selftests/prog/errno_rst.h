/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table that sk_errno writes of what it tried, and the errnos that it does not bring about.
 */
#ifndef RUSTTCP_ERRNO_RST_H
#define RUSTTCP_ERRNO_RST_H

#define UNIX		"of AF_UNIX sockets only"
#define DATAGRAMS	"of datagrams only"
#define MEMORY		"without memory: ``sk_nomem`` on the debug kernel"
#define NEVER		"Linux' TCP never says so: accept() tells nothing of the connection's fate"
#define SAME		"see the calls, above"

/* What the pages name besides. */
static const struct {
	const char *page, *names, *why;
} others[] = {
	{ "socket(2)", "EACCES", "of security modules only" },
	{ "socket(2)", "ENOBUFS ENOMEM", MEMORY },
	{ "bind(2)", "ELOOP ENAMETOOLONG ENOENT ENOTDIR EROFS", UNIX },
	{ "bind(2)", "ENOMEM", MEMORY },
	{ "listen(2)", "EOPNOTSUPP", "of types of sockets that can't listen; there is one type" },
	{ "accept(2)", "EOPNOTSUPP", "of types of sockets that can't listen; there is one type" },
	{ "accept(2)", "EWOULDBLOCK", "the same number as EAGAIN" },
	{ "accept(2)", "ECONNABORTED ENOSR EPROTONOSUPPORT ESOCKTNOSUPPORT ETIMEDOUT", NEVER },
	{ "accept(2)", "ENETDOWN EPROTO ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH",
	  "not of Linux' TCP, whatever the page's text says: what waits keeps its errors (``iplayer.py``)" },
	{ "accept(2)", "EPERM", "of security modules only; a firewall drops the SYN" },
	{ "accept(2)", "ENOBUFS ENOMEM", MEMORY },
	{ "accept(2)", "ERESTARTSYS", "no user gets to see it: ``sk_restart``" },
	{ "connect(2)", "EACCES", "of a firewall over IPv6, over IPv4 EHOSTUNREACH; both same: ``netfilter``" },
	{ "connect(2)", "EPERM", "of no firewall's rule; both same: ``netfilter``" },
	{ "connect(2)", "EADDRINUSE", "of TCP it is EADDRNOTAVAIL, above" },
	{ "connect(2)", "EAGAIN EPROTOTYPE", UNIX },
	{ "send(2)", "EACCES", "of AF_UNIX sockets and datagrams only" },
	{ "send(2)", "EMSGSIZE", DATAGRAMS },
	{ "send(2)", "EWOULDBLOCK", "the same number as EAGAIN" },
	{ "send(2)", "ENOBUFS", "with MSG_ZEROCOPY, when notices have no room: ``sk_zerocopy``" },
	{ "send(2)", "ENOMEM", MEMORY },
	{ "recv(2)", "ENOMEM", MEMORY },
	{ "recv(2)", "EWOULDBLOCK", "the same number as EAGAIN" },
	{ "tcp(7)", "EPIPE EAFNOSUPPORT", SAME },
	{ "ip(7)", "EACCES EADDRINUSE EADDRNOTAVAIL EAGAIN EALREADY EISCONN ENOPROTOOPT ENOTCONN EPIPE", SAME },
	{ "ip(7)", "ECONNABORTED", NEVER },
	{ "ip(7)", "EMSGSIZE ENOPKG EOPNOTSUPP", "of datagrams and raw sockets only" },
	{ "ip(7)", "ENOBUFS ENOMEM", MEMORY },
};

static inline void rst_row(const char *page, const char *names, const char *when, const char *state)
{
	printf("   * - %s\n     - %s\n     -%s%s\n     - %s\n", page, names, *when ? " " : "", when, state);
}

/* From "page: ERRNO, when it comes". */
static inline void rst_test(const char *name, bool ok)
{
	int page = strcspn(name, ":"), len = strspn(name + page + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
	char page_text[20], errno_text[40];
	const char *when = name + page + 2 + len;

	snprintf(page_text, sizeof(page_text), "%.*s", page, name);
	snprintf(errno_text, sizeof(errno_text), "%.*s", len, name + page + 2);
	rst_row(page_text, errno_text, when + strspn(when, ", "), ok ? "same" : "differs");
}

static inline void rst_head(void)
{
	printf(".. SPDX-License-Identifier: GPL-2.0\n"
	       ".. Written by ``make errnos`` (the program sk_errno). Do not edit.\n\n"
	       "======\nErrnos\n======\n\n"
	       "What the man pages say that calls on sockets fail with, each brought about on both stacks.\n"
	       "*Same* means that both said what is expected, over IPv4 and over IPv6. ``make errnos`` fails if a\n"
	       "page names one that is not here.\n\n"
	       ".. list-table::\n   :header-rows: 1\n\n   * - Page\n     - Errno\n     - When\n"
	       "     - Both stacks, or why not\n");
}

static inline void rst_others(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		rst_row(others[i].page, others[i].names, "", others[i].why);
}

#endif /* RUSTTCP_ERRNO_RST_H */
