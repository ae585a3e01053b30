// SPDX-License-Identifier: GPL-2.0

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <linux/swap.h>
#include <net/net_namespace.h>
#include <net/proto_memory.h>
#include <net/sock.h>

/*
 * The protocol's pool of memory, in pages. The kernel's TCP has one of its own, which modules
 * can't get at; ours has the same bounds until somebody sets others.
 */
static struct {
	atomic_long_t allocated;
	unsigned long pressure;
	struct percpu_counter sockets;
	/* Below the first there is no pressure, from the second on there is; the third is the end. */
	long limits[3];
} pool;
static DEFINE_PER_CPU(int, pool_per_cpu);

static void pool_enter_pressure(struct sock *sk)
{
	if (!READ_ONCE(pool.pressure))
		WRITE_ONCE(pool.pressure, jiffies ?: 1);
}

static void pool_leave_pressure(struct sock *sk)
{
	if (READ_ONCE(pool.pressure))
		WRITE_ONCE(pool.pressure, 0);
}

/* One of the three bounds. */
long rusttcp_helper_pool_limit(unsigned int which);
long rusttcp_helper_pool_limit(unsigned int which)
{
	return READ_ONCE(pool.limits[which % ARRAY_SIZE(pool.limits)]);
}

/* Sockets read them without a lock, one at a time. */
void rusttcp_helper_pool_set_limit(unsigned int which, long pages);
void rusttcp_helper_pool_set_limit(unsigned int which, long pages)
{
	WRITE_ONCE(pool.limits[which % ARRAY_SIZE(pool.limits)], pages);
}

s64 rusttcp_helper_pool_sockets(void);
s64 rusttcp_helper_pool_sockets(void)
{
	return percpu_counter_sum_positive(&pool.sockets);
}

/* The bounds that the host's memory gives, as those of net.ipv4.tcp_mem at boot. */
void rusttcp_helper_pool_default_limits(void);
void rusttcp_helper_pool_default_limits(void)
{
	long limit = max(nr_free_buffer_pages() / 16, 128UL);

	rusttcp_helper_pool_set_limit(0, limit / 4 * 3);
	rusttcp_helper_pool_set_limit(1, limit);
	rusttcp_helper_pool_set_limit(2, limit / 4 * 3 * 2);
}

/* Gives @prot its pool. Paired with rusttcp_helper_pool_exit(). */
int rusttcp_helper_pool_init(struct proto *prot);
int rusttcp_helper_pool_init(struct proto *prot)
{
	rusttcp_helper_pool_default_limits();
	prot->memory_allocated = &pool.allocated;
	prot->per_cpu_fw_alloc = &pool_per_cpu;
	prot->memory_pressure = &pool.pressure;
	prot->enter_memory_pressure = pool_enter_pressure;
	prot->leave_memory_pressure = pool_leave_pressure;
	prot->sockets_allocated = &pool.sockets;
	prot->sysctl_mem = pool.limits;
	/* Where the least that each socket gets is found. */
	prot->sysctl_wmem_offset = offsetof(struct net, ipv4.sysctl_tcp_wmem);
	prot->sysctl_rmem_offset = offsetof(struct net, ipv4.sysctl_tcp_rmem);
	return percpu_counter_init(&pool.sockets, 0, GFP_KERNEL);
}

void rusttcp_helper_pool_exit(void);
void rusttcp_helper_pool_exit(void)
{
	percpu_counter_destroy(&pool.sockets);
}

void rusttcp_helper_sk_sockets_allocated_inc(struct sock *sk);
void rusttcp_helper_sk_sockets_allocated_inc(struct sock *sk)
{
	sk_sockets_allocated_inc(sk);
}

void rusttcp_helper_sk_sockets_allocated_dec(struct sock *sk);
void rusttcp_helper_sk_sockets_allocated_dec(struct sock *sk)
{
	sk_sockets_allocated_dec(sk);
}

/* Whether pool and cgroup have @size bytes more for what is to be sent. The socket is locked. */
bool rusttcp_helper_sk_wmem_schedule(struct sock *sk, int size);
bool rusttcp_helper_sk_wmem_schedule(struct sock *sk, int size)
{
	return sk_wmem_schedule(sk, size);
}

/* The same for what was received. */
bool rusttcp_helper_sk_rmem_schedule(struct sock *sk, int size);
bool rusttcp_helper_sk_rmem_schedule(struct sock *sk, int size)
{
	return __sk_rmem_schedule(sk, size, false);
}

bool rusttcp_helper_sk_under_memory_pressure(const struct sock *sk);
bool rusttcp_helper_sk_under_memory_pressure(const struct sock *sk)
{
	return sk_under_memory_pressure(sk);
}

/*
 * The socket, which is locked, holds @tx bytes more to be sent and @rx bytes more to be read.
 * They are there already, so they count even where pool or cgroup have no more.
 */
void rusttcp_helper_sk_mem_moved(struct sock *sk, int tx, int rx);
void rusttcp_helper_sk_mem_moved(struct sock *sk, int tx, int rx)
{
	sk_wmem_queued_add(sk, tx);
	if (rx)
		atomic_add(rx, &sk->sk_rmem_alloc);
	/* What can't be had is owed: sk_forward_alloc is below zero until memory is given back. */
	if (tx + rx > sk->sk_forward_alloc)
		__sk_mem_schedule(sk, tx + rx - sk->sk_forward_alloc,
				  tx > 0 ? SK_MEM_SEND : SK_MEM_RECV);
	if (tx + rx > 0)
		sk_mem_charge(sk, tx + rx);
	else
		sk_mem_uncharge(sk, -(tx + rx));
}

/* Whether the pool is used up, and the socket has more to send than each of them may. */
bool rusttcp_helper_sk_out_of_memory(const struct sock *sk);
bool rusttcp_helper_sk_out_of_memory(const struct sock *sk)
{
	return sk->sk_wmem_queued > SOCK_MIN_SNDBUF &&
	       sk_memory_allocated(sk) > sk_prot_mem_limits(sk, 2);
}
