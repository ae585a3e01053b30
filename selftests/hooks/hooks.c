// SPDX-License-Identifier: GPL-2.0
/*
 * Counts the calls by which security modules learn of sockets, for selftests/net/lsm.sh:
 * /proc/security_hooks. Writing a hook's name there makes it refuse from then on (EACCES), writing
 * anything else lets all pass again. The kernel needs no security module for that.
 *
 * Each request of IPv4 is labelled as SELinux and Smack do by NetLabel: with options of its own. If one of
 * them is never freed, that is in the kernel's log when the module goes. "stray_requests" counts those that
 * do not lead to the listener (whom CALIPSO charges its labels to).
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <net/inet_sock.h>
#include <net/request_sock.h>

static const char * const names[] = {
	"socket_create", "socket_post_create", "socket_bind", "socket_connect", "socket_listen",
	"socket_accept", "socket_sendmsg", "socket_recvmsg", "socket_getsockname",
	"socket_getpeername", "socket_getsockopt", "socket_setsockopt", "socket_shutdown",
	"sock_rcv_skb", "sk_alloc", "sk_free", "sk_clone", "sk_classify_flow",
	"req_classify_flow", "sock_graft", "inet_conn_request", "inet_csk_clone",
	"inet_conn_established",
};

static struct hook {
	struct kprobe probe;
	char symbol[40];
	atomic_t calls;
	bool refuses;
} hooks[ARRAY_SIZE(names)];

/* Nobody else's are in it, so it can tell whether any is left. */
static struct kmem_cache *label_cache;
/* Made before, since a probe is as an NMI; who needs more goes without. */
static struct ip_options_rcu *labels[256];
static atomic_t used;
static atomic_t strays;

/* inet_conn_request(sk, skb, req) begins. */
static void label(const struct sock *sk, struct request_sock *req)
{
	int mine;

	if (sk_to_full_sk(req_to_sk(req)) != sk)
		atomic_inc(&strays);
	if (req->rsk_ops->family != AF_INET || rcu_access_pointer(inet_rsk(req)->ireq_opt))
		return;
	mine = atomic_inc_return(&used) - 1;
	if (mine < ARRAY_SIZE(labels))
		RCU_INIT_POINTER(inet_rsk(req)->ireq_opt, labels[mine]);
}

static int called(struct kprobe *probe, struct pt_regs *regs)
{
	struct hook *hook = container_of(probe, struct hook, probe);

	atomic_inc(&hook->calls);
	if (!READ_ONCE(hook->refuses)) {
		if (!strcmp(hook->symbol, "security_inet_conn_request"))
			label((struct sock *)regs->di, (struct request_sock *)regs->dx);
		return 0;
	}
	/* Back to the caller, as if the function had returned that. */
	regs->ax = -EACCES;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(long);
	return 1;
}

/* That there is one keeps the probe from being made a jump, which can't change where it goes on. */
static void after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static int show(struct seq_file *seq, void *v)
{
	for (int i = 0; i < ARRAY_SIZE(names); i++)
		if (hooks[i].probe.addr)
			seq_printf(seq, "%s %d\n", names[i], atomic_read(&hooks[i].calls));
	seq_printf(seq, "stray_requests %d\n", atomic_read(&strays));
	return 0;
}

static int hooks_open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static ssize_t hooks_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char name[40] = {};

	if (copy_from_user(name, from, min(len, sizeof(name) - 1)))
		return -EFAULT;
	strim(name);
	for (int i = 0; i < ARRAY_SIZE(names); i++)
		WRITE_ONCE(hooks[i].refuses, !strcmp(name, names[i]));
	return len;
}

static const struct proc_ops ops = {
	.proc_open = hooks_open,
	.proc_read = seq_read,
	.proc_write = hooks_write,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
};

static void hooks_exit(void)
{
	remove_proc_entry("security_hooks", NULL);
	for (int i = 0; i < ARRAY_SIZE(names); i++)
		if (hooks[i].probe.addr)
			unregister_kprobe(&hooks[i].probe);
	for (int i = atomic_read(&used); i < ARRAY_SIZE(labels); i++)
		kfree(labels[i]);
	rcu_barrier();
	kmem_cache_destroy(label_cache);
}

static int __init hooks_init(void)
{
	label_cache = kmem_cache_create("request_labels", sizeof(struct ip_options_rcu), 0,
					SLAB_NO_MERGE, NULL);
	if (!label_cache)
		return -ENOMEM;
	for (int i = 0; i < ARRAY_SIZE(labels); i++)
		labels[i] = kmem_cache_zalloc(label_cache, GFP_KERNEL);
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		struct kprobe *probe = &hooks[i].probe;

		snprintf(hooks[i].symbol, sizeof(hooks[i].symbol), "security_%s", names[i]);
		probe->symbol_name = hooks[i].symbol;
		probe->pre_handler = called;
		probe->post_handler = after;
		/* One that is not there is not listed. */
		if (register_kprobe(probe))
			probe->addr = NULL;
	}
	return proc_create("security_hooks", 0600, NULL, &ops) ? 0 : -ENOMEM;
}

module_init(hooks_init);
module_exit(hooks_exit);
MODULE_DESCRIPTION("Counts the hooks of security modules for sockets, for a test");
MODULE_LICENSE("GPL");
