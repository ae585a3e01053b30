// SPDX-License-Identifier: GPL-2.0

#include <linux/bottom_half.h>
#include <linux/hrtimer.h>
#include <linux/percpu_counter.h>
#include <linux/rculist.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

void rusttcp_helper_local_bh_disable(void);
void rusttcp_helper_local_bh_disable(void)
{
	local_bh_disable();
}

void rusttcp_helper_local_bh_enable(void);
void rusttcp_helper_local_bh_enable(void)
{
	local_bh_enable();
}

void rusttcp_helper_hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h);
void rusttcp_helper_hlist_add_head_rcu(struct hlist_node *n, struct hlist_head *h)
{
	hlist_add_head_rcu(n, h);
}

void rusttcp_helper_hlist_del_init_rcu(struct hlist_node *n);
void rusttcp_helper_hlist_del_init_rcu(struct hlist_node *n)
{
	hlist_del_init_rcu(n);
}

struct hlist_node *rusttcp_helper_hlist_first_rcu(struct hlist_head *h);
struct hlist_node *rusttcp_helper_hlist_first_rcu(struct hlist_head *h)
{
	return rcu_dereference_check(hlist_first_rcu(h), rcu_read_lock_bh_held() ||
				     rcu_read_lock_held() || in_softirq());
}

struct hlist_node *rusttcp_helper_hlist_next_rcu(struct hlist_node *n);
struct hlist_node *rusttcp_helper_hlist_next_rcu(struct hlist_node *n)
{
	return rcu_dereference_check(hlist_next_rcu(n), rcu_read_lock_bh_held() ||
				     rcu_read_lock_held() || in_softirq());
}

void rusttcp_helper_timer_setup(struct timer_list *timer,
				void (*func)(struct timer_list *), u32 flags);
void rusttcp_helper_timer_setup(struct timer_list *timer,
				void (*func)(struct timer_list *), u32 flags)
{
	timer_setup(timer, func, flags);
}

void rusttcp_helper_fine_timer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*func)(struct hrtimer *));
void rusttcp_helper_fine_timer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*func)(struct hrtimer *))
{
	hrtimer_setup(timer, func, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_SOFT);
}

void rusttcp_helper_init_work(struct work_struct *work, work_func_t func);
void rusttcp_helper_init_work(struct work_struct *work, work_func_t func)
{
	INIT_WORK(work, func);
}

bool rusttcp_helper_queue_work(struct workqueue_struct *wq, struct work_struct *work);
bool rusttcp_helper_queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	return queue_work(wq, work);
}

void rusttcp_helper_spin_lock_bh(spinlock_t *lock);
void rusttcp_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

int rusttcp_helper_spin_trylock_bh(spinlock_t *lock);
int rusttcp_helper_spin_trylock_bh(spinlock_t *lock)
{
	return spin_trylock_bh(lock);
}

void rusttcp_helper_spin_unlock_bh(spinlock_t *lock);
void rusttcp_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}

int rusttcp_helper_percpu_counter_start(struct percpu_counter *counter);
int rusttcp_helper_percpu_counter_start(struct percpu_counter *counter)
{
	return percpu_counter_init(counter, 0, GFP_KERNEL);
}

void rusttcp_helper_percpu_counter_end(struct percpu_counter *counter);
void rusttcp_helper_percpu_counter_end(struct percpu_counter *counter)
{
	percpu_counter_destroy(counter);
}
