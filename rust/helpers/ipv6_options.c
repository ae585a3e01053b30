// SPDX-License-Identifier: GPL-2.0
/*
 * Options of IPv6 that the kernel sets under the socket's lock, and then only for AF_INET6 itself: extension
 * headers and flow labels. They are put to a socket of the kernel's own, which has for the time of the call
 * what ours has; so that what is right and who may do it is decided where it is for any socket.
 */

#include <linux/net.h>
#include <net/ipv6.h>
#include <net/sock.h>

/* What was allocated for it and is not in use any more. */
static void drop_options(struct sock *sk, struct ipv6_txoptions *opt)
{
	if (!opt)
		return;
	atomic_sub(opt->tot_len, &sk->sk_omem_alloc);
	txopt_put(opt);
}

/* IPV6_HOPOPTS and its kin, and IPV6_2292PKTOPTIONS. Both sockets are locked by the caller, or his alone. */
static int set_options(struct sock *sk, struct sock *proxy, int name, sockptr_t value,
		       unsigned int len)
{
	struct ipv6_txoptions *opt, *copy = NULL;
	int err;

	opt = rcu_dereference_protected(inet6_sk(sk)->opt, lockdep_sock_is_held(sk));
	if (opt) {
		copy = ipv6_dup_options(proxy, opt);
		if (!copy)
			return -ENOBUFS;
		RCU_INIT_POINTER(inet6_sk(proxy)->opt, copy);
	}
	err = ipv6_setsockopt(proxy, SOL_IPV6, name, value, len);
	if (err)
		return err;
	/* Nobody else has the proxy. */
	opt = rcu_dereference_protected(inet6_sk(proxy)->opt, true);
	copy = NULL;
	if (opt) {
		copy = ipv6_dup_options(sk, opt);
		if (!copy)
			return -ENOBUFS;
	}
	drop_options(sk, unrcu_pointer(xchg(&inet6_sk(sk)->opt, RCU_INITIALIZER(copy))));
	sk_dst_reset(sk);
	return 0;
}

static void move_labels(struct sock *to, struct sock *from)
{
	inet6_sk(to)->flow_label = inet6_sk(from)->flow_label;
	inet6_assign_bit(REPFLOW, to, inet6_test_bit(REPFLOW, from));
	/* The list is written by who has the socket locked; there it goes, here it is not seen any more. */
	rcu_assign_pointer(inet_sk(to)->ipv6_fl_list,
			   rcu_dereference_protected(inet_sk(from)->ipv6_fl_list, true));
	RCU_INIT_POINTER(inet_sk(from)->ipv6_fl_list, NULL);
}

/* IPV6_FLOWLABEL_MGR: the leases are the proxy's while it is asked. */
static int set_label(struct sock *sk, struct sock *proxy, int name, sockptr_t value,
		     unsigned int len)
{
	int err;

	move_labels(proxy, sk);
	err = ipv6_setsockopt(proxy, SOL_IPV6, name, value, len);
	move_labels(sk, proxy);
	return err;
}

/* Sets option @name of SOL_IPV6, one of those above. @sk is of IPv6 and locked. May sleep. */
int rusttcp_helper_inet6_set_by_proxy(struct sock *sk, int name, sockptr_t value,
				      unsigned int len);
int rusttcp_helper_inet6_set_by_proxy(struct sock *sk, int name, sockptr_t value,
				      unsigned int len)
{
	struct socket *proxy;
	int err;

	err = sock_create_kern(sock_net(sk), AF_INET6, SOCK_STREAM, IPPROTO_TCP, &proxy);
	if (err)
		return err;
	if (name == IPV6_FLOWLABEL_MGR)
		err = set_label(sk, proxy->sk, name, value, len);
	else
		err = set_options(sk, proxy->sk, name, value, len);
	sock_release(proxy);
	return err;
}

/* IPV6_ADDRFORM: nothing of IPv6 is left but what is freed with the socket. @sk is locked. */
void rusttcp_helper_inet6_shed(struct sock *sk);
void rusttcp_helper_inet6_shed(struct sock *sk)
{
	struct ipv6_pinfo *np = inet6_sk(sk);

	np->rxopt.all = 0;
	drop_options(sk, unrcu_pointer(xchg(&np->opt, NULL)));
}
