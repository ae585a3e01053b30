// SPDX-License-Identifier: GPL-2.0

//! `cost WORK RECORD TIMES`: work to count the instructions of (see cost.rs).

use std::{env, process::exit};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let segments = match &args[..] {
        [work, record, times] => times
            .parse()
            .ok()
            .and_then(|times| rusttcp_host::cost::work(work, record, times)),
        _ => None,
    };
    let Some(segments) = segments else {
        eprintln!("usage: cost bulk|exchange out|off|events|inputs TIMES");
        exit(2);
    };
    println!("{segments}");
}
