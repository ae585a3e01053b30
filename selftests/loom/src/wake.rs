// SPDX-License-Identifier: GPL-2.0

//! A writer that waits for room against the ACK that makes it; a reader that waits against the segment
//! that is stored. Each writes a word and then looks at the other's, with a full barrier between:
//! `rusttcp_helper_sk_set_nospace` and `rusttcp_helper_sk_wake_writer` (rust/helpers/sock.c);
//! `sock_poll_wait` and `wq_has_sleeper` (include/net/sock.h), around `TcpShared::readable`.

use loom::sync::{
    atomic::{fence, AtomicBool, Ordering::*},
    Arc,
};
use loom::thread;

/// Whether somebody sleeps although there is something to wake for. `barriers`: with those of the code.
fn sleeps_on(barriers: bool) -> bool {
    let waits = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(AtomicBool::new(false));
    let woken = Arc::new(AtomicBool::new(false));
    let (w, r, k) = (waits.clone(), ready.clone(), woken.clone());
    let barrier = move || {
        if barriers {
            fence(SeqCst);
        }
    };
    let waker = thread::spawn(move || {
        r.store(true, Relaxed);
        barrier();
        if w.load(Relaxed) {
            k.store(true, Relaxed);
        }
    });
    waits.store(true, Relaxed);
    barrier();
    let found = ready.load(Relaxed);
    waker.join().unwrap();
    !found && !woken.load(Relaxed)
}

#[test]
fn no_wake_up_is_lost() {
    loom::model(|| assert!(!sleeps_on(true)));
}

/// The model can fail: without the barriers one is lost.
#[test]
fn without_barriers_one_is() {
    use std::sync::atomic::{AtomicBool as Plain, Ordering};
    static LOST: Plain = Plain::new(false);
    loom::model(|| {
        if sleeps_on(false) {
            LOST.store(true, Ordering::Relaxed);
        }
    });
    assert!(LOST.load(Ordering::Relaxed));
}
