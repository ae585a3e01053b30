// SPDX-License-Identifier: GPL-2.0

//! `sim [FIRST [COUNT]]`: runs the simulator over seeds; a failing seed is printed with its story.

fn main() {
    let mut args = std::env::args()
        .skip(1)
        .map(|a| a.parse::<u64>().expect("a number"));
    let first = args.next().unwrap_or(0);
    let count = args.next().unwrap_or(1);
    for seed in first..first + count {
        if let Err(story) = rusttcp_host::sim::run(seed) {
            println!("seed {seed}: {story}");
            std::process::exit(1);
        }
    }
    println!("{count} seeds from {first}: all good");
}
