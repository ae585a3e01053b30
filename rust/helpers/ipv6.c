// SPDX-License-Identifier: GPL-2.0

#include <linux/ipv6.h>
#include <net/inet6_connection_sock.h>
#include <net/inet6_hashtables.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/protocol.h>
#include <net/tcp.h>
#include <net/transp_v6.h>

#if !IS_ENABLED(CONFIG_IPV6)
#error "rusttcp: the kernel has to be built with CONFIG_IPV6=y"
#endif

/* Is there IPv6 (it may be switched off at boot)? */
bool rusttcp_helper_ipv6_enabled(void);
bool rusttcp_helper_ipv6_enabled(void)
{
	return ipv6_mod_enabled();
}

/* What inet6_create() does to a fresh socket, whose IPv6 part is @np. */
void rusttcp_helper_inet6_sock_defaults(struct sock *sk, struct ipv6_pinfo *np);
void rusttcp_helper_inet6_sock_defaults(struct sock *sk, struct ipv6_pinfo *np)
{
	struct net *net = sock_net(sk);

	inet_sk(sk)->pinet6 = np;
	memset(np, 0, sizeof(*np));
	np->hop_limit = -1;
	np->mcast_hops = IPV6_DEFAULT_MCASTHOPS;
	np->pmtudisc = IPV6_PMTUDISC_WANT;
	inet_clear_bit(MC_ALL, sk);
	inet6_set_bit(MC6_LOOP, sk);
	inet6_set_bit(MC6_ALL, sk);
	inet6_assign_bit(REPFLOW, sk, READ_ONCE(net->ipv6.sysctl.flowlabel_reflect) &
			 FLOWLABEL_REFLECT_ESTABLISHED);
	sk->sk_ipv6only = READ_ONCE(net->ipv6.sysctl.bindv6only);
}

/*
 * A copy of @listener: @np is its own IPv6 part, which is a copy too. The listener's extension headers
 * it has in a copy of its own; without memory for that it has none, as with the kernel's TCP.
 */
void rusttcp_helper_inet6_sock_copied(const struct sock *listener, struct sock *sk,
				      struct ipv6_pinfo *np);
void rusttcp_helper_inet6_sock_copied(const struct sock *listener, struct sock *sk,
				      struct ipv6_pinfo *np)
{
	struct ipv6_txoptions *opt;

	inet_sk(sk)->pinet6 = np;
	np->ipv6_mc_list = NULL;
	np->ipv6_ac_list = NULL;
	np->pktoptions = NULL;
	np->rxpmtu = NULL;
	rcu_read_lock();
	opt = rcu_dereference(inet6_sk(listener)->opt);
	RCU_INIT_POINTER(np->opt, opt ? ipv6_dup_options(sk, opt) : NULL);
	rcu_read_unlock();
}

/*
 * What the user of @sk wants in the headers of its packets, of IPv6 if @v6: the traffic class
 * less ECN, and the hop limit, 0 for that of the route.
 */
void rusttcp_helper_sk_ip_fields(const struct sock *sk, bool v6, u8 *tos, u8 *ttl);
void rusttcp_helper_sk_ip_fields(const struct sock *sk, bool v6, u8 *tos, u8 *ttl)
{
	int hops = v6 ? READ_ONCE(inet6_sk(sk)->hop_limit) : READ_ONCE(inet_sk(sk)->uc_ttl);

	*tos = (v6 ? inet6_sk(sk)->tclass : READ_ONCE(inet_sk(sk)->tos)) & ~INET_ECN_MASK;
	*ttl = hops > 0 ? hops : 0;
}

bool rusttcp_helper_sk_ipv6only(const struct sock *sk);
bool rusttcp_helper_sk_ipv6only(const struct sock *sk)
{
	return sk->sk_ipv6only;
}

void rusttcp_helper_sk_set_ipv6only(struct sock *sk, bool on);
void rusttcp_helper_sk_set_ipv6only(struct sock *sk, bool on)
{
	sk->sk_ipv6only = on;
}

/*
 * The route of a socket from @saddr (or any) to @daddr, looked up by the flow that the
 * socket keeps for it. The socket is locked.
 */
struct dst_entry *rusttcp_helper_ip6_route_connect(struct sock *sk, const struct in6_addr *daddr,
						   const struct in6_addr *saddr, __be16 sport,
						   __be16 dport);
struct dst_entry *rusttcp_helper_ip6_route_connect(struct sock *sk, const struct in6_addr *daddr,
						   const struct in6_addr *saddr, __be16 sport,
						   __be16 dport)
{
	struct flowi6 *fl6 = &inet_sk(sk)->cork.fl.u.ip6;
	struct ipv6_pinfo *np = inet6_sk(sk);
	struct in6_addr *final;
	struct dst_entry *dst;

	memset(fl6, 0, sizeof(*fl6));
	fl6->flowi6_proto = IPPROTO_TCP;
	fl6->daddr = *daddr;
	fl6->saddr = *saddr;
	fl6->flowlabel = ip6_make_flowinfo(np->tclass, np->flow_label);
	fl6->flowi6_oif = sk->sk_bound_dev_if;
	fl6->flowi6_mark = READ_ONCE(sk->sk_mark);
	fl6->fl6_sport = sport;
	fl6->fl6_dport = dport;
	if (!sport)
		fl6->flowi6_flags = FLOWI_FLAG_ANY_SPORT;
	fl6->flowi6_uid = sk_uid(sk);
	security_sk_classify_flow(sk, flowi6_to_flowi_common(fl6));
	/* With a routing header the way leads to the first that it names. */
	rcu_read_lock();
	final = fl6_update_dst(fl6, rcu_dereference(np->opt), &np->final);
	rcu_read_unlock();
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, fl6, final);
	fl6->daddr = *daddr;
	return dst;
}

void rusttcp_helper_ip6_dst_store(struct sock *sk, struct dst_entry *dst);
void rusttcp_helper_ip6_dst_store(struct sock *sk, struct dst_entry *dst)
{
	ip6_dst_store(sk, dst, false, false);
}

/*
 * Sends @skb, which starts at the TCP header, along the socket's route. @ecn: two bits.
 * Tells what the queue said.
 */
int rusttcp_helper_ip6_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn);
int rusttcp_helper_ip6_queue_xmit(struct sock *sk, struct sk_buff *skb, u8 ecn)
{
	struct ipv6_pinfo *np = inet6_sk(sk);

	np->tclass = (np->tclass & ~INET_ECN_MASK) | ecn;
	return inet6_csk_xmit(sk, skb, NULL);
}

static void fl6_of(struct flowi6 *fl6, const struct in6_addr *daddr, const struct in6_addr *saddr,
		   __be16 dport, __be16 sport, int oif)
{
	memset(fl6, 0, sizeof(*fl6));
	fl6->flowi6_proto = IPPROTO_TCP;
	fl6->flowi6_oif = oif;
	fl6->daddr = *daddr;
	fl6->saddr = *saddr;
	fl6->fl6_dport = dport;
	fl6->fl6_sport = sport;
}

/*
 * The route of a packet that no socket sends, but that is sent for @sk if that is not NULL: as
 * for its own packets, but for device and mark. A socket of IPv4 sends none of these.
 */
struct dst_entry *rusttcp_helper_ip6_route_control(struct net *net, const struct sock *sk,
						   const struct in6_addr *daddr,
						   const struct in6_addr *saddr, __be16 dport,
						   __be16 sport, int oif, u32 mark);
struct dst_entry *rusttcp_helper_ip6_route_control(struct net *net, const struct sock *sk,
						   const struct in6_addr *daddr,
						   const struct in6_addr *saddr, __be16 dport,
						   __be16 sport, int oif, u32 mark)
{
	struct flowi6 fl6;

	fl6_of(&fl6, daddr, saddr, dport, sport, oif);
	fl6.flowi6_mark = mark;
	fl6.flowi6_uid = sk ? sk_uid(sk) : sock_net_uid(net, NULL);
	if (sk)
		security_sk_classify_flow(sk, flowi6_to_flowi_common(&fl6));
	/* Bound to a device, it answers by that or not at all: so does the connection that comes of it. */
	return ip6_dst_lookup_flow(net, sk, &fl6, NULL);
}

int rusttcp_helper_dst_ifindex(const struct dst_entry *dst);
int rusttcp_helper_dst_ifindex(const struct dst_entry *dst)
{
	int index;

	rcu_read_lock();
	index = dst_dev_rcu(dst)->ifindex;
	rcu_read_unlock();
	return index;
}

/* Whether packets of @sk, of IPv6, have extension headers. */
bool rusttcp_helper_inet6_has_options(const struct sock *sk);
bool rusttcp_helper_inet6_has_options(const struct sock *sk)
{
	return rcu_access_pointer(inet6_sk(sk)->opt);
}

/*
 * Sends a packet, which starts at the TCP header, for the listener @sk to @daddr with the listener's
 * extension headers. Context: softirq, RCU read side.
 */
void rusttcp_helper_inet6_xmit_for(struct sock *sk, struct sk_buff *skb, const struct in6_addr *daddr,
				   const struct in6_addr *saddr, __be16 dport, __be16 sport, int oif,
				   u8 tclass);
void rusttcp_helper_inet6_xmit_for(struct sock *sk, struct sk_buff *skb, const struct in6_addr *daddr,
				   const struct in6_addr *saddr, __be16 dport, __be16 sport, int oif,
				   u8 tclass)
{
	struct in6_addr place, *final;
	struct ipv6_txoptions *opt;
	struct dst_entry *dst;
	struct flowi6 fl6;

	fl6_of(&fl6, daddr, saddr, dport, sport, oif);
	fl6.flowi6_mark = READ_ONCE(sk->sk_mark);
	rcu_read_lock();
	opt = rcu_dereference(inet6_sk(sk)->opt);
	final = fl6_update_dst(&fl6, opt, &place);
	dst = ip6_dst_lookup_flow(sock_net(sk), sk, &fl6, final);
	if (IS_ERR(dst)) {
		kfree_skb(skb);
	} else {
		fl6.daddr = *daddr;
		skb_dst_set(skb, dst);
		ip6_xmit(sk, skb, &fl6, fl6.flowi6_mark, opt, tclass, READ_ONCE(sk->sk_priority));
	}
	rcu_read_unlock();
}

/*
 * The header of a packet that no socket sends. Its flow label is the one that the
 * connection's other packets have, made from addresses and ports.
 */
void rusttcp_helper_skb_push_ip6(struct net *net, struct sk_buff *skb, const struct in6_addr *daddr,
				 const struct in6_addr *saddr, __be16 dport, __be16 sport,
				 u8 tclass, u8 hop_limit);
void rusttcp_helper_skb_push_ip6(struct net *net, struct sk_buff *skb, const struct in6_addr *daddr,
				 const struct in6_addr *saddr, __be16 dport, __be16 sport,
				 u8 tclass, u8 hop_limit)
{
	struct ipv6hdr *hdr = skb_push(skb, sizeof(*hdr));
	struct flowi6 fl6;
	__be32 label;

	skb_reset_network_header(skb);
	fl6_of(&fl6, daddr, saddr, dport, sport, 0);
	label = ip6_make_flowlabel(net, skb, 0, ip6_default_np_autolabel(net), &fl6);
	ip6_flow_hdr(hdr, tclass, label);
	hdr->payload_len = htons(skb->len - sizeof(*hdr));
	hdr->nexthdr = IPPROTO_TCP;
	hdr->hop_limit = hop_limit;
	hdr->saddr = *saddr;
	hdr->daddr = *daddr;
}

/* As skb_finish_tcp4(). */
void rusttcp_helper_skb_finish_tcp6(struct sk_buff *skb, const void *header, unsigned int len,
				    const struct in6_addr *saddr, const struct in6_addr *daddr,
				    u16 gso_size, bool ace);
void rusttcp_helper_skb_finish_tcp6(struct sk_buff *skb, const void *header, unsigned int len,
				    const struct in6_addr *saddr, const struct in6_addr *daddr,
				    u16 gso_size, bool ace)
{
	__sum16 check = ~tcp_v6_check(skb->len + len, saddr, daddr, 0);

	finish_tcp(skb, header, len, check, gso_size, ace);
	skb->protocol = htons(ETH_P_IPV6);
	if (skb_is_gso(skb))
		skb_shinfo(skb)->gso_type |= SKB_GSO_TCPV6;
}

/* The TCP checksum over an IPv6 packet whose data starts at the TCP header. */
bool rusttcp_helper_tcp6_checksum_ok(struct sk_buff *skb);
bool rusttcp_helper_tcp6_checksum_ok(struct sk_buff *skb)
{
	return !skb_checksum_validate(skb, IPPROTO_TCP, ip6_compute_pseudo);
}

/*
 * Whether a packet on its way in was sent to an address of this host's own: no broadcast, no
 * multicast, and as the kernel's TCP has it no anycast of IPv6. The route that it came by is in place.
 */
bool rusttcp_helper_skb_is_to_own(const struct sk_buff *skb);
bool rusttcp_helper_skb_is_to_own(const struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IPV6))
		return ipv6_unicast_destination(skb);
	return !(skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST));
}

/* The interface that a packet came by, or, sent by this host to itself, would have gone by. */
int rusttcp_helper_inet6_iif(const struct sk_buff *skb);
int rusttcp_helper_inet6_iif(const struct sk_buff *skb)
{
	return inet6_iif(skb);
}

const struct ipv6hdr *rusttcp_helper_ipv6_hdr(const struct sk_buff *skb);
const struct ipv6hdr *rusttcp_helper_ipv6_hdr(const struct sk_buff *skb)
{
	return ipv6_hdr(skb);
}

/* inet6_protos[] is an __rcu array; this module is its only writer after boot. */
void rusttcp_helper_inet6_protos_swap(int protocol, const struct inet6_protocol *new);
void rusttcp_helper_inet6_protos_swap(int protocol, const struct inet6_protocol *new)
{
	rcu_assign_pointer(inet6_protos[protocol], new);
}

/* As inet_established(). */
bool rusttcp_helper_inet6_established(struct net *net, const struct in6_addr *saddr, __be16 sport,
				      const struct in6_addr *daddr, __be16 dport, int dif);
bool rusttcp_helper_inet6_established(struct net *net, const struct in6_addr *saddr, __be16 sport,
				      const struct in6_addr *daddr, __be16 dport, int dif)
{
	return is_in_use(__inet6_lookup_established(net, saddr, sport, daddr, ntohs(dport), dif, 0));
}

/* As inet_listens(). */
bool rusttcp_helper_inet6_listens(struct net *net, struct sk_buff *skb,
				  const struct in6_addr *saddr, __be16 sport,
				  const struct in6_addr *daddr, __be16 dport, int dif);
bool rusttcp_helper_inet6_listens(struct net *net, struct sk_buff *skb,
				  const struct in6_addr *saddr, __be16 sport,
				  const struct in6_addr *daddr, __be16 dport, int dif)
{
	return inet6_lookup_listener(net, skb, tcp_hdrlen(skb), saddr, sport, daddr, ntohs(dport),
				     dif, 0);
}

/* What IPV6_2292PKTOPTIONS tells of the packet that a connection began with. */
void rusttcp_helper_inet6_note_packet(struct sock *sk, const struct sk_buff *skb);
void rusttcp_helper_inet6_note_packet(struct sock *sk, const struct sk_buff *skb)
{
	struct ipv6_pinfo *np = inet6_sk(sk);

	if (skb->protocol == htons(ETH_P_IP)) {
		np->mcast_oif = inet_iif(skb);
		np->mcast_hops = ip_hdr(skb)->ttl;
		np->rcv_flowinfo = 0;
		return;
	}
	np->mcast_oif = inet6_iif(skb);
	np->mcast_hops = ipv6_hdr(skb)->hop_limit;
	np->rcv_flowinfo = ip6_flowinfo(ipv6_hdr(skb));
	if (inet6_test_bit(REPFLOW, sk))
		np->flow_label = ip6_flowlabel(ipv6_hdr(skb));
}

/*
 * Takes the flow label that connect() was called with, if IPV6_FLOWINFO_SEND is set. False:
 * somebody else has leased it.
 */
bool rusttcp_helper_inet6_set_flow(struct sock *sk, __be32 flowinfo);
bool rusttcp_helper_inet6_set_flow(struct sock *sk, __be32 flowinfo)
{
	__be32 label = 0;

	if (inet6_test_bit(SNDFLOW, sk))
		label = flowinfo & IPV6_FLOWINFO_MASK & ~htonl(INET_ECN_MASK << 20);
	if (label & IPV6_FLOWLABEL_MASK) {
		struct ip6_flowlabel *lease = fl6_sock_lookup(sk, label);

		if (IS_ERR(lease))
			return false;
		fl6_sock_release(lease);
	}
	inet6_sk(sk)->flow_label = label;
	return true;
}

/* The flow label for getpeername(), if IPV6_FLOWINFO_SEND is set. */
__be32 rusttcp_helper_inet6_flow(const struct sock *sk);
__be32 rusttcp_helper_inet6_flow(const struct sock *sk)
{
	return inet6_test_bit(SNDFLOW, sk) ? inet6_sk(sk)->flow_label : 0;
}

/*
 * IPV6_RECV* and their kin: -ENOPROTOOPT if @name is none of them, -EINVAL if it was set with
 * less than an int, @len.
 */
int rusttcp_helper_inet6_set_recv_option(struct sock *sk, int name, size_t len, bool on);
int rusttcp_helper_inet6_set_recv_option(struct sock *sk, int name, size_t len, bool on)
{
	struct ipv6_pinfo *np = inet6_sk(sk);
	typeof(np->rxopt) old = np->rxopt;

	switch (name) {
	case IPV6_RECVPKTINFO:
		np->rxopt.bits.rxinfo = on;
		break;
	case IPV6_2292PKTINFO:
		np->rxopt.bits.rxoinfo = on;
		break;
	case IPV6_RECVHOPLIMIT:
		np->rxopt.bits.rxhlim = on;
		break;
	case IPV6_2292HOPLIMIT:
		np->rxopt.bits.rxohlim = on;
		break;
	case IPV6_RECVRTHDR:
		np->rxopt.bits.srcrt = on;
		break;
	case IPV6_2292RTHDR:
		np->rxopt.bits.osrcrt = on;
		break;
	case IPV6_RECVHOPOPTS:
		np->rxopt.bits.hopopts = on;
		break;
	case IPV6_2292HOPOPTS:
		np->rxopt.bits.ohopopts = on;
		break;
	case IPV6_RECVDSTOPTS:
		np->rxopt.bits.dstopts = on;
		break;
	case IPV6_2292DSTOPTS:
		np->rxopt.bits.odstopts = on;
		break;
	case IPV6_RECVTCLASS:
		np->rxopt.bits.rxtclass = on;
		break;
	case IPV6_FLOWINFO:
		np->rxopt.bits.rxflow = on;
		break;
	case IPV6_RECVPATHMTU:
		np->rxopt.bits.rxpmtu = on;
		break;
	case IPV6_RECVORIGDSTADDR:
		np->rxopt.bits.rxorigdstaddr = on;
		break;
	case IPV6_RECVFRAGSIZE:
		np->rxopt.bits.recvfragsize = on;
		break;
	default:
		return -ENOPROTOOPT;
	}
	if (len < sizeof(int) && name != IPV6_RECVFRAGSIZE) {
		np->rxopt = old;
		return -EINVAL;
	}
	return 0;
}

/* IPV6_TCLASS. The socket is locked; the two bits of ECN are not the user's. */
void rusttcp_helper_inet6_set_tclass(struct sock *sk, u8 tclass);
void rusttcp_helper_inet6_set_tclass(struct sock *sk, u8 tclass)
{
	struct ipv6_pinfo *np = inet6_sk(sk);

	tclass = (tclass & ~INET_ECN_MASK) | (np->tclass & INET_ECN_MASK);
	if (np->tclass != tclass) {
		np->tclass = tclass;
		sk_dst_reset(sk);
	}
}

/* IPV6_PKTINFO. False: the socket is bound to another interface. */
bool rusttcp_helper_inet6_set_pktinfo(struct sock *sk, const struct in6_pktinfo *info);
bool rusttcp_helper_inet6_set_pktinfo(struct sock *sk, const struct in6_pktinfo *info)
{
	struct ipv6_pinfo *np = inet6_sk(sk);

	if (!sk_dev_equal_l3scope(sk, info->ipi6_ifindex))
		return false;
	np->sticky_pktinfo.ipi6_ifindex = info->ipi6_ifindex;
	np->sticky_pktinfo.ipi6_addr = info->ipi6_addr;
	return true;
}

bool rusttcp_helper_inet6_recverr(const struct sock *sk);
bool rusttcp_helper_inet6_recverr(const struct sock *sk)
{
	return inet6_test_bit(RECVERR6, sk);
}

/* IPV6_TRANSPARENT and IPV6_FREEBIND share their bits with IPv4. */
void rusttcp_helper_inet_set_transparent(struct sock *sk, bool on);
void rusttcp_helper_inet_set_transparent(struct sock *sk, bool on)
{
	inet_assign_bit(TRANSPARENT, sk, on);
}

void rusttcp_helper_inet_set_freebind(struct sock *sk, bool on);
void rusttcp_helper_inet_set_freebind(struct sock *sk, bool on)
{
	inet_assign_bit(FREEBIND, sk, on);
}

/* ICMP: the socket's path takes packets of @mtu bytes. False: the user wants none of that. */
bool rusttcp_helper_sk_update_pmtu(struct sock *sk, bool v6, u32 cookie, u32 mtu);
bool rusttcp_helper_sk_update_pmtu(struct sock *sk, bool v6, u32 cookie, u32 mtu)
{
	struct dst_entry *dst;

	if (v6 ? !ip6_sk_accept_pmtu(sk) : !ip_sk_accept_pmtu(sk))
		return false;
	dst = __sk_dst_check(sk, cookie);
	if (dst)
		dst->ops->update_pmtu(dst, sk, NULL, mtu, true);
	return true;
}
