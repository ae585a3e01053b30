// SPDX-License-Identifier: GPL-2.0

//! What the fuzz targets do with the bytes that they are given (`selftests/fuzz`, `make fuzz`).
//!
//! Everything is here, and free of the fuzzer, so that a plain test replays the corpus and every
//! finding. Bytes are read front to back; when they run out the script ends.

mod connection;
mod network;

pub use connection::connection;
pub use network::pair;

use crate::tcp::wire::{Options, Packet};

/// The bytes that are left.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) | u32::from(self.u16()?) << 16)
    }

    /// One of `n`.
    fn below(&mut self, n: u8) -> Option<u8> {
        Some(self.u8()? % n)
    }
}

/// Header and options: whatever the bytes, no panic; and what was understood can be written again
/// and is then understood the same way.
pub fn parse(data: &[u8]) {
    let Ok(packet) = Packet::new(data) else {
        return;
    };
    let header = packet.header();
    let mut out = [0xa5u8; 80];
    let len = header
        .emit(packet.src_port(), packet.dst_port(), &mut out)
        .expect("room for the longest header");
    assert!((20..=60).contains(&len) && len % 4 == 0, "{len} bytes");
    assert_eq!(len, header.len());
    assert!(
        out[len..].iter().all(|b| *b == 0xa5),
        "written past the end"
    );
    let again = Packet::new(&out[..len]).expect("our own header");
    assert_eq!(again.src_port(), packet.src_port());
    assert_eq!(again.dst_port(), packet.dst_port());
    let again = again.header();
    // The alignment that we write with may leave no room for the last SACK blocks.
    let (ours, theirs) = (again.options.sack, header.options.sack);
    assert!(ours.len() <= theirs.len());
    assert!(ours.iter().eq(theirs.iter().take(ours.len())));
    // The first one takes the option's head with it.
    let one_more = if ours.is_empty() { 12 } else { 8 };
    assert!(
        ours.len() == theirs.len() || len > 60 - one_more,
        "dropped too many"
    );
    // Nor for the AccECN option.
    assert!(
        again.options.acc_ecn == header.options.acc_ecn
            || again.options.acc_ecn.is_none() && len > 60 - 12,
        "dropped the AccECN option"
    );
    let firm = |options: Options| Options {
        sack: Default::default(),
        acc_ecn: None,
        ..options
    };
    assert_eq!(firm(again.options), firm(header.options), "options");
    assert_eq!(
        (again.seq, again.ack, again.flags, again.wnd, again.urg),
        (header.seq, header.ack, header.flags, header.wnd, header.urg)
    );
    // And whatever was written once is written the same way twice.
    let mut twice = [0xa5u8; 80];
    assert_eq!(
        again.emit(packet.src_port(), packet.dst_port(), &mut twice),
        Some(len)
    );
    assert_eq!(out, twice);
}

#[cfg(test)]
mod tests {
    use crate::tcp::{
        ecn::{Account, Kind, Seen},
        wire::Packet,
    };
    use std::path::Path;

    /// The files of a target's corpus.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(target);
        let entries = std::fs::read_dir(path).expect("a corpus");
        entries
            .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("readable"))
            .collect()
    }

    /// An end that sent and received marks, whose peer's field and option told of them, and that
    /// found nothing wrong.
    fn has_all_of_accurate_ecn(told: &Account) -> bool {
        let counted = [
            told.delivered_ce,
            told.delivered.ce,
            told.delivered.ect0,
            told.received_ce,
            told.received.ce,
            told.received.ect0,
        ];
        (told.kind, told.option, told.failed) == (Kind::Accurate, Seen::Counters, 0)
            && counted.iter().all(|count| *count > 0)
    }

    /// RFC 9768: the fuzzer would hardly ever find its way to an AccECN field and option that fit, so
    /// each target begins with inputs that do: any order and length of the option, one end, both.
    #[test]
    fn the_corpus_reaches_accurate_ecn() {
        let mut forms: Vec<(String, u8)> = Vec::new();
        for file in corpus("parse") {
            let packet = Packet::new(&file).ok();
            let option = packet.and_then(|packet| packet.header().options.acc_ecn);
            forms.extend(option.map(|option| (format!("{:?}", option.order()), option.count())));
        }
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), 8, "{forms:?}");
        let one = corpus("connection").iter().any(|file| {
            super::connection::told(file).is_some_and(|told| has_all_of_accurate_ecn(&told))
        });
        assert!(one, "one end");
        let both = corpus("pair").iter().any(|file| {
            super::network::told(file)
                .iter()
                .all(|told| told.as_ref().is_some_and(has_all_of_accurate_ecn))
        });
        assert!(both, "both ends");
    }

    fn replay(target: &str, run: fn(&[u8])) {
        for folder in ["corpus", "findings"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../fuzz")
                .join(folder)
                .join(target);
            let Ok(entries) = std::fs::read_dir(&path) else {
                assert_eq!(folder, "findings", "no corpus in {path:?}");
                continue;
            };
            let mut count = 0;
            for entry in entries {
                let file = entry.expect("an entry").path();
                let data = std::fs::read(&file).expect("readable");
                println!("{file:?}");
                run(&data);
                count += 1;
            }
            assert!(count > 0, "{path:?} is empty");
        }
    }

    /// The corpus of the parser's target, and what it once found.
    #[test]
    fn corpus_of_parse_replays() {
        replay("parse", super::parse);
    }

    /// The corpus of the single connection's target, and what it once found.
    #[test]
    fn corpus_of_connection_replays() {
        replay("connection", super::connection);
    }

    /// The corpus of the hostile network's target, and what it once found.
    #[test]
    fn corpus_of_pair_replays() {
        replay("pair", super::pair);
    }

    /// The targets on random bytes, for the time between two runs of the fuzzer.
    #[test]
    fn random_bytes_find_nothing() {
        let mut rng = crate::pair::Rng::new(77);
        for round in 0..1_500u32 {
            let len = 8 + rng.below(600) as usize;
            let data: Vec<u8> = (0..len).map(|_| (rng.next() >> 24) as u8).collect();
            let run = std::panic::catch_unwind(|| {
                super::parse(&data);
                super::connection(&data);
                super::pair(&data);
            });
            assert!(run.is_ok(), "round {round}: {data:?}");
        }
    }
}
