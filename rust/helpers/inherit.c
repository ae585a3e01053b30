// SPDX-License-Identifier: GPL-2.0
/* What a connection takes over from its SYN, and what security modules say of it. */

#include <linux/security.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/request_sock.h>
#include <net/route.h>

/*
 * The device that a packet came by into a routing domain (VRF), whose own device is the one
 * that the packet says it came by; 0: into none. While the control block is IP's.
 */
int rusttcp_helper_skb_sdif(const struct sk_buff *skb);
int rusttcp_helper_skb_sdif(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return inet6_sdif(skb);
	return inet_sdif(skb);
}

/* The device of the routing domain that device @iif is in, or is; 0: none. */
int rusttcp_helper_l3mdev_of(struct net *net, int iif);
int rusttcp_helper_l3mdev_of(struct net *net, int iif)
{
	return l3mdev_master_ifindex_by_index(net, iif);
}

u32 rusttcp_helper_skb_mark(const struct sk_buff *skb);
u32 rusttcp_helper_skb_mark(const struct sk_buff *skb)
{
	return skb->mark;
}

void rusttcp_helper_skb_label(struct sk_buff *skb, u32 mark, u32 priority);
void rusttcp_helper_skb_label(struct sk_buff *skb, u32 mark, u32 priority)
{
	skb->mark = mark;
	skb->priority = priority;
}

/* The traffic class of what @sk, which is locked, sends to peers of that kind (@v6). */
void rusttcp_helper_sk_set_tos(struct sock *sk, bool v6, u8 tos);
void rusttcp_helper_sk_set_tos(struct sock *sk, bool v6, u8 tos)
{
	if (v6)
		inet6_sk(sk)->tclass = tos;
	else
		WRITE_ONCE(inet_sk(sk)->tos, tos);
}

/*
 * Do security modules let the sender of @skb, whose data starts at the TCP header, begin a
 * connection with the listener @sk? They look at, and may write to, a request: one that nobody
 * else sees, since modules can't call the hook that would hand it on (inet_csk_clone).
 */
bool rusttcp_helper_sk_lets_in(const struct sock *sk, struct sk_buff *skb);
bool rusttcp_helper_sk_lets_in(const struct sock *sk, struct sk_buff *skb)
{
	static const struct request_sock_ops ops4 = { .family = AF_INET };
	static const struct request_sock_ops ops6 = { .family = AF_INET6 };
	const struct tcphdr *th = (const struct tcphdr *)skb->data;
	struct inet_request_sock ireq;
	struct sock *listener = (struct sock *)sk;
	struct request_sock *req = &ireq.req;
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	bool lets_in;

	if (!IS_ENABLED(CONFIG_SECURITY_NETWORK))
		return true;
	memset(&ireq, 0, sizeof(ireq));
	/* What is made for it (NetLabel's options) is charged to whom it leads to: not a whole socket. */
	ireq.ireq_state = TCP_NEW_SYN_RECV;
	req->rsk_listener = listener;
	ireq.ir_num = ntohs(th->dest);
	ireq.ir_rmt_port = th->source;
	ireq.ir_iif = skb->skb_iif;
	if (v6) {
		req->rsk_ops = &ops6;
		ireq.ireq_family = AF_INET6;
#if IS_ENABLED(CONFIG_IPV6)
		ireq.ir_v6_loc_addr = ipv6_hdr(skb)->daddr;
		ireq.ir_v6_rmt_addr = ipv6_hdr(skb)->saddr;
#endif
	} else {
		req->rsk_ops = &ops4;
		ireq.ireq_family = AF_INET;
		ireq.ir_loc_addr = ip_hdr(skb)->daddr;
		ireq.ir_rmt_addr = ip_hdr(skb)->saddr;
	}
	lets_in = !security_inet_conn_request(sk, skb, req);
	/* SELinux and Smack may have labelled it, which goes with it. */
	if (v6)
		drop_options(listener, ireq.ipv6_opt);
	else
		kfree(rcu_dereference_protected(ireq.ireq_opt, true));
	return lets_in;
}

/* Security modules learn whom the connection of @sk, which is locked, is with: @skb answered. */
void rusttcp_helper_sk_conn_established(struct sock *sk, struct sk_buff *skb);
void rusttcp_helper_sk_conn_established(struct sock *sk, struct sk_buff *skb)
{
	security_inet_conn_established(sk, skb);
}

/*
 * The route of an IPv4 packet that no socket sends, but that is sent for @sk if that is not
 * NULL: as for its own packets, but for device and mark.
 */
struct dst_entry *rusttcp_helper_ip_route_control(struct net *net, const struct sock *sk,
						  __be32 daddr, __be32 saddr, __be16 dport,
						  __be16 sport, int oif, u32 mark);
struct dst_entry *rusttcp_helper_ip_route_control(struct net *net, const struct sock *sk,
						  __be32 daddr, __be32 saddr, __be16 dport,
						  __be16 sport, int oif, u32 mark)
{
	struct flowi4 fl4;
	struct rtable *rt;

	flowi4_init_output(&fl4, oif, mark, sk ? ip_sock_rt_tos(sk) : 0, RT_SCOPE_UNIVERSE,
			   IPPROTO_TCP, sk ? inet_sk_flowi_flags(sk) : 0, daddr, saddr, dport,
			   sport, sk ? sk_uid(sk) : sock_net_uid(net, NULL));
	if (sk)
		security_sk_classify_flow(sk, flowi4_to_flowi_common(&fl4));
	rt = ip_route_output_flow(net, &fl4, NULL);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	/* RFC 1122, 3.2.1.3: nobody is at an address of many. */
	if (rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-ENETUNREACH);
	}
	return &rt->dst;
}
