// SPDX-License-Identifier: GPL-2.0

#include <linux/sched/signal.h>
#include <linux/wait.h>

bool rusttcp_helper_signal_pending_current(void);
bool rusttcp_helper_signal_pending_current(void)
{
	return signal_pending(current);
}

bool rusttcp_helper_current_exits(void);
bool rusttcp_helper_current_exits(void)
{
	return current->flags & PF_EXITING;
}

void rusttcp_helper_init_woken_wait(struct wait_queue_entry *wait);
void rusttcp_helper_init_woken_wait(struct wait_queue_entry *wait)
{
	init_wait_func(wait, woken_wake_function);
}

void rusttcp_helper_send_sigpipe_current(void);
void rusttcp_helper_send_sigpipe_current(void)
{
	send_sig(SIGPIPE, current, 0);
}
