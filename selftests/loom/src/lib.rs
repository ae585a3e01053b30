// SPDX-License-Identifier: GPL-2.0

//! Every order in which CPUs may see what the module shares without a lock (loom runs each model in all
//! of them). `lifo` and `quota` are the module's own files; `wake` is a transcription, since what it
//! models is the kernel's wait queues and two helpers in C, and so is the queue in `give_back`.

#![cfg(test)]

mod give_back;
#[path = "../../../rust/net/lifo.rs"]
mod lifo;
#[path = "../../../rust/stack/quota.rs"]
mod quota;
mod wake;

use lifo::{Lifo, Link};
use loom::cell::Cell;
use loom::sync::Arc;
use loom::thread;
use quota::{Late, Quota};

/// An empty list. Loom's atomic is made when it is first used, and that is here, before others know it.
fn empty<T>() -> Arc<Lifo<T>> {
    let list = Lifo::new();
    assert_eq!(list.take().count(), 0);
    Arc::new(list)
}

/// What is written before it is pushed, and read by who takes it: loom sees to it that the one happens
/// before the other.
type Value = loom::alloc::Track<Cell<u32>>;

fn value(n: u32) -> Box<Link<Value>> {
    Box::new(Link::new(loom::alloc::Track::new(Cell::new(n))))
}

/// Reservations that are given up on two CPUs while a third gives back what there is: each is given
/// back once, with what was written to it, and nothing stays behind (loom looks for leaks).
#[test]
fn everything_that_was_pushed_is_taken_once() {
    loom::model(|| {
        let list = empty();
        let push = |n: u32| {
            let list = list.clone();
            thread::spawn(move || list.push(value(n)))
        };
        let pushers = [push(1), push(2)];
        let read = |link: Box<Link<Value>>| link.value().get_ref().get();
        let mut got: Vec<u32> = list.take().map(read).collect();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        got.extend(list.take().map(read));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
        assert_eq!(list.take().count(), 0);
    });
}

/// What was taken and not looked at is freed, and so is what is left on a list.
#[test]
fn what_nobody_takes_is_freed() {
    loom::model(|| {
        let list = empty();
        for n in 0..3 {
            list.push(value(n));
        }
        let other = list.clone();
        let taker = thread::spawn(move || drop(other.take()));
        list.push(value(3));
        taker.join().unwrap();
    });
}

/// Two CPUs and a last place: one gets it. Nobody is refused while there is room.
#[test]
fn a_quota_is_kept_and_used() {
    loom::model(|| {
        let quota = Arc::new(Quota::new());
        assert!(quota.take(2));
        let other = quota.clone();
        let second = thread::spawn(move || other.take(2));
        let first = quota.take(2);
        let second = second.join().unwrap();
        assert!(first != second, "one of two got the last place");
        assert_eq!(quota.used(), 2);
        quota.give_back();
        assert!(quota.take(2));
    });
}

/// What is given back while another asks is not lost, and never makes room for two.
#[test]
fn a_quota_takes_back() {
    loom::model(|| {
        let quota = Arc::new(Quota::new());
        assert!(quota.take(1));
        let other = quota.clone();
        let asker = thread::spawn(move || other.take(1));
        quota.give_back();
        let got = asker.join().unwrap();
        assert_eq!(quota.used(), u32::from(got));
        assert_eq!(quota.take(1), !got);
    });
}

/// What was of late counts until a minute passed without more; of two that come at once after that one may be
/// missed, and never more.
#[test]
fn what_was_of_late_counts_for_a_minute() {
    loom::model(|| {
        let late = Arc::new(Late::new());
        late.add(1_000);
        late.add(1_030);
        assert_eq!([1_030, 1_090, 1_091].map(|now| late.count(now)), [2, 2, 0]);
        let other = late.clone();
        let adder = thread::spawn(move || other.add(2_000));
        late.add(2_000);
        adder.join().unwrap();
        assert!((1..=2).contains(&late.count(2_000)));
    });
}
