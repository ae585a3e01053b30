// SPDX-License-Identifier: GPL-2.0

#include <linux/icmp.h>
#include <linux/jhash.h>
#include <net/icmp.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xfrm.h>

/*
 * Whether IPsec's inbound policy lets @skb, whose data starts at the TCP header, through to
 * @sk (or to nobody in particular).
 */
bool rusttcp_helper_xfrm_policy_allows(struct sock *sk, struct sk_buff *skb);
bool rusttcp_helper_xfrm_policy_allows(struct sock *sk, struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return xfrm6_policy_check(sk, XFRM_POLICY_IN, skb);
	return xfrm4_policy_check(sk, XFRM_POLICY_IN, skb);
}

/* The namespace's Fast Open keys, at most @max: how many there are. */
int rusttcp_helper_fastopen_keys(struct net *net, siphash_key_t *keys, int max);
int rusttcp_helper_fastopen_keys(struct net *net, siphash_key_t *keys, int max)
{
	struct tcp_fastopen_context *ctx;
	int i, num = 0;

	rcu_read_lock();
	ctx = rcu_dereference(net->ipv4.tcp_fastopen_ctx);
	if (ctx) {
		num = min(ctx->num, max);
		for (i = 0; i < num; i++)
			keys[i] = ctx->key[i];
	}
	rcu_read_unlock();
	return num;
}

/*
 * net.ipv4.tcp_max_orphans as it was at boot. The variable itself modules can't get at; it is made
 * from the size of the table of connections.
 */
unsigned int rusttcp_helper_max_orphans(void);
unsigned int rusttcp_helper_max_orphans(void)
{
	return (init_net.ipv4.tcp_death_row.hashinfo->ehash_mask + 1) / 2;
}

/* bindgen 0.73 may place the fields behind the padding of that structure wrongly. */
int rusttcp_helper_max_tw_buckets(const struct net *net);
int rusttcp_helper_max_tw_buckets(const struct net *net)
{
	return READ_ONCE(net->ipv4.tcp_death_row.sysctl_max_tw_buckets);
}

struct net *rusttcp_helper_dev_net(const struct net_device *dev);
struct net *rusttcp_helper_dev_net(const struct net_device *dev)
{
	return dev_net_rcu(dev);
}

void *rusttcp_helper_net_generic(const struct net *net, unsigned int id);
void *rusttcp_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

struct rtable *rusttcp_helper_ip_route_connect(struct flowi4 *fl4, __be32 dst,
					       __be32 src, int oif, u8 protocol,
					       __be16 sport, __be16 dport,
					       const struct sock *sk);
struct rtable *rusttcp_helper_ip_route_connect(struct flowi4 *fl4, __be32 dst,
					       __be32 src, int oif, u8 protocol,
					       __be16 sport, __be16 dport,
					       const struct sock *sk)
{
	return ip_route_connect(fl4, dst, src, oif, protocol, sport, dport, sk);
}

struct rtable *rusttcp_helper_ip_route_newports(struct flowi4 *fl4,
						struct rtable *rt,
						__be16 orig_sport,
						__be16 orig_dport,
						__be16 sport, __be16 dport,
						const struct sock *sk);
struct rtable *rusttcp_helper_ip_route_newports(struct flowi4 *fl4,
						struct rtable *rt,
						__be16 orig_sport,
						__be16 orig_dport,
						__be16 sport, __be16 dport,
						const struct sock *sk)
{
	return ip_route_newports(fl4, rt, orig_sport, orig_dport, sport, dport,
				 sk);
}

void rusttcp_helper_ip_rt_put(struct rtable *rt);
void rusttcp_helper_ip_rt_put(struct rtable *rt)
{
	ip_rt_put(rt);
}

/* Where packets to @dst go first: a source route (IP_OPTIONS) names a gateway. @sk is locked. */
__be32 rusttcp_helper_sk_first_hop(struct sock *sk, __be32 dst);
__be32 rusttcp_helper_sk_first_hop(struct sock *sk, __be32 dst)
{
	const struct ip_options_rcu *opt;

	rcu_read_lock();
	opt = rcu_dereference(inet_sk(sk)->inet_opt);
	if (opt && opt->opt.srr)
		dst = opt->opt.faddr;
	rcu_read_unlock();
	return dst;
}

/* The options of the IPv4 header in front of @skb's data, at most 40 bytes; how many. */
unsigned int rusttcp_helper_skb_rx_ip4_options(const struct sk_buff *skb, u8 *options);
unsigned int rusttcp_helper_skb_rx_ip4_options(const struct sk_buff *skb, u8 *options)
{
	const struct iphdr *iph = ip_hdr(skb);
	unsigned int len;

	if (iph->version != 4 || iph->ihl <= 5)
		return 0;
	len = iph->ihl * 4 - sizeof(*iph);
	memcpy(options, iph + 1, len);
	return len;
}

__be32 rusttcp_helper_skb_rx_ip4_source(const struct sk_buff *skb);
__be32 rusttcp_helper_skb_rx_ip4_source(const struct sk_buff *skb)
{
	return ip_hdr(skb)->saddr;
}

/* IP_OPTIONS of @sk, which is locked and has none yet. False: there is no memory, or they are bad. */
bool rusttcp_helper_sk_set_ip4_options(struct sock *sk, const u8 *options, unsigned int len);
bool rusttcp_helper_sk_set_ip4_options(struct sock *sk, const u8 *options, unsigned int len)
{
	unsigned int whole = round_up(len, 4);
	struct ip_options_rcu *opt;

	opt = kzalloc(sizeof(*opt) + whole, GFP_ATOMIC);
	if (!opt)
		return false;
	/* The rest is zero, the end of the list. */
	memcpy(opt->opt.__data, options, len);
	opt->opt.optlen = whole;
	if (ip_options_compile(sock_net(sk), &opt->opt, NULL)) {
		kfree(opt);
		return false;
	}
	rcu_assign_pointer(inet_sk(sk)->inet_opt, opt);
	return true;
}

/* Bytes of each packet that the user's IP options take, or (@v6) extension headers. */
unsigned int rusttcp_helper_sk_ip_extra(struct sock *sk, bool v6);
unsigned int rusttcp_helper_sk_ip_extra(struct sock *sk, bool v6)
{
	const struct ipv6_txoptions *opt6 = NULL;
	const struct ip_options_rcu *opt4 = NULL;
	unsigned int extra = 0;

	rcu_read_lock();
	if (v6)
		opt6 = rcu_dereference(inet6_sk(sk)->opt);
	else
		opt4 = rcu_dereference(inet_sk(sk)->inet_opt);
	if (opt6)
		extra = opt6->opt_flen + opt6->opt_nflen;
	else if (opt4)
		extra = opt4->opt.optlen;
	rcu_read_unlock();
	return extra;
}

bool rusttcp_helper_is_err(const void *ptr);
bool rusttcp_helper_is_err(const void *ptr)
{
	return IS_ERR(ptr);
}

/* Does the route of @sk, which is locked, lead to this host? */
bool rusttcp_helper_sk_dst_is_loopback(struct sock *sk);
bool rusttcp_helper_sk_dst_is_loopback(struct sock *sk)
{
	const struct dst_entry *dst;
	bool is;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	is = dst && dst_dev_rcu(dst)->flags & IFF_LOOPBACK;
	rcu_read_unlock();
	return is;
}

/* Does the route of @sk, which is locked, say that Fast Open needs no cookie? */
bool rusttcp_helper_sk_dst_no_cookie(struct sock *sk);
bool rusttcp_helper_sk_dst_no_cookie(struct sock *sk)
{
	const struct dst_entry *dst = __sk_dst_get(sk);

	return dst && dst_metric(dst, RTAX_FASTOPEN_NO_COOKIE);
}

u32 rusttcp_helper_dst_mtu(const struct dst_entry *dst);
u32 rusttcp_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

/*
 * What a route says of TCP, in the order of RouteMetrics in ../net/route.rs; 0: nothing.
 * Two of them count only with "lock".
 */
void rusttcp_helper_dst_tcp_metrics(const struct dst_entry *dst, u32 *to);
void rusttcp_helper_dst_tcp_metrics(const struct dst_entry *dst, u32 *to)
{
	to[0] = dst_metric(dst, RTAX_INITCWND);
	to[1] = dst_metric(dst, RTAX_INITRWND);
	to[2] = dst_metric(dst, RTAX_WINDOW);
	to[3] = dst_metric_locked(dst, RTAX_CWND) ? dst_metric(dst, RTAX_CWND) : 0;
	to[4] = dst_metric(dst, RTAX_SSTHRESH);
	to[5] = dst_metric_locked(dst, RTAX_RTO_MIN) ? dst_metric(dst, RTAX_RTO_MIN) : 0;
	to[6] = dst_metric(dst, RTAX_REORDERING);
	/* What dst_metric_advmss() would fill in follows from the MTU. */
	to[7] = dst_metric_raw(dst, RTAX_ADVMSS);
	to[8] = dst_metric(dst, RTAX_QUICKACK);
	to[9] = dst_feature(dst, RTAX_FEATURE_ECN);
	to[10] = dst_metric(dst, RTAX_CC_ALGO);
	to[11] = dst_metric_locked(dst, RTAX_CC_ALGO);
}

/* The same of the route that @sk, which is locked, keeps. False: it keeps none. */
bool rusttcp_helper_sk_tcp_metrics(struct sock *sk, u32 *to);
bool rusttcp_helper_sk_tcp_metrics(struct sock *sk, u32 *to)
{
	const struct dst_entry *dst;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	if (dst)
		rusttcp_helper_dst_tcp_metrics(dst, to);
	rcu_read_unlock();
	return dst;
}

/*
 * By what number a route's "congctl" names the algorithm called @name, @len bytes without an
 * end. The kernel's table of them is not exported; this is how it numbers what registers.
 */
u32 rusttcp_helper_tcp_ca_key(const u8 *name, size_t len);
u32 rusttcp_helper_tcp_ca_key(const u8 *name, size_t len)
{
	char padded[TCP_CA_NAME_MAX] = {};

	len = min(len, sizeof(padded) - 1);
	memcpy(padded, name, len);
	return jhash(padded, sizeof(padded), len);
}

/* The route of @sk, which is locked, may be dead: IP lets go of it if it is a passing one. */
void rusttcp_helper_dst_negative_advice(struct sock *sk);
void rusttcp_helper_dst_negative_advice(struct sock *sk)
{
	__dst_negative_advice(sk);
}

void rusttcp_helper_dst_release(struct dst_entry *dst);
void rusttcp_helper_dst_release(struct dst_entry *dst)
{
	dst_release(dst);
}

struct rtable *rusttcp_helper_skb_rtable(const struct sk_buff *skb);
struct rtable *rusttcp_helper_skb_rtable(const struct sk_buff *skb)
{
	return skb_rtable(skb);
}

int rusttcp_helper_ip4_dst_hoplimit(const struct dst_entry *dst);
int rusttcp_helper_ip4_dst_hoplimit(const struct dst_entry *dst)
{
	return ip4_dst_hoplimit(dst);
}

/* inet_protos[] is an __rcu array; this module is its only writer after boot. */
const struct net_protocol *
rusttcp_helper_inet_protos_swap(int protocol, const struct net_protocol *new);
const struct net_protocol *
rusttcp_helper_inet_protos_swap(int protocol, const struct net_protocol *new)
{
	const struct net_protocol *old = rcu_dereference_raw(inet_protos[protocol]);

	rcu_assign_pointer(inet_protos[protocol], new);
	return old;
}

/* A connection that was looked up: is it more than one in TIME-WAIT? Puts it back. */
static bool is_in_use(struct sock *sk)
{
	bool has;

	if (!sk)
		return false;
	has = READ_ONCE(sk->sk_state) != TCP_TIME_WAIT ||
	      READ_ONCE(inet_twsk(sk)->tw_substate) != TCP_TIME_WAIT;
	sock_gen_put(sk);
	return has;
}

/*
 * Does the kernel's own TCP hold a connection or half-open one with these
 * addresses? What only waits out TIME-WAIT has no need of the segment, unlike
 * FIN-WAIT-2, which is kept in the same kind of socket. Context: RCU read side,
 * softirq.
 */
bool rusttcp_helper_inet_established(struct net *net, __be32 saddr, __be16 sport,
				     __be32 daddr, __be16 dport, int dif, int sdif);
bool rusttcp_helper_inet_established(struct net *net, __be32 saddr, __be16 sport,
				     __be32 daddr, __be16 dport, int dif, int sdif)
{
	return is_in_use(__inet_lookup_established(net, saddr, sport, daddr, ntohs(dport), dif,
						   sdif));
}

/* Does the kernel's own TCP listen for this segment? Context: as above. */
bool rusttcp_helper_inet_listens(struct net *net, struct sk_buff *skb, __be32 saddr,
				 __be16 sport, __be32 daddr, __be16 dport, int dif);
bool rusttcp_helper_inet_listens(struct net *net, struct sk_buff *skb, __be32 saddr,
				 __be16 sport, __be32 daddr, __be16 dport, int dif)
{
	return __inet_lookup_listener(net, skb, tcp_hdrlen(skb), saddr, sport, daddr,
				      ntohs(dport), dif, 0);
}

/* The name of the namespace's congestion control; @name has TCP_CA_NAME_MAX bytes. */
void rusttcp_helper_tcp_congestion_name(struct net *net, u8 *name);
void rusttcp_helper_tcp_congestion_name(struct net *net, u8 *name)
{
	const struct tcp_congestion_ops *ca;

	rcu_read_lock();
	ca = rcu_dereference(net->ipv4.tcp_congestion_control);
	strscpy_pad((char *)name, ca ? ca->name : "", TCP_CA_NAME_MAX);
	rcu_read_unlock();
}
