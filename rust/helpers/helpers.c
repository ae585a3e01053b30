// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers for inline functions and macros that bindgen can't reach.
 *
 * One file per kernel header, each function rusttcp_helper_<C name>; Kbuild takes
 * the prefix off on the Rust side. Nothing here holds logic: a function that
 * combines several calls does so because they make one step of the hot path.
 */
#include <linux/compiler_types.h>

#ifdef __BINDGEN__
#define __rusttcp_helper
#else
#define __rusttcp_helper
#endif

#include "memory.c"
#include "net.c"
#include "sched.c"
#include "skbuff.c"
#include "sock.c"
#include "sync.c"
/* Uses what skbuff.c and net.c share. */
#include "ipv6.c"
#include "ipv6_options.c"
#include "inherit.c"
