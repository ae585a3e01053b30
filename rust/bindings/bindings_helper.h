/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads. Sorted; constants that bindgen can't evaluate follow as
 * RUST_CONST_HELPER_*, and Kbuild takes the prefix off again.
 */
#include <linux/capability.h>
#include <linux/hrtimer.h>
#include <linux/icmp.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/inet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/net_tstamp.h>
#include <linux/netdevice.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/ioctls.h>

#include <net/dst.h>
#include <net/icmp.h>
#include <net/inet_common.h>
#include <net/inet_connection_sock.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/inet6_connection_sock.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/secure_seq.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include <linux/rusttcp.h>

const gfp_t RUST_CONST_HELPER_GFP_ATOMIC = GFP_ATOMIC;
const gfp_t RUST_CONST_HELPER_GFP_KERNEL = GFP_KERNEL;
const gfp_t RUST_CONST_HELPER___GFP_ZERO = __GFP_ZERO;
const gfp_t RUST_CONST_HELPER___GFP_NOWARN = __GFP_NOWARN;
const unsigned int RUST_CONST_HELPER_MAX_TCP_HEADER = MAX_TCP_HEADER;
const unsigned int RUST_CONST_HELPER_SKB_SHARED_SIZE = SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
const unsigned int RUST_CONST_HELPER_SKB_DESCRIPTOR_SIZE = SKB_DATA_ALIGN(sizeof(struct sk_buff));
const unsigned int RUST_CONST_HELPER_KERNEL_HZ = HZ;
const unsigned long RUST_CONST_HELPER_PAGE_SIZE = PAGE_SIZE;
const u64 RUST_CONST_HELPER_NETIF_F_GSO_MASK = NETIF_F_GSO_MASK;
const u64 RUST_CONST_HELPER_NETIF_F_GSO_SOFTWARE = NETIF_F_GSO_SOFTWARE;
const u64 RUST_CONST_HELPER_NETIF_F_GSO = NETIF_F_GSO;
const u64 RUST_CONST_HELPER_NETIF_F_SG = NETIF_F_SG;
const u64 RUST_CONST_HELPER_NETIF_F_HW_CSUM = NETIF_F_HW_CSUM;
const int RUST_CONST_HELPER_TASK_INTERRUPTIBLE = TASK_INTERRUPTIBLE;
const u32 RUST_CONST_HELPER_EPOLLIN = (__force u32)EPOLLIN;
const u32 RUST_CONST_HELPER_EPOLLPRI = (__force u32)EPOLLPRI;
const u32 RUST_CONST_HELPER_EPOLLOUT = (__force u32)EPOLLOUT;
const u32 RUST_CONST_HELPER_EPOLLERR = (__force u32)EPOLLERR;
const u32 RUST_CONST_HELPER_EPOLLHUP = (__force u32)EPOLLHUP;
const u32 RUST_CONST_HELPER_EPOLLRDNORM = (__force u32)EPOLLRDNORM;
const u32 RUST_CONST_HELPER_EPOLLRDBAND = (__force u32)EPOLLRDBAND;
const u32 RUST_CONST_HELPER_EPOLLWRNORM = (__force u32)EPOLLWRNORM;
const u32 RUST_CONST_HELPER_EPOLLWRBAND = (__force u32)EPOLLWRBAND;
const u32 RUST_CONST_HELPER_EPOLLRDHUP = (__force u32)EPOLLRDHUP;
const unsigned int RUST_CONST_HELPER_TCP_MIN_SNDBUF = SOCK_MIN_SNDBUF;
const unsigned int RUST_CONST_HELPER_SKB_HEADROOM = MAX_TCP_HEADER;
const unsigned int RUST_CONST_HELPER_SLAB_HWCACHE_ALIGN = SLAB_HWCACHE_ALIGN;
const unsigned int RUST_CONST_HELPER_SKB_TRUESIZE_0 = SKB_TRUESIZE(0);

const u32 RUST_CONST_HELPER_SOF_OPT_ID = SOF_TIMESTAMPING_OPT_ID;
const u32 RUST_CONST_HELPER_SOF_OPT_ID_TCP = SOF_TIMESTAMPING_OPT_ID_TCP;
const u32 RUST_CONST_HELPER_SOF_OPT_STATS = SOF_TIMESTAMPING_OPT_STATS;
const u32 RUST_CONST_HELPER_SOF_TX_ACK = SOF_TIMESTAMPING_TX_ACK;
const u32 RUST_CONST_HELPER_SOF_TX_RECORD = SOF_TIMESTAMPING_TX_RECORD_MASK;

/* What bindgen made of the layouts is checked against the compiler's own. */
const unsigned long RUST_CONST_HELPER_SIZEOF_SOCKET_LOCK = sizeof(socket_lock_t);
const unsigned long RUST_CONST_HELPER_SIZEOF_SOCK = sizeof(struct sock);
const unsigned long RUST_CONST_HELPER_SIZEOF_INET_SOCK = sizeof(struct inet_sock);
const unsigned long RUST_CONST_HELPER_SIZEOF_IPV6_PINFO = sizeof(struct ipv6_pinfo);
const unsigned long RUST_CONST_HELPER_OFFSETOF_PINET6 = offsetof(struct inet_sock, pinet6);
const unsigned long RUST_CONST_HELPER_OFFSETOF_SK_V6_DADDR = offsetof(struct sock, sk_v6_daddr);
const unsigned long RUST_CONST_HELPER_OFFSETOF_DST_COOKIE = offsetof(struct ipv6_pinfo, dst_cookie);
const unsigned long RUST_CONST_HELPER_SIZEOF_SK_BUFF = sizeof(struct sk_buff);
const unsigned long RUST_CONST_HELPER_SIZEOF_PROTO = sizeof(struct proto);
const unsigned long RUST_CONST_HELPER_SIZEOF_PROTO_OPS = sizeof(struct proto_ops);
const unsigned long RUST_CONST_HELPER_SIZEOF_NET = sizeof(struct net);
const unsigned long RUST_CONST_HELPER_OFFSETOF_SK_PROTOCOL = offsetof(struct sock, sk_protocol);
const unsigned long RUST_CONST_HELPER_OFFSETOF_SK_DESTRUCT = offsetof(struct sock, sk_destruct);
const unsigned long RUST_CONST_HELPER_OFFSETOF_SK_TIMER = offsetof(struct sock, sk_timer);
const unsigned long RUST_CONST_HELPER_OFFSETOF_CORK = offsetof(struct inet_sock, cork);
const unsigned long RUST_CONST_HELPER_OFFSETOF_CB = offsetof(struct sk_buff, cb);
const unsigned long RUST_CONST_HELPER_OFFSETOF_TCP_RMEM = offsetof(struct net, ipv4.sysctl_tcp_rmem);
