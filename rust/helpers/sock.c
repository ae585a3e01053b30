// SPDX-License-Identifier: GPL-2.0

#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/hrtimer.h>
#include <linux/net.h>
#include <linux/seq_file.h>
#include <net/busy_poll.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/sock.h>
#include <net/xfrm.h>

void rusttcp_helper_bh_lock_sock(struct sock *sk);
void rusttcp_helper_bh_lock_sock(struct sock *sk)
{
	bh_lock_sock(sk);
}

void rusttcp_helper_bh_lock_sock_nested(struct sock *sk);
void rusttcp_helper_bh_lock_sock_nested(struct sock *sk)
{
	bh_lock_sock_nested(sk);
}

void rusttcp_helper_bh_unlock_sock(struct sock *sk);
void rusttcp_helper_bh_unlock_sock(struct sock *sk)
{
	bh_unlock_sock(sk);
}

bool rusttcp_helper_sock_owned_by_user(const struct sock *sk);
bool rusttcp_helper_sock_owned_by_user(const struct sock *sk)
{
	return sock_owned_by_user_nocheck(sk);
}

void rusttcp_helper_sock_hold(struct sock *sk);
void rusttcp_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

void rusttcp_helper_sock_put(struct sock *sk);
void rusttcp_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

int rusttcp_helper_sk_add_backlog(struct sock *sk, struct sk_buff *skb,
				  unsigned int limit);
int rusttcp_helper_sk_add_backlog(struct sock *sk, struct sk_buff *skb,
				  unsigned int limit)
{
	return sk_add_backlog(sk, skb, limit);
}

/*
 * Joins @skb, a TCP segment that carries on where the last one in @sk's backlog ends, to
 * that one, less its header of @header bytes, and uses it up; false: it could not be done,
 * and @skb is as it was. The socket is locked.
 */
bool rusttcp_helper_sk_backlog_join(struct sock *sk, struct sk_buff *skb, unsigned int header);
bool rusttcp_helper_sk_backlog_join(struct sock *sk, struct sk_buff *skb, unsigned int header)
{
	struct sk_buff *last = sk->sk_backlog.tail;
	unsigned int segs = rusttcp_helper_skb_gso_segs(last, last->len - header) +
			    rusttcp_helper_skb_gso_segs(skb, skb->len - header);
	bool stolen;
	int delta;

	if (skb_pfmemalloc(skb) || skb_cmp_decrypted(last, skb))
		return false;
	__skb_pull(skb, header);
	if (!skb_try_coalesce(last, skb, &stolen, &delta)) {
		__skb_push(skb, header);
		return false;
	}
	skb_shinfo(last)->gso_segs = min_t(unsigned int, segs, U16_MAX);
	/* Who reads both is told when the last of it came, as by the kernel's TCP. */
	if (skb->tstamp)
		last->tstamp = skb->tstamp;
	/* What its limit is counted by. */
	sk->sk_backlog.len += delta;
	kfree_skb_partial(skb, stolen);
	return true;
}

/* The armed timer holds a reference. The socket is locked: nobody else arms it meanwhile. */
void rusttcp_helper_sk_arm_fine_timer(struct sock *sk, struct hrtimer *timer, u64 ns, u64 slack);
void rusttcp_helper_sk_arm_fine_timer(struct sock *sk, struct hrtimer *timer, u64 ns, u64 slack)
{
	if (hrtimer_is_queued(timer))
		return;
	sock_hold(sk);
	hrtimer_start_range_ns(timer, ns_to_ktime(ns), slack, HRTIMER_MODE_REL_PINNED_SOFT);
}

void rusttcp_helper_sk_stop_fine_timer(struct sock *sk, struct hrtimer *timer);
void rusttcp_helper_sk_stop_fine_timer(struct sock *sk, struct hrtimer *timer)
{
	if (hrtimer_try_to_cancel(timer) == 1)
		__sock_put(sk);
}

void rusttcp_helper_lock_sock(struct sock *sk);
void rusttcp_helper_lock_sock(struct sock *sk)
{
	lock_sock(sk);
}

void rusttcp_helper_sock_orphan(struct sock *sk);
void rusttcp_helper_sock_orphan(struct sock *sk)
{
	sock_orphan(sk);
}

/* The policies that the user gave the socket (IP_XFRM_POLICY). Nobody uses it any more. */
void rusttcp_helper_sk_free_policies(struct sock *sk);
void rusttcp_helper_sk_free_policies(struct sock *sk)
{
	xfrm_sk_free_policy(sk);
}

struct net *rusttcp_helper_sock_net(const struct sock *sk);
struct net *rusttcp_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

void rusttcp_helper_sock_set_flag(struct sock *sk, int flag);
void rusttcp_helper_sock_set_flag(struct sock *sk, int flag)
{
	sock_set_flag(sk, flag);
}

void rusttcp_helper_sock_reset_flag(struct sock *sk, int flag);
void rusttcp_helper_sock_reset_flag(struct sock *sk, int flag)
{
	sock_reset_flag(sk, flag);
}

bool rusttcp_helper_sock_flag(const struct sock *sk, int flag);
bool rusttcp_helper_sock_flag(const struct sock *sk, int flag)
{
	return sock_flag(sk, flag);
}

wait_queue_head_t *rusttcp_helper_sk_sleep(struct sock *sk);
wait_queue_head_t *rusttcp_helper_sk_sleep(struct sock *sk)
{
	return sk_sleep(sk);
}

void rusttcp_helper_sock_poll_wait(struct file *file, struct socket *sock,
				   struct poll_table_struct *p);
void rusttcp_helper_sock_poll_wait(struct file *file, struct socket *sock,
				   struct poll_table_struct *p)
{
	sock_poll_wait(file, sock, p);
}

int rusttcp_helper_sock_error(struct sock *sk);
int rusttcp_helper_sock_error(struct sock *sk)
{
	return sock_error(sk);
}

/* Someone may wait for room: say so before the room is looked at once more. */
void rusttcp_helper_sk_set_nospace(struct sock *sk);
void rusttcp_helper_sk_set_nospace(struct sock *sk)
{
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	/* Before the room is looked at: pairs with the one in sk_wake_writer(). */
	smp_mb__after_atomic();
}

void rusttcp_helper_sk_clear_async_nospace(struct sock *sk);
void rusttcp_helper_sk_clear_async_nospace(struct sock *sk)
{
	sk_clear_bit(SOCKWQ_ASYNC_NOSPACE, sk);
}

void rusttcp_helper_sk_clear_async_waitdata(struct sock *sk);
void rusttcp_helper_sk_clear_async_waitdata(struct sock *sk)
{
	sk_clear_bit(SOCKWQ_ASYNC_WAITDATA, sk);
}

void rusttcp_helper_sk_set_async_waitdata(struct sock *sk);
void rusttcp_helper_sk_set_async_waitdata(struct sock *sk)
{
	sk_set_bit(SOCKWQ_ASYNC_WAITDATA, sk);
}

/*
 * There is room to write again. Called with the socket locked in either way, so
 * that sk_socket does not go away.
 */
void rusttcp_helper_sk_wake_writer(struct sock *sk);
void rusttcp_helper_sk_wake_writer(struct sock *sk)
{
	struct socket *sock = sk->sk_socket;
	struct socket_wq *wq;

	/* After the room was made: pairs with the one in sk_set_nospace(). */
	smp_mb();
	if (!sock || !test_bit(SOCK_NOSPACE, &sock->flags))
		return;
	clear_bit(SOCK_NOSPACE, &sock->flags);
	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
					   EPOLLWRBAND);
	if (wq && wq->fasync_list && !(sk->sk_shutdown & SEND_SHUTDOWN))
		sock_wake_async(wq, SOCK_WAKE_SPACE, POLL_OUT);
	rcu_read_unlock();
}

void rusttcp_helper_sk_wake_async(struct sock *sk, int how, int band);
void rusttcp_helper_sk_wake_async(struct sock *sk, int how, int band)
{
	sk_wake_async(sk, how, band);
}

long rusttcp_helper_sock_rcvtimeo(const struct sock *sk, bool noblock);
long rusttcp_helper_sock_rcvtimeo(const struct sock *sk, bool noblock)
{
	return sock_rcvtimeo(sk, noblock);
}

long rusttcp_helper_sock_sndtimeo(const struct sock *sk, bool noblock);
long rusttcp_helper_sock_sndtimeo(const struct sock *sk, bool noblock)
{
	return sock_sndtimeo(sk, noblock);
}

int rusttcp_helper_sock_intr_errno(long timeo);
int rusttcp_helper_sock_intr_errno(long timeo)
{
	return sock_intr_errno(timeo);
}

struct dst_entry *rusttcp_helper___sk_dst_check(struct sock *sk, u32 cookie);
struct dst_entry *rusttcp_helper___sk_dst_check(struct sock *sk, u32 cookie)
{
	return __sk_dst_check(sk, cookie);
}

bool rusttcp_helper_sk_can_gso(const struct sock *sk);
bool rusttcp_helper_sk_can_gso(const struct sock *sk)
{
	return sk_can_gso(sk);
}

struct page_frag *rusttcp_helper_sk_page_frag(struct sock *sk);
struct page_frag *rusttcp_helper_sk_page_frag(struct sock *sk)
{
	return sk_page_frag(sk);
}

/* What inet_create() and inet6_create() do to a fresh inet_sock's bit fields. */
void rusttcp_helper_inet_sock_defaults(struct sock *sk);
void rusttcp_helper_inet_sock_defaults(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);

	inet->pmtudisc = READ_ONCE(sock_net(sk)->ipv4.sysctl_ip_no_pmtu_disc) ?
			 IP_PMTUDISC_DONT : IP_PMTUDISC_WANT;
	atomic_set(&inet->inet_id, 0);
	inet->uc_ttl = -1;
	inet_set_bit(MC_LOOP, sk);
	inet->mc_ttl = 1;
	inet_set_bit(MC_ALL, sk);
	sk->sk_txrehash = READ_ONCE(sock_net(sk)->core.sysctl_txrehash);
	sk->sk_gso_type = SKB_GSO_TCPV4;
}

/* Packets of a connection that begins are numbered from anywhere: fragments can't be forged by who counts. */
void rusttcp_helper_sk_choose_id(struct sock *sk);
void rusttcp_helper_sk_choose_id(struct sock *sk)
{
	atomic_set(&inet_sk(sk)->inet_id, get_random_u16());
}

/* What a copy of a listener must not share with it: SO_COOKIE's number, which is made when it is asked for. */
void rusttcp_helper_sk_is_another(struct sock *sk);
void rusttcp_helper_sk_is_another(struct sock *sk)
{
	atomic64_set(&sk->sk_cookie, 0);
	rusttcp_helper_sk_choose_id(sk);
}

int rusttcp_helper_copy_from_sockptr(void *dst, sockptr_t src, size_t size);
int rusttcp_helper_copy_from_sockptr(void *dst, sockptr_t src, size_t size)
{
	return copy_from_sockptr(dst, src, size);
}

bool rusttcp_helper_sockptr_is_kernel(sockptr_t p);
bool rusttcp_helper_sockptr_is_kernel(sockptr_t p)
{
	return sockptr_is_kernel(p);
}

bool rusttcp_helper_sockptr_is_null(sockptr_t p);
bool rusttcp_helper_sockptr_is_null(sockptr_t p)
{
	return sockptr_is_null(p);
}

void *rusttcp_helper_sockptr_raw(sockptr_t p);
void *rusttcp_helper_sockptr_raw(sockptr_t p)
{
	return p.kernel;
}

int rusttcp_helper_put_user_int(int v, int __user *p);
int rusttcp_helper_put_user_int(int v, int __user *p)
{
	return put_user(v, p);
}

int rusttcp_helper_get_user_int(int *v, const int __user *p);
int rusttcp_helper_get_user_int(int *v, const int __user *p)
{
	return get_user(*v, p);
}

unsigned long rusttcp_helper_copy_to_user(void __user *to, const void *from,
					  unsigned long n);
unsigned long rusttcp_helper_copy_to_user(void __user *to, const void *from,
					  unsigned long n)
{
	return copy_to_user(to, from, n);
}

void rusttcp_helper_sock_recv_timestamp(struct msghdr *msg, struct sock *sk,
					struct sk_buff *skb);
void rusttcp_helper_sock_recv_timestamp(struct msghdr *msg, struct sock *sk,
					struct sk_buff *skb)
{
	sock_recv_timestamp(msg, sk, skb);
}

/* A field that poll() and /proc read without the socket lock. */
void rusttcp_helper_sk_state_store(struct sock *sk, int state);
void rusttcp_helper_sk_state_store(struct sock *sk, int state)
{
	/* What belongs to the state is written before it: poll() reads without the lock. */
	smp_store_release(&sk->sk_state, state);
}

void rusttcp_helper_sk_set_shutdown(struct sock *sk, u8 bits);
void rusttcp_helper_sk_set_shutdown(struct sock *sk, u8 bits)
{
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | bits);
}

u8 rusttcp_helper_sk_shutdown(const struct sock *sk);
u8 rusttcp_helper_sk_shutdown(const struct sock *sk)
{
	return READ_ONCE(sk->sk_shutdown);
}

int rusttcp_helper_sk_err(const struct sock *sk);
int rusttcp_helper_sk_err(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err);
}

void rusttcp_helper_sk_set_error(struct sock *sk, int err);
void rusttcp_helper_sk_set_error(struct sock *sk, int err)
{
	WRITE_ONCE(sk->sk_err, err);
	/* The error before the wake-up: poll() reads it without the lock. */
	smp_wmb();
	sk_error_report(sk);
}

bool rusttcp_helper_sk_errqueue_empty(const struct sock *sk);
bool rusttcp_helper_sk_errqueue_empty(const struct sock *sk)
{
	return skb_queue_empty_lockless(&sk->sk_error_queue);
}

/* net.ipv4.ip_local_reserved_ports: nobody's ephemeral port. */
bool rusttcp_helper_is_reserved_port(const struct net *net, u16 port);
bool rusttcp_helper_is_reserved_port(const struct net *net, u16 port)
{
	return inet_is_local_reserved_port(net, port);
}

/* A port below net.ipv4.ip_unprivileged_port_start, and who calls may not have it. */
bool rusttcp_helper_guards_port(struct net *net, u16 port);
bool rusttcp_helper_guards_port(struct net *net, u16 port)
{
	return port && inet_port_requires_bind_service(net, port) &&
	       !ns_capable(net->user_ns, CAP_NET_BIND_SERVICE);
}

/* Whether a security module keeps something of its own with the socket. */
bool rusttcp_helper_sk_is_labelled(const struct sock *sk);
bool rusttcp_helper_sk_is_labelled(const struct sock *sk)
{
#ifdef CONFIG_SECURITY
	return sk->sk_security;
#else
	return false;
#endif
}

u32 rusttcp_helper_somaxconn(const struct net *net);
u32 rusttcp_helper_somaxconn(const struct net *net)
{
	return READ_ONCE(net->core.sysctl_somaxconn);
}

size_t rusttcp_helper_msg_data_left(const struct msghdr *msg);
size_t rusttcp_helper_msg_data_left(const struct msghdr *msg)
{
	return msg_data_left(msg);
}

/*
 * setsockopt() at SOL_SOCKET comes to us: what core code grants only to a tcp_sock is ours to do.
 * sendmsg() takes what io_uring's calls by reference (IORING_OP_SEND_ZC) hand it.
 */
void rusttcp_helper_socket_set_abilities(struct socket *sock);
void rusttcp_helper_socket_set_abilities(struct socket *sock)
{
	set_bit(SOCK_CUSTOM_SOCKOPT, &sock->flags);
	set_bit(SOCK_SUPPORT_ZC, &sock->flags);
}

void rusttcp_helper_sk_set_tskey(struct sock *sk, u32 key);
void rusttcp_helper_sk_set_tskey(struct sock *sk, u32 key)
{
	atomic_set(&sk->sk_tskey, key);
}

bool rusttcp_helper_inet_recverr(const struct sock *sk);
bool rusttcp_helper_inet_recverr(const struct sock *sk)
{
	return inet_test_bit(RECVERR, sk);
}

bool rusttcp_helper_sk_net_admin(const struct sock *sk);
bool rusttcp_helper_sk_net_admin(const struct sock *sk)
{
	return ns_capable(sock_net(sk)->user_ns, CAP_NET_ADMIN);
}

/* In the first user namespace, not only in that of the socket's network. */
bool rusttcp_helper_is_net_admin(void);
bool rusttcp_helper_is_net_admin(void)
{
	return capable(CAP_NET_ADMIN);
}

bool rusttcp_helper_sk_net_raw(const struct sock *sk);
bool rusttcp_helper_sk_net_raw(const struct sock *sk)
{
	return ns_capable(sock_net(sk)->user_ns, CAP_NET_RAW);
}

/* @skb came for the socket, on this CPU and by a queue of a device that can be polled (or not). */
void rusttcp_helper_sk_note_arrival(struct sock *sk, const struct sk_buff *skb);
void rusttcp_helper_sk_note_arrival(struct sock *sk, const struct sk_buff *skb)
{
	sk_incoming_cpu_update(sk);
	sk_mark_napi_id(sk, skb);
}

bool rusttcp_helper_sk_can_busy_loop(struct sock *sk);
bool rusttcp_helper_sk_can_busy_loop(struct sock *sk)
{
	return sk_can_busy_loop(sk);
}

bool rusttcp_helper_sk_busy_loop_timeout(struct sock *sk, unsigned long start);
bool rusttcp_helper_sk_busy_loop_timeout(struct sock *sk, unsigned long start)
{
	return sk_busy_loop_timeout(sk, start);
}

/* As sk_busy_loop(), which looks at a queue that is always empty here; until @end, or once. */
void rusttcp_helper_sk_busy_poll(struct sock *sk, bool once,
				 bool (*end)(void *sk, unsigned long start));
void rusttcp_helper_sk_busy_poll(struct sock *sk, bool once,
				 bool (*end)(void *sk, unsigned long start))
{
#ifdef CONFIG_NET_RX_BUSY_POLL
	unsigned int id = READ_ONCE(sk->sk_napi_id);

	if (napi_id_valid(id))
		napi_busy_loop(id, once ? NULL : end, sk, READ_ONCE(sk->sk_prefer_busy_poll),
			       READ_ONCE(sk->sk_busy_poll_budget) ?: BUSY_POLL_BUDGET);
#endif
}

bool rusttcp_helper_msg_wants_inq(const struct msghdr *msg);
bool rusttcp_helper_msg_wants_inq(const struct msghdr *msg)
{
	return msg->msg_get_inq;
}

void rusttcp_helper_msg_set_inq(struct msghdr *msg, int inq);
void rusttcp_helper_msg_set_inq(struct msghdr *msg, int inq)
{
	msg->msg_inq = inq;
}

void rusttcp_helper_sk_peek_offset_move(struct sock *sk, int by);
void rusttcp_helper_sk_peek_offset_move(struct sock *sk, int by)
{
	if (by > 0)
		sk_peek_offset_fwd(sk, by);
	else
		sk_peek_offset_bwd(sk, -by);
}

/* What IP_PKTOPTIONS tells of the packet that a connection began with. */
void rusttcp_helper_inet_note_packet(struct sock *sk, const struct sk_buff *skb);
void rusttcp_helper_inet_note_packet(struct sock *sk, const struct sk_buff *skb)
{
	struct inet_sock *inet = inet_sk(sk);

	if (skb->protocol != htons(ETH_P_IP))
		return;
	inet->mc_index = inet_iif(skb);
	inet->mc_ttl = ip_hdr(skb)->ttl;
	inet->rcv_tos = ip_hdr(skb)->tos;
}

/*
 * The options of one socket that count when another is bound in its place: before it is, or (@bound) when they
 * change after that. Others may join the one that has the port then.
 */
void rusttcp_helper_sk_copy_bind_options(struct sock *to, const struct sock *from, bool share, bool bound);
void rusttcp_helper_sk_copy_bind_options(struct sock *to, const struct sock *from, bool share, bool bound)
{
	if (share) {
		to->sk_reuse = from->sk_reuse;
		/* Who brings a group of its own (a BPF program) can't join another one. */
		to->sk_reuseport = from->sk_reuseport &&
				   (bound || !rcu_access_pointer(from->sk_reuseport_cb));
	}
	/* Ports are shared among the sockets of one user only. */
	to->sk_uid = from->sk_uid;
	WRITE_ONCE(to->sk_bound_dev_if, READ_ONCE(from->sk_bound_dev_if));
	to->sk_ipv6only = from->sk_ipv6only;
	inet_assign_bit(FREEBIND, to, inet_test_bit(FREEBIND, from));
	inet_assign_bit(TRANSPARENT, to, inet_test_bit(TRANSPARENT, from));
	inet_sk(to)->local_port_range = READ_ONCE(inet_sk(from)->local_port_range);
}

/* Others may join the one that has the port now. */
void rusttcp_helper_sk_copy_reuseport(struct sock *to, const struct sock *from);
void rusttcp_helper_sk_copy_reuseport(struct sock *to, const struct sock *from)
{
	to->sk_reuseport = from->sk_reuseport;
}

/* The user of @sk, as the user namespace of who opened the file names him. */
u32 rusttcp_helper_sk_uid_for(const struct sock *sk, const struct seq_file *reader);
u32 rusttcp_helper_sk_uid_for(const struct sock *sk, const struct seq_file *reader)
{
	return from_kuid_munged(seq_user_ns((struct seq_file *)reader), sk_uid(sk));
}

/* A port that bind(0) found is kept like one that was asked for. */
void rusttcp_helper_sk_lock_port(struct sock *sk);
void rusttcp_helper_sk_lock_port(struct sock *sk)
{
	if (inet_sk(sk)->inet_num)
		sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
}

bool rusttcp_helper_inet_bind_no_port(const struct sock *sk);
bool rusttcp_helper_inet_bind_no_port(const struct sock *sk)
{
	return inet_test_bit(BIND_ADDRESS_NO_PORT, sk);
}

bool rusttcp_helper_socket_is_nonblock(const struct socket *sock);
bool rusttcp_helper_socket_is_nonblock(const struct socket *sock)
{
	return sock->file && sock->file->f_flags & O_NONBLOCK;
}

/*
 * The notice of a call that sends @size bytes with MSG_ZEROCOPY: one of its own with the next number, or
 * that of @tail, the last buffer queued (NULL: none), which then stands for one number more. NULL: no
 * memory (optmem_max), or no more that may be pinned (RLIMIT_MEMLOCK). The socket is owned by a task.
 */
struct ubuf_info *rusttcp_helper_sk_zerocopy_notice(struct sock *sk, size_t size,
						    struct sk_buff *tail);
struct ubuf_info *rusttcp_helper_sk_zerocopy_notice(struct sock *sk, size_t size,
						    struct sk_buff *tail)
{
	struct ubuf_info *uarg = skb_zcopy(tail);

	/* Somebody else's (io_uring) has no numbers. */
	if (uarg && uarg->ops != &msg_zerocopy_ubuf_ops)
		uarg = NULL;
	return msg_zerocopy_realloc(sk, size, uarg, false);
}

/* The notice is to say that data was copied. */
void rusttcp_helper_zerocopy_copies(struct ubuf_info *uarg);
void rusttcp_helper_zerocopy_copies(struct ubuf_info *uarg)
{
	uarg_to_msgzc(uarg)->zerocopy = 0;
}

/* The call is done: from now on the notice waits for buffers alone. */
void rusttcp_helper_zerocopy_put(struct ubuf_info *uarg);
void rusttcp_helper_zerocopy_put(struct ubuf_info *uarg)
{
	net_zcopy_put(uarg);
}

/* Nothing was sent: nobody gets the notice, and the number is free again. The socket is owned. */
void rusttcp_helper_zerocopy_abort(struct ubuf_info *uarg);
void rusttcp_helper_zerocopy_abort(struct ubuf_info *uarg)
{
	net_zcopy_put_abort(uarg, true);
}

/* Checks the control messages of a call that sends. @tsflags: SO_TIMESTAMPING for this call. */
int rusttcp_helper_sk_check_control(struct sock *sk, struct msghdr *msg, u32 *tsflags);
int rusttcp_helper_sk_check_control(struct sock *sk, struct msghdr *msg, u32 *tsflags)
{
	struct sockcm_cookie sockc = { .tsflags = READ_ONCE(sk->sk_tsflags) };
	int err = msg->msg_controllen ? sock_cmsg_send(sk, msg, &sockc) : 0;

	/* A stream's keys are its bytes' numbers; and nothing is sent from a device's memory. */
	if (!err && (sockc.tsflags & SOCKCM_FLAG_TS_OPT_ID || sockc.dmabuf_id))
		err = -EINVAL;
	*tsflags = sockc.tsflags;
	return err;
}

/* What sock_init_data() gives every socket. */
static void (*plain_error_report)(struct sock *sk);

void rusttcp_helper_sk_note_error_report(struct sock *sk);
void rusttcp_helper_sk_note_error_report(struct sock *sk)
{
	if (!READ_ONCE(plain_error_report))
		WRITE_ONCE(plain_error_report, sk->sk_error_report);
}

/* @report is called for each message of the error queue, unless somebody else in the kernel is. */
void rusttcp_helper_sk_watch_errors(struct sock *sk, void (*report)(struct sock *sk));
void rusttcp_helper_sk_watch_errors(struct sock *sk, void (*report)(struct sock *sk))
{
	if (READ_ONCE(sk->sk_error_report) == READ_ONCE(plain_error_report))
		WRITE_ONCE(sk->sk_error_report, report);
}

/* Whether @skb tells a time, and nothing else yet. */
static bool tells_bare_time(const struct sk_buff *skb)
{
	const struct sock_exterr_skb *serr = SKB_EXT_ERR(skb);

	return serr->ee.ee_origin == SO_EE_ORIGIN_TIMESTAMPING && !skb->len && !serr->opt_stats;
}

/*
 * A message was queued: if it tells a time alone it gets @stats, whose last @late bytes are for
 * acknowledgments. Then it is reported. Any context.
 */
void rusttcp_helper_sk_report_with_stats(struct sock *sk, const void *stats, unsigned int len,
					 unsigned int late);
void rusttcp_helper_sk_report_with_stats(struct sock *sk, const void *stats, unsigned int len,
					 unsigned int late)
{
	struct sk_buff_head *queue = &sk->sk_error_queue;
	struct sk_buff *skb;
	unsigned long flags;

	if (len) {
		spin_lock_irqsave(&queue->lock, flags);
		/* Another CPU may have queued one more meanwhile. */
		skb_queue_reverse_walk(queue, skb) {
			bool ack = SKB_EXT_ERR(skb)->ee.ee_info == SCM_TSTAMP_ACK;
			int n = ack ? len : len - late;
			int room = skb_tailroom(skb);

			if (!tells_bare_time(skb))
				break;
			if (room < n && pskb_expand_head(skb, 0, n - room, GFP_ATOMIC))
				break;
			skb_put_data(skb, stats, n);
			SKB_EXT_ERR(skb)->opt_stats = 1;
		}
		spin_unlock_irqrestore(&queue->lock, flags);
	}
	READ_ONCE(plain_error_report)(sk);
}

/*
 * A message about a packet tells where that went (@name, for the call's name; its length is the result, 0 if
 * there is none), and of ICMP who sent it (@offender). One that came with the packet whose time it tells says
 * whose that is, and what the user wants to know of packets (SOF_TIMESTAMPING_OPT_CMSG). The socket is of IPv4.
 */
int rusttcp_helper_sk_error_packet(struct sock *sk, struct msghdr *msg, struct sk_buff *skb,
				   void *offender);
int rusttcp_helper_sk_error_packet(struct sock *sk, struct msghdr *msg, struct sk_buff *skb,
				   void *offender)
{
	const struct sock_exterr_skb *serr = SKB_EXT_ERR(skb);
	bool icmp = serr->ee.ee_origin == SO_EE_ORIGIN_ICMP;
	struct in_pktinfo *info = PKTINFO_SKB_CB(skb);
	struct sockaddr_in from = { .sin_family = AF_INET };
	int len = 0;

	if (icmp && msg->msg_name) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = serr->port };

		memcpy(&to.sin_addr, skb_network_header(skb) + serr->addr_offset, sizeof(to.sin_addr));
		memcpy(msg->msg_name, &to, sizeof(to));
		len = sizeof(to);
	}
	if (!icmp && (!(READ_ONCE(sk->sk_tsflags) & SOF_TIMESTAMPING_OPT_CMSG) || !info->ipi_ifindex))
		return len;
	from.sin_addr.s_addr = ip_hdr(skb)->saddr;
	if (!icmp)
		info->ipi_spec_dst = from.sin_addr;
	if (inet_cmsg_flags(inet_sk(sk)))
		ip_cmsg_recv(msg, skb);
	memcpy(offender, &from, sizeof(from));
	return len;
}

/*
 * Queues what ICMP says of a segment (@err, an errno, and @info, in host order) for the user of @sk, with what
 * of the segment came along, from its TCP header (@tcp) on. As with the kernel's TCP that is so for IPv4 in any
 * case, and for IPv6 (@v6) with IPV6_RECVERR.
 */
void rusttcp_helper_sk_queue_icmp(struct sock *sk, struct sk_buff *skb, bool v6, int err, u32 info,
				  u8 *tcp);
void rusttcp_helper_sk_queue_icmp(struct sock *sk, struct sk_buff *skb, bool v6, int err, u32 info,
				  u8 *tcp)
{
	__be16 port = ((const struct tcphdr *)tcp)->dest;

	if (v6)
		ipv6_icmp_error(sk, skb, err, port, info, tcp);
	else
		ip_icmp_error(sk, skb, err, port, info, tcp);
}

/* ICMP: there is a better way than by the router that the socket's route leads to. */
void rusttcp_helper_sk_redirect(struct sock *sk, struct sk_buff *skb, u32 cookie);
void rusttcp_helper_sk_redirect(struct sock *sk, struct sk_buff *skb, u32 cookie)
{
	struct dst_entry *dst = __sk_dst_check(sk, cookie);

	if (dst)
		dst->ops->redirect(dst, sk, skb);
}

const struct sock_extended_err *rusttcp_helper_skb_ext_err(const struct sk_buff *skb);
const struct sock_extended_err *rusttcp_helper_skb_ext_err(const struct sk_buff *skb)
{
	return &SKB_EXT_ERR(skb)->ee;
}

bool rusttcp_helper_sk_wants_rx_time(const struct sock *sk);
bool rusttcp_helper_sk_wants_rx_time(const struct sock *sk)
{
	return sock_flag(sk, SOCK_RCVTSTAMP) || READ_ONCE(sk->sk_tsflags);
}

/*
 * Whether the socket's owner does not want this packet, whose data starts at a TCP header
 * of @header bytes: SO_ATTACH_FILTER, which may also cut payload off, IP_MINTTL and
 * IPV6_MINHOPCOUNT (@far: those). Or a security module does not (socket_sock_rcv_skb), filter or not.
 */
bool rusttcp_helper_sk_refuses(struct sock *sk, struct sk_buff *skb, unsigned int header, bool *far);
bool rusttcp_helper_sk_refuses(struct sock *sk, struct sk_buff *skb, unsigned int header, bool *far)
{
	*far = skb->protocol == htons(ETH_P_IP) ?
	       ip_hdr(skb)->ttl < READ_ONCE(inet_sk(sk)->min_ttl) :
	       skb->protocol == htons(ETH_P_IPV6) &&
	       ipv6_hdr(skb)->hop_limit < READ_ONCE(inet6_sk(sk)->min_hopcount);
	if (*far)
		return true;
	return sk_filter_trim_cap(sk, skb, header);
}

/*
 * The same of an ICMP error, as its protocol's handler gets it: of IPv4 the packet in it had fewer hops left
 * than IP_MINTTL asks for when it was refused, of IPv6 (@v6, as @sk is then) the error itself came from too
 * far away.
 */
bool rusttcp_helper_sk_refuses_icmp(const struct sock *sk, const struct sk_buff *skb, bool v6);
bool rusttcp_helper_sk_refuses_icmp(const struct sock *sk, const struct sk_buff *skb, bool v6)
{
	if (v6)
		return ipv6_hdr(skb)->hop_limit < READ_ONCE(inet6_sk(sk)->min_hopcount);
	return ((const struct iphdr *)skb->data)->ttl < READ_ONCE(inet_sk(sk)->min_ttl);
}
