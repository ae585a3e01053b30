// SPDX-License-Identifier: GPL-2.0

//! A reservation that is dropped, and flush() after it, beside another CPU that drops one too: rust/net/reserve.rs
//! with its list, and of the kernel's workqueue what counts here: the mark that the work is pending comes
//! before the work is in the queue, where a flush sees it.

use crate::{
    empty,
    lifo::{Lifo, Link},
};
use loom::sync::{
    atomic::{AtomicBool, Ordering::*},
    Arc, Mutex,
};
use loom::thread;

struct Module {
    given_up: Arc<Lifo<Arc<AtomicBool>>>,
    giving_back: Mutex<()>,
    pending: AtomicBool,
    in_queue: AtomicBool,
}

impl Module {
    /// The work, and flush(): each on the list is released.
    fn give_back(&self) {
        let _turn = self.giving_back.lock().unwrap();
        self.given_up
            .take()
            .for_each(|given_up| given_up.value().store(true, Relaxed));
    }

    /// ReservationBox::drop(), and the work if it was this one's queue_work() that queued it.
    fn drop_one(&self, released: &Arc<AtomicBool>) {
        self.given_up.push(Box::new(Link::new(released.clone())));
        if self.pending.swap(true, SeqCst) {
            return;
        }
        self.in_queue.store(true, SeqCst);
        self.pending.store(false, SeqCst);
        self.give_back();
        self.in_queue.store(false, SeqCst);
    }

    /// flush_workqueue(): whatever is in the queue is done when it returns.
    fn wait_for_queue(&self) {
        while self.in_queue.load(SeqCst) {
            thread::yield_now();
        }
    }
}

/// Whether what was dropped before a flush() is released after it.
fn is_given_back(flush: fn(&Module)) -> bool {
    let module = Arc::new(Module {
        given_up: empty(),
        giving_back: Mutex::new(()),
        pending: AtomicBool::new(false),
        in_queue: AtomicBool::new(false),
    });
    let (others, ours) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let beside = module.clone();
    let other = thread::spawn(move || beside.drop_one(&others));
    module.drop_one(&ours);
    flush(&module);
    let released = ours.load(Relaxed);
    other.join().unwrap();
    released
}

#[test]
fn what_was_dropped_is_back_after_a_flush() {
    loom::model(|| assert!(is_given_back(Module::give_back)));
}

/// The model can fail: who waits for the queue alone may not see the other CPU's work on its way there.
#[test]
fn the_queue_alone_does_not_tell() {
    use std::sync::atomic::{AtomicBool as Plain, Ordering};
    static LATE: Plain = Plain::new(false);
    loom::model(|| {
        if !is_given_back(Module::wait_for_queue) {
            LATE.store(true, Ordering::Relaxed);
        }
    });
    assert!(LATE.load(Ordering::Relaxed));
}
