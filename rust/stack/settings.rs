// SPDX-License-Identifier: GPL-2.0

//! The settings of a namespace: `net.ipv4.tcp_*`, and what `net.rusttcp.tcp_*` puts in its place.

use crate::net::{
    netns::TcpSysctls,
    proto_ops::abi, //
};
use crate::tcp::congestion::Algorithm;
use kernel::{
    prelude::*,
    str::CStr,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

/// A value, in the unit of the sysctl: up to three numbers, or a name of up to 16 bytes in the
/// first two.
pub(crate) type Value = [u64; 3];

/// What a setting holds.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One number within bounds.
    Number(u64, u64),
    /// Three numbers of at least this.
    Triple(u64),
    /// The name of a congestion control of ours.
    Algorithm,
}

/// A setting.
pub(crate) struct Knob {
    /// The name: as that of `net.ipv4`'s.
    pub(crate) name: &'static CStr,
    /// What it holds.
    pub(crate) shape: Shape,
    /// The value in a set of settings.
    pub(crate) get: fn(&TcpSysctls) -> Value,
    set: fn(&mut TcpSysctls, Value),
}

/// Bytes of a segment.
const MSS: Shape = Shape::Number(48, 65_535);
const BYTE: Shape = Shape::Number(0, 255);
const INT: Shape = Shape::Number(0, i32::MAX as u64);
const LONG: Shape = Shape::Number(0, u64::MAX);
/// Seconds that don't overflow as milliseconds in 32 bits.
const SECONDS: Shape = Shape::Number(0, 2_147_483);

/// `knob!(name, field, shape)`: a number as `TcpSysctls` has it; with `per`, in units of so many
/// of the field's.
macro_rules! knob {
    ($name:literal, $field:ident, $shape:expr) => {
        knob!($name, $field, $shape, 1)
    };
    ($name:literal, $field:ident, $shape:expr, $per:literal) => {
        Knob {
            name: $name,
            shape: $shape,
            get: |s| [u64::from(s.$field) / $per, 0, 0],
            // In range, by `parse`.
            set: |s, [v, ..]| s.$field = v.saturating_mul($per).try_into().unwrap_or(s.$field),
        }
    };
}

/// A setting that is on or off.
macro_rules! switch {
    ($name:literal, $field:ident) => {
        switch!($name, $field, BYTE)
    };
    ($name:literal, $field:ident, $shape:expr) => {
        Knob {
            name: $name,
            shape: $shape,
            get: |s| [u64::from(s.$field), 0, 0],
            set: |s, [v, ..]| s.$field = v != 0,
        }
    };
}

/// Three sizes, of at least so many bytes.
macro_rules! sizes {
    ($name:literal, $field:ident, $least:literal) => {
        Knob {
            name: $name,
            shape: Shape::Triple($least),
            get: |s| s.$field.map(u64::from),
            set: |s, v| s.$field = v.map(|v| u32::try_from(v).unwrap_or(u32::MAX)),
        }
    };
}

/// All settings. Their ranges are those of `net.ipv4`.
pub(crate) static KNOBS: [Knob; COUNT] = [
    switch!(c"tcp_abort_on_overflow", abort_on_overflow),
    knob!(c"tcp_base_mss", base_mss, MSS),
    knob!(c"tcp_comp_sack_delay_ns", comp_sack_delay_ns, LONG),
    knob!(c"tcp_comp_sack_nr", comp_sack_nr, BYTE),
    knob!(
        c"tcp_comp_sack_rtt_percent",
        comp_sack_rtt_percent,
        Shape::Number(1, 1000)
    ),
    knob!(c"tcp_comp_sack_slack_ns", comp_sack_slack_ns, LONG),
    Knob {
        name: c"tcp_congestion_control",
        shape: Shape::Algorithm,
        get: |s| pack(&s.congestion),
        set: |s, v| s.congestion = unpack(v),
    },
    switch!(c"tcp_dsack", dsack),
    knob!(c"tcp_early_retrans", early_retrans, Shape::Number(0, 4)),
    knob!(c"tcp_ecn", ecn, Shape::Number(0, 5)),
    switch!(c"tcp_ecn_fallback", ecn_fallback, Shape::Number(0, 1)),
    knob!(c"tcp_ecn_option", ecn_option, Shape::Number(0, 3)),
    knob!(
        c"tcp_ecn_option_beacon",
        ecn_option_beacon,
        Shape::Number(0, 3)
    ),
    knob!(c"tcp_fastopen", fastopen, INT),
    knob!(
        c"tcp_fastopen_blackhole_timeout_sec",
        fastopen_blackhole_timeout,
        INT
    ),
    knob!(c"tcp_fin_timeout", fin_timeout_ms, SECONDS, 1000),
    knob!(c"tcp_frto", frto, BYTE),
    switch!(c"tcp_fwmark_accept", fwmark_accept),
    knob!(c"tcp_invalid_ratelimit", invalid_ratelimit_ms, INT),
    knob!(c"tcp_keepalive_intvl", keepalive_intvl_ms, SECONDS, 1000),
    knob!(c"tcp_keepalive_probes", keepalive_probes, BYTE),
    knob!(c"tcp_keepalive_time", keepalive_time_ms, SECONDS, 1000),
    switch!(c"tcp_l3mdev_accept", l3mdev_accept, Shape::Number(0, 1)),
    knob!(c"tcp_max_orphans", max_orphans, INT),
    knob!(
        c"tcp_max_reordering",
        max_reordering,
        Shape::Number(1, i32::MAX as u64)
    ),
    knob!(c"tcp_max_syn_backlog", max_syn_backlog, INT),
    knob!(c"tcp_max_tw_buckets", max_tw_buckets, INT),
    knob!(
        c"tcp_min_rtt_wlen",
        min_rtt_wlen_s,
        Shape::Number(0, 86_400)
    ),
    knob!(c"tcp_min_snd_mss", min_snd_mss, MSS),
    knob!(c"tcp_min_tso_segs", min_tso_segs, Shape::Number(1, 255)),
    switch!(c"tcp_moderate_rcvbuf", moderate_rcvbuf),
    knob!(c"tcp_mtu_probe_floor", mtu_probe_floor, MSS),
    knob!(c"tcp_mtu_probing", mtu_probing, BYTE),
    knob!(
        c"tcp_notsent_lowat",
        notsent_lowat,
        Shape::Number(0, u32::MAX as u64)
    ),
    knob!(c"tcp_orphan_retries", orphan_retries, BYTE),
    knob!(
        c"tcp_pacing_ca_ratio",
        pacing_ca_ratio,
        Shape::Number(0, 1000)
    ),
    knob!(
        c"tcp_pacing_ss_ratio",
        pacing_ss_ratio,
        Shape::Number(0, 1000)
    ),
    knob!(
        c"tcp_pingpong_thresh",
        pingpong_thresh,
        Shape::Number(1, 255)
    ),
    knob!(
        c"tcp_probe_interval",
        probe_interval_s,
        Shape::Number(0, u32::MAX as u64 / abi::HZ as u64)
    ),
    knob!(
        c"tcp_probe_threshold",
        probe_threshold,
        Shape::Number(0, u16::MAX as u64)
    ),
    knob!(c"tcp_rcvbuf_low_rtt", rcvbuf_low_rtt_us, INT),
    knob!(c"tcp_recovery", recovery, BYTE),
    switch!(c"tcp_reflect_tos", reflect_tos, Shape::Number(0, 1)),
    knob!(
        c"tcp_reordering",
        reordering,
        Shape::Number(1, i32::MAX as u64)
    ),
    knob!(c"tcp_retries1", retries1, BYTE),
    knob!(c"tcp_retries2", retries2, BYTE),
    switch!(c"tcp_rfc1337", rfc1337),
    sizes!(c"tcp_rmem", rmem, 4096),
    knob!(c"tcp_rto_max_ms", rto_max_ms, Shape::Number(1000, 120_000)),
    knob!(
        c"tcp_rto_min_us",
        rto_min_us,
        Shape::Number(1, i32::MAX as u64)
    ),
    switch!(c"tcp_sack", sack),
    switch!(c"tcp_shrink_window", shrink_window, Shape::Number(0, 1)),
    switch!(c"tcp_slow_start_after_idle", slow_start_after_idle),
    switch!(c"tcp_stdurg", stdurg),
    knob!(
        c"tcp_syn_linear_timeouts",
        syn_linear_timeouts,
        Shape::Number(0, 127)
    ),
    knob!(c"tcp_syn_retries", syn_retries, Shape::Number(1, 127)),
    knob!(c"tcp_synack_retries", synack_retries, BYTE),
    knob!(c"tcp_syncookies", syncookies, BYTE),
    switch!(c"tcp_thin_linear_timeouts", thin_linear_timeouts),
    switch!(c"tcp_timestamps", timestamps),
    knob!(c"tcp_tso_rtt_log", tso_rtt_log, Shape::Number(0, 31)),
    knob!(c"tcp_tso_win_divisor", tso_win_divisor, BYTE),
    knob!(c"tcp_tw_reuse", tw_reuse, Shape::Number(0, 2)),
    knob!(
        c"tcp_tw_reuse_delay",
        tw_reuse_delay_ms,
        Shape::Number(1, 60_000)
    ),
    switch!(c"tcp_window_scaling", window_scaling),
    sizes!(c"tcp_wmem", wmem, 1),
    switch!(c"tcp_workaround_signed_windows", workaround_signed_windows),
];

/// How many there are.
pub(crate) const COUNT: usize = 67;

fn pack(name: &[u8; 16]) -> Value {
    let whole = u128::from_le_bytes(*name);
    [whole as u64, (whole >> 64) as u64, 0]
}

fn unpack(v: Value) -> [u8; 16] {
    (u128::from(v[0]) | u128::from(v[1]) << 64).to_le_bytes()
}

/// A name without the zeros behind it.
pub(crate) fn name_of(v: Value) -> ([u8; 16], usize) {
    let name = unpack(v);
    let len = name.iter().position(|byte| *byte == 0).unwrap_or(16);
    (name, len)
}

/// A number as C writes it: decimal, or octal behind a zero, or hexadecimal behind 0x.
fn number(word: &[u8]) -> Option<u64> {
    let (base, digits) = match word {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        digits => (10, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        n.checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))
    })
}

/// The text of a value of that shape, as a value. Of three numbers the last ones may be left out: those of
/// `now` stay.
pub(crate) fn parse(shape: Shape, text: &[u8], now: Value) -> Result<Value> {
    if let Shape::Algorithm = shape {
        // As Linux answers for what it has none of.
        let algorithm = Algorithm::parse(text).ok_or(ENOENT)?;
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(algorithm.name()) {
            *to = *from;
        }
        return Ok(pack(&name));
    }
    let mut value = now;
    let mut count = 0usize;
    let words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut places = value.iter_mut();
    for word in words {
        let place = places.next().ok_or(EINVAL)?;
        *place = number(word).ok_or(EINVAL)?;
        count = count.wrapping_add(1);
    }
    let fits = match shape {
        Shape::Number(least, most) => count == 1 && (least..=most).contains(&value[0]),
        Shape::Triple(least) => {
            let mut written = value.iter().zip(0..count);
            count > 0 && written.all(|(v, _)| (least..=i32::MAX as u64).contains(v))
        }
        Shape::Algorithm => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(EINVAL)
    }
}

/// One setting's own value, if it has one.
struct Own {
    written: Atomic<u32>,
    value: [Atomic<u64>; 3],
}

/// What was written to `net.rusttcp` in a namespace.
pub(crate) struct Overrides {
    /// Nothing was ever written: the rest need not be looked at.
    any: Atomic<u32>,
    own: [Own; COUNT],
}

impl Overrides {
    pub(super) fn new() -> Self {
        Self {
            any: Atomic::new(0),
            own: core::array::from_fn(|_| Own {
                written: Atomic::new(0),
                value: [const { Atomic::new(0) }; 3],
            }),
        }
    }

    /// Setting `index` has this value from now on, or follows `net.ipv4` again (`None`).
    pub(crate) fn set(&self, index: usize, value: Option<Value>) {
        let Some(own) = self.own.get(index) else {
            return;
        };
        // Three numbers read while they are written may be of both times, as with `net.ipv4`.
        for (to, from) in own.value.iter().zip(value.unwrap_or_default()) {
            to.store(from, Relaxed);
        }
        own.written.store(u32::from(value.is_some()), Release);
        self.any.store(1, Release);
    }

    /// Whether anything was ever written.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.any.load(Acquire) != 0
    }

    /// Puts what was written in the place of what the namespace's own TCP has.
    pub(crate) fn apply(&self, to: &mut TcpSysctls) {
        if !self.any() {
            return;
        }
        for (own, knob) in self.own.iter().zip(&KNOBS) {
            if own.written.load(Acquire) != 0 {
                let [a, b, c] = &own.value;
                (knob.set)(to, [a.load(Relaxed), b.load(Relaxed), c.load(Relaxed)]);
            }
        }
    }
}
