// SPDX-License-Identifier: GPL-2.0

//! `replay FILE [EVENTS]`: feeds a log of inputs (RUSTTCP_LOG_INPUTS) to the core and compares what
//! comes out with what the log says came out. EVENTS: where to write what the core explains of it.

use std::{env, fs, process::exit};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let (file, events) = match &args[..] {
        [file] => (file, None),
        [file, events] => (file, Some(events)),
        _ => {
            eprintln!("usage: replay FILE [EVENTS]");
            exit(2);
        }
    };
    let bytes = fs::read(file).unwrap_or_else(|e| {
        eprintln!("replay: {file}: {e}");
        exit(2);
    });
    match rusttcp_host::replay::replay(&bytes) {
        Ok(report) => {
            println!("{report}");
            if let Some(path) = events {
                if let Err(e) = fs::write(path, &report.events) {
                    eprintln!("replay: {path}: {e}");
                    exit(2);
                }
            }
        }
        Err(story) => {
            println!("{file}: {story}");
            exit(1);
        }
    }
}
