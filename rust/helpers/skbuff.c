// SPDX-License-Identifier: GPL-2.0

#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/sock.h>
#include <net/tcp.h>

struct sk_buff *rusttcp_helper_alloc_skb(unsigned int size, gfp_t gfp);
struct sk_buff *rusttcp_helper_alloc_skb(unsigned int size, gfp_t gfp)
{
	return alloc_skb(size, gfp);
}

void rusttcp_helper_skb_reserve(struct sk_buff *skb, int len);
void rusttcp_helper_skb_reserve(struct sk_buff *skb, int len)
{
	skb_reserve(skb, len);
}

unsigned int rusttcp_helper_skb_headlen(const struct sk_buff *skb);
unsigned int rusttcp_helper_skb_headlen(const struct sk_buff *skb)
{
	return skb_headlen(skb);
}

bool rusttcp_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len);
bool rusttcp_helper_pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	return pskb_may_pull(skb, len);
}

void rusttcp_helper___skb_pull(struct sk_buff *skb, unsigned int len);
void rusttcp_helper___skb_pull(struct sk_buff *skb, unsigned int len)
{
	__skb_pull(skb, len);
}

const struct iphdr *rusttcp_helper_ip_hdr(const struct sk_buff *skb);
const struct iphdr *rusttcp_helper_ip_hdr(const struct sk_buff *skb)
{
	return ip_hdr(skb);
}

void rusttcp_helper_kfree_skb_reason(struct sk_buff *skb,
				     enum skb_drop_reason reason);
void rusttcp_helper_kfree_skb_reason(struct sk_buff *skb,
				     enum skb_drop_reason reason)
{
	kfree_skb_reason(skb, reason);
}

void rusttcp_helper_skb_dst_drop(struct sk_buff *skb);
void rusttcp_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

void rusttcp_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst);
void rusttcp_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

bool rusttcp_helper_skb_dst_force(struct sk_buff *skb);
bool rusttcp_helper_skb_dst_force(struct sk_buff *skb)
{
	return skb_dst_force(skb);
}

/* The TCP checksum over an IPv4 packet whose data starts at the TCP header. */
bool rusttcp_helper_tcp4_checksum_ok(struct sk_buff *skb);
bool rusttcp_helper_tcp4_checksum_ok(struct sk_buff *skb)
{
	return !skb_checksum_validate(skb, IPPROTO_TCP, inet_compute_pseudo);
}

/* What skb_finish_tcp4() and skb_finish_tcp6() share; @check: of the pseudo-header. */
static void finish_tcp(struct sk_buff *skb, const void *header, unsigned int len, __sum16 check,
		       u16 gso_size, bool ace)
{
	struct tcphdr *th = skb_push(skb, len);
	unsigned int payload = skb->len - len;

	memcpy(th, header, len);
	/*
	 * A copy of a queued buffer brings the queue's notes along, which the IP
	 * layer would take for its own: options, flags, the largest fragment.
	 */
	memset(skb->cb, 0, sizeof(skb->cb));
	skb_reset_transport_header(skb);
	skb->ip_summed = CHECKSUM_PARTIAL;
	th->check = check;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	if (gso_size && payload > gso_size) {
		skb_shinfo(skb)->gso_size = gso_size;
		skb_shinfo(skb)->gso_segs = DIV_ROUND_UP(payload, gso_size);
		skb_shinfo(skb)->gso_type = 0;
		/*
		 * CWR belongs to the first segment only, or, as a part of
		 * the ACE field, to all of them; not every device knows.
		 */
		if (ace)
			skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ACCECN;
		else if (th->cwr)
			skb_shinfo(skb)->gso_type |= SKB_GSO_TCP_ECN;
	}
}

/*
 * Puts a TCP header of @len bytes in front of @skb's data and leaves its checksum
 * to the device or to validate_xmit_skb(). @gso_size: 0 for a single segment.
 */
void rusttcp_helper_skb_finish_tcp4(struct sk_buff *skb, const void *header,
				    unsigned int len, __be32 saddr, __be32 daddr,
				    u16 gso_size, bool ace);
void rusttcp_helper_skb_finish_tcp4(struct sk_buff *skb, const void *header,
				    unsigned int len, __be32 saddr, __be32 daddr,
				    u16 gso_size, bool ace)
{
	__sum16 check = ~tcp_v4_check(skb->len + len, saddr, daddr, 0);

	finish_tcp(skb, header, len, check, gso_size, ace);
	skb->protocol = htons(ETH_P_IP);
	if (skb_is_gso(skb))
		skb_shinfo(skb)->gso_type |= SKB_GSO_TCPV4;
}

/* The DSCP and ECN octet of the packet that @skb came in. */
u8 rusttcp_helper_skb_rx_tos(const struct sk_buff *skb);
u8 rusttcp_helper_skb_rx_tos(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IPV6) ? ipv6_get_dsfield(ipv6_hdr(skb)) :
						    ip_hdr(skb)->tos;
}

/* The TTL or hop limit of the packet that @skb came in. */
u8 rusttcp_helper_skb_rx_hops(const struct sk_buff *skb);
u8 rusttcp_helper_skb_rx_hops(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IPV6) ? ipv6_hdr(skb)->hop_limit : ip_hdr(skb)->ttl;
}

/* Nanoseconds of CLOCK_MONOTONIC at which @skb shall leave; sch_fq minds. */
void rusttcp_helper_skb_set_departure(struct sk_buff *skb, u64 ns);
void rusttcp_helper_skb_set_departure(struct sk_buff *skb, u64 ns)
{
	skb_set_delivery_time(skb, ns_to_ktime(ns), SKB_CLOCK_MONOTONIC);
}

/* Who takes @skb to its neighbour shall note that the neighbour is there. */
void rusttcp_helper_skb_set_dst_pending_confirm(struct sk_buff *skb);
void rusttcp_helper_skb_set_dst_pending_confirm(struct sk_buff *skb)
{
	skb_set_dst_pending_confirm(skb, 1);
}

/* An IPv4 header for a packet that no socket sends. */
void rusttcp_helper_skb_push_ip4(struct sk_buff *skb, __be32 saddr, __be32 daddr,
				 u8 tos, u8 ttl, const u8 *options, unsigned int len);
void rusttcp_helper_skb_push_ip4(struct sk_buff *skb, __be32 saddr, __be32 daddr,
				 u8 tos, u8 ttl, const u8 *options, unsigned int len)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph) + len);

	memset(iph, 0, sizeof(*iph));
	memcpy(iph + 1, options, len);
	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = 5 + len / 4;
	iph->tos = tos;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ttl;
	iph->protocol = IPPROTO_TCP;
	iph->saddr = saddr;
	iph->daddr = daddr;
}

/*
 * Appends @size bytes at @page + @off to @skb, as a new fragment or as the
 * growth of the last one. False: no fragment is left. Takes its own reference.
 */
bool rusttcp_helper_skb_append_page(struct sk_buff *skb, struct page *page,
				    unsigned int off, unsigned int size);
bool rusttcp_helper_skb_append_page(struct sk_buff *skb, struct page *page,
				    unsigned int off, unsigned int size)
{
	int i = skb_shinfo(skb)->nr_frags;

	if (skb_can_coalesce(skb, i, page, off)) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[i - 1], size);
	} else {
		if (i >= MAX_SKB_FRAGS)
			return false;
		/* From now on each fragment has a reference of its own. */
		skb_zcopy_downgrade_managed(skb);
		get_page(page);
		skb_fill_page_desc(skb, i, page, off, size);
	}
	skb->len += size;
	skb->data_len += size;
	skb->truesize += size;
	return true;
}

/*
 * Takes up to @most bytes of the user's pages to the end of @skb, which nobody else has a hand on;
 * @uarg waits for the buffer and all its copies from then on. Tells how many; -EMSGSIZE, -EEXIST: the
 * buffer takes none (of this call's). The socket is owned by a task.
 */
int rusttcp_helper_skb_append_user(struct sock *sk, struct sk_buff *skb, struct msghdr *msg,
				   int most, struct ubuf_info *uarg);
int rusttcp_helper_skb_append_user(struct sock *sk, struct sk_buff *skb, struct msghdr *msg,
				   int most, struct ubuf_info *uarg)
{
	unsigned int before = skb->truesize;
	int n = skb_zerocopy_iter_stream(sk, skb, msg, most, uarg, NULL);
	int grown = skb->truesize - before;
	unsigned int kept;

	/* Charged on the spot; here that is done once per call, for all queues (sk_mem_moved()). */
	sk_wmem_queued_add(sk, -grown);
	sk_forward_alloc_add(sk, grown);
	/* What did not fit was taken off again, but for its size. */
	if (n < 0) {
		skb->truesize = before;
		return n;
	}
	/*
	 * Each piece of an iovec was counted as whole pages, also where it went on in the page of the
	 * last one: crumbs would use the pool up. Besides its bytes a fragment keeps two pages at most.
	 */
	kept = SKB_TRUESIZE(skb_end_offset(skb)) + skb->data_len +
	       skb_shinfo(skb)->nr_frags * 2 * PAGE_SIZE;
	skb->truesize = min(skb->truesize, max(before, kept));
	return n;
}

bool rusttcp_helper_skb_can_append_page(struct sk_buff *skb,
					const struct page *page, unsigned int off);
bool rusttcp_helper_skb_can_append_page(struct sk_buff *skb,
					const struct page *page, unsigned int off)
{
	int i = skb_shinfo(skb)->nr_frags;

	return skb_can_coalesce(skb, i, page, off) || i < MAX_SKB_FRAGS;
}

/*
 * The packet is charged to the socket while it is on its way. Not by sock_wfree: what cuts a packet into
 * segments hands the charge of the whole on to the last of them, with the truesize, and whoever
 * receives that one (behind a veth) would be charged for all of it. But a packet that somebody wants to
 * know the times of has to keep its socket until the device takes it, and netem, which holds packets back,
 * leaves it to those of sock_wfree only (skb_orphan_partial()). With SOCK_USE_WRITE_QUEUE, which all of ours
 * have, the two give the charge back alike.
 */
void rusttcp_helper_skb_charge_to(struct sk_buff *skb, struct sock *sk);
void rusttcp_helper_skb_charge_to(struct sk_buff *skb, struct sock *sk)
{
	skb_set_owner_w(skb, sk);
	if (!(skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP))
		skb->destructor = __sock_wfree;
}

struct sk_buff *rusttcp_helper___pskb_copy(struct sk_buff *skb, int headroom,
					   gfp_t gfp);
struct sk_buff *rusttcp_helper___pskb_copy(struct sk_buff *skb, int headroom,
					   gfp_t gfp)
{
	struct sk_buff *copy = __pskb_copy(skb, headroom, gfp);

	/* The times that somebody wants to know of it. The device is none: in the tree of what was sent it is a link. */
	if (copy) {
		copy->dev = NULL;
		skb_shinfo(copy)->tx_flags |= skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
		skb_shinfo(copy)->tskey = skb_shinfo(skb)->tskey;
	}
	return copy;
}

/* @rest was split off @skb, and has the byte whose times somebody wants to know. */
void rusttcp_helper_skb_move_stamps(struct sk_buff *skb, struct sk_buff *rest);
void rusttcp_helper_skb_move_stamps(struct sk_buff *skb, struct sk_buff *rest)
{
	skb_shinfo(rest)->tx_flags |= skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
	skb_shinfo(rest)->tskey = skb_shinfo(skb)->tskey;
	skb_shinfo(skb)->tx_flags &= ~SKBTX_ANY_TSTAMP;
}

bool rusttcp_helper_skb_has_stamps(const struct sk_buff *skb);
bool rusttcp_helper_skb_has_stamps(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->tx_flags & SKBTX_ANY_TSTAMP;
}

/* The user wants to know the times that SOF_TIMESTAMPING_TX_* in @tsflags name. */
void rusttcp_helper_skb_want_stamps(struct sk_buff *skb, u32 tsflags);
void rusttcp_helper_skb_want_stamps(struct sk_buff *skb, u32 tsflags)
{
	__sock_tx_timestamp(tsflags, &skb_shinfo(skb)->tx_flags);
}

/* The number of the byte whose times these are; in what is sent, as the user counts. */
u32 rusttcp_helper_skb_stamp_key(const struct sk_buff *skb);
u32 rusttcp_helper_skb_stamp_key(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->tskey;
}

void rusttcp_helper_skb_set_stamp_key(struct sk_buff *skb, u32 key);
void rusttcp_helper_skb_set_stamp_key(struct sk_buff *skb, u32 key)
{
	skb_shinfo(skb)->tskey = key;
}

/* From the number on the wire to that since SOF_TIMESTAMPING_OPT_ID was set. */
void rusttcp_helper_skb_relate_key(struct sk_buff *skb, const struct sock *sk);
void rusttcp_helper_skb_relate_key(struct sk_buff *skb, const struct sock *sk)
{
	skb_shinfo(skb)->tskey -= atomic_read(&sk->sk_tskey);
}

/* @skb, which is in no queue any more, was acknowledged, and the user of @sk wants to know when. */
void rusttcp_helper_skb_stamp_acked(struct sk_buff *skb, struct sock *sk);
void rusttcp_helper_skb_stamp_acked(struct sk_buff *skb, struct sock *sk)
{
	/* What was the queue's link is the device elsewhere. */
	skb->dev = NULL;
	memset(skb->cb, 0, sizeof(skb->cb));
	TCP_SKB_CB(skb)->txstamp_ack = TSTAMP_ACK_SK;
	rusttcp_helper_skb_relate_key(skb, sk);
	__skb_tstamp_tx(skb, NULL, NULL, sk, SCM_TSTAMP_ACK);
}

void rusttcp_helper_nf_reset_ct(struct sk_buff *skb);
void rusttcp_helper_nf_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}

void rusttcp_helper_skb_orphan(struct sk_buff *skb);
void rusttcp_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

/*
 * How many segments @skb with @payload bytes was joined from. Who hands in super-segments
 * from outside (virtio, tap) says how long each is, and nobody counts them (SKB_GSO_DODGY).
 */
u16 rusttcp_helper_skb_gso_segs(const struct sk_buff *skb, unsigned int payload);
u16 rusttcp_helper_skb_gso_segs(const struct sk_buff *skb, unsigned int payload)
{
	unsigned int segs = skb_shinfo(skb)->gso_segs;

	if (!segs && skb_is_gso(skb))
		segs = DIV_ROUND_UP(payload, skb_shinfo(skb)->gso_size);
	return clamp(segs, 1U, (unsigned int)U16_MAX);
}

/*
 * Copies @len bytes at @offset of @from behind the data of @skb, if there is room in its
 * linear part. The first data that it gets brings its time along.
 */
bool rusttcp_helper_skb_append_copy(struct sk_buff *skb, const struct sk_buff *from,
				    unsigned int offset, unsigned int len);
bool rusttcp_helper_skb_append_copy(struct sk_buff *skb, const struct sk_buff *from,
				    unsigned int offset, unsigned int len)
{
	if (skb_cloned(skb) || len > (unsigned int)skb_tailroom(skb) ||
	    skb_copy_bits(from, offset, skb_tail_pointer(skb), len))
		return false;
	if (!skb->len) {
		skb->tstamp = from->tstamp;
		*skb_hwtstamps(skb) = *skb_hwtstamps((struct sk_buff *)from);
	}
	skb_put(skb, len);
	return true;
}

/* Only packets for this host reach TCP; the rest is the old handler's to drop. */
bool rusttcp_helper_skb_is_for_host(const struct sk_buff *skb);
bool rusttcp_helper_skb_is_for_host(const struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST;
}

/* The interface that IPv4 matches sockets by that are bound to one: a packet of this host's own has what it asked for. */
int rusttcp_helper_skb_dif(const struct sk_buff *skb);
int rusttcp_helper_skb_dif(const struct sk_buff *skb)
{
	return inet_iif(skb);
}

int rusttcp_helper_skb_iif(const struct sk_buff *skb);
int rusttcp_helper_skb_iif(const struct sk_buff *skb)
{
	return skb->skb_iif;
}

struct net_device *rusttcp_helper_skb_dev(const struct sk_buff *skb);
struct net_device *rusttcp_helper_skb_dev(const struct sk_buff *skb)
{
	return skb->dev;
}

const struct icmphdr *rusttcp_helper_icmp_hdr(const struct sk_buff *skb);
const struct icmphdr *rusttcp_helper_icmp_hdr(const struct sk_buff *skb)
{
	return icmp_hdr(skb);
}

/* The headers of a received packet whose data starts at the TCP header. */
unsigned int rusttcp_helper_skb_rx_headers(const struct sk_buff *skb, bool link,
					   const void **start);
unsigned int rusttcp_helper_skb_rx_headers(const struct sk_buff *skb, bool link,
					   const void **start)
{
	const struct tcphdr *th = (const struct tcphdr *)skb->data;
	const unsigned char *from = skb_network_header(skb);

	if (link && skb_mac_header_was_set(skb))
		from = skb_mac_header(skb);
	*start = from;
	return skb->data - from + th->doff * 4;
}

/*
 * Takes up to @most bytes of the caller's pages to the end of @skb, a buffer to be sent; tells how many.
 * Somebody else may still write to the pages: whoever needs them steady has to copy.
 */
ssize_t rusttcp_helper_skb_splice_pages(struct sk_buff *skb, struct iov_iter *iter, ssize_t most);
ssize_t rusttcp_helper_skb_splice_pages(struct sk_buff *skb, struct iov_iter *iter, ssize_t most)
{
	ssize_t n;

	/* It is left to the device, as for all that is sent; otherwise each page would be summed up here. */
	skb->ip_summed = CHECKSUM_PARTIAL;
	n = skb_splice_from_iter(skb, iter, most);
	if (n > 0)
		skb_shinfo(skb)->flags |= SKBFL_SHARED_FRAG;
	return n;
}

s64 rusttcp_helper_skb_time(const struct sk_buff *skb);
s64 rusttcp_helper_skb_time(const struct sk_buff *skb)
{
	return ktime_to_ns(skb->tstamp);
}

void rusttcp_helper_skb_set_time(struct sk_buff *skb, s64 ns);
void rusttcp_helper_skb_set_time(struct sk_buff *skb, s64 ns)
{
	skb->tstamp = ns_to_ktime(ns);
}
