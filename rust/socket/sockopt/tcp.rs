// SPDX-License-Identifier: GPL-2.0

//! SOL_TCP: the options of tcp(7) and linux/tcp.h.
//!
//! What this TCP does not have (TCP_REPAIR, TCP_ULP, TCP_MD5SIG, ...) gets the errno that the
//! kernel's gives where it is not configured or not permitted: never a success without an effect.
//!
//! `set` is long as a table is: an arm for each option, and what takes more than a few lines is a
//! function of its own.

use super::{
    info,
    log, //
};
use crate::net::{
    proto_ops::abi,
    sockopt::{
        OptIn,
        OptOut, //
    },
};
use crate::stack::{
    egress, fast_open,
    sock::{
        configure,
        with_cx,
        LockedTcp,
        Phase,
        TcpSock, //
    },
};
use crate::tcp::{
    config::Linger2,
    congestion::Algorithm,
    time::Duration, //
};
use kernel::prelude::*;

/// Bytes of the longest name of a congestion control, with the zero at its end.
const NAME_MAX: usize = 16;
/// Bytes of `struct tcp_repair_window`.
const REPAIR_WINDOW: usize = 20;
/// The longest time of an orphan in FIN-WAIT-2, seconds.
const LINGER2_MAX: u64 = 120;
/// The longest and shortest bounds that may be set: Linux' own defaults, and two ticks.
const RTO_MAX_MS: u64 = 120_000;
const RTO_MIN_US: u64 = 200_000;
const DELACK_MAX_US: u64 = 200_000;
const SHORTEST_TICKS: u64 = 2;
const SECOND_US: u64 = 1_000_000;
const HZ: u64 = abi::HZ as u64;
/// TCP_TX_DELAY is less than this, microseconds.
const TX_DELAY_LIMIT: u32 = 1 << 28;
/// The smallest bound of a window.
const WINDOW_CLAMP_MIN: u32 = 1152;
/// The first time-out of a SYN-ACK and the longest, seconds.
const SYNACK_TIMEOUT: u32 = 1;
const SYNACK_TIMEOUT_MAX: u32 = 120;

/// `value` if it is within `low..=high`, or EINVAL.
fn ranged(value: i32, low: i32, high: i32) -> Result<u16> {
    if value < low || value > high {
        return Err(EINVAL);
    }
    u16::try_from(value).map_err(|_| EINVAL)
}

fn flag(value: i32) -> Result<bool> {
    ranged(value, 0, 1).map(|value| value != 0)
}

/// The time-outs of a SYN-ACK that make up at least so many seconds.
fn seconds_to_timeouts(seconds: i32) -> u8 {
    let Ok(seconds) = u32::try_from(seconds) else {
        return 0;
    };
    let (mut timeouts, mut timeout, mut period) = (0u8, SYNACK_TIMEOUT, 0u32);
    while period < seconds && timeouts < u8::MAX {
        period = period.saturating_add(timeout);
        timeout = timeout.saturating_mul(2).min(SYNACK_TIMEOUT_MAX);
        timeouts = timeouts.saturating_add(1);
    }
    timeouts
}

/// How many seconds so many time-outs of a SYN-ACK make up.
fn timeouts_to_seconds(timeouts: u8) -> i32 {
    let (mut timeout, mut period) = (SYNACK_TIMEOUT, 0u32);
    for _ in 0..timeouts {
        period = period.saturating_add(timeout);
        timeout = timeout.saturating_mul(2).min(SYNACK_TIMEOUT_MAX);
    }
    i32::try_from(period).unwrap_or(i32::MAX)
}

/// setsockopt().
pub(super) fn set(sk: &TcpSock, name: i32, value: OptIn) -> Result {
    match name {
        abi::RUSTTCP_LOG => return log::set(sk, &value),
        abi::TCP_CONGESTION => return set_congestion(sk, &value),
        abi::TCP_FASTOPEN_KEY => return set_fast_open_key(sk, &value),
        abi::TCP_ULP => {
            // There is none.
            let mut name = [0; NAME_MAX];
            value.name(&mut name)?;
            return Err(ENOENT);
        }
        _ => {}
    }
    let value = value.int()?;
    let mut sk = sk.lock();
    match name {
        abi::TCP_NODELAY => {
            if value != 0 {
                sk.data().conn.push_out();
            }
            configure(&mut sk, |c| c.nodelay = value != 0);
        }
        abi::TCP_CORK => configure(&mut sk, |c| c.cork = value != 0),
        abi::TCP_MAXSEG => {
            // Values below this bound or above the other make no sense to Linux; 0 unsets it.
            let mss = if value == 0 {
                0
            } else {
                ranged(value, 88, 32767)?
            };
            configure(&mut sk, |c| c.user_mss = mss);
        }
        abi::TCP_KEEPIDLE => {
            let s = ranged(value, 1, 32767)?;
            configure(&mut sk, |c| c.keepidle = Duration::from_secs(u64::from(s)));
        }
        abi::TCP_KEEPINTVL => {
            let s = ranged(value, 1, 32767)?;
            configure(&mut sk, |c| c.keepintvl = Duration::from_secs(u64::from(s)));
        }
        abi::TCP_KEEPCNT => {
            let n = ranged(value, 1, 127)?;
            configure(&mut sk, |c| c.keepcnt = n as u8);
        }
        abi::TCP_SYNCNT => {
            let n = ranged(value, 1, 127)?;
            configure(&mut sk, |c| c.syn_retries = n as u8);
        }
        abi::TCP_USER_TIMEOUT => {
            let ms = u64::try_from(value).map_err(|_| EINVAL)?;
            configure(&mut sk, |c| c.user_timeout = Duration::from_millis(ms));
        }
        abi::TCP_LINGER2 => {
            let linger2 = match u64::try_from(value) {
                Err(_) => Linger2::Never,
                Ok(0) => Linger2::Default,
                Ok(s) => Linger2::For(Duration::from_secs(s.min(LINGER2_MAX))),
            };
            configure(&mut sk, |c| c.linger2 = linger2);
        }
        abi::TCP_DEFER_ACCEPT => {
            configure(&mut sk, |c| c.defer_accept = seconds_to_timeouts(value));
        }
        abi::TCP_WINDOW_CLAMP => set_window_clamp(&mut sk, value)?,
        abi::TCP_QUICKACK => {
            let owed = sk.data().conn.set_quickack(value != 0);
            egress::flush(&mut sk);
            if owed && value & 1 == 0 {
                // An even number means: only this one.
                sk.data().conn.set_quickack(false);
            }
        }
        abi::TCP_RTO_MAX_MS => {
            let ms = bounded(value, 1000, RTO_MAX_MS)?;
            let time = lasting(ticks(ms.saturating_mul(1000)));
            configure(&mut sk, |c| c.rto_max = time);
        }
        abi::TCP_RTO_MIN_US => {
            let time = ticks_within(value, RTO_MIN_US)?;
            configure(&mut sk, |c| c.rto_min = time);
        }
        abi::TCP_DELACK_MAX_US => {
            let time = ticks_within(value, DELACK_MAX_US)?;
            configure(&mut sk, |c| c.delack_max = time);
        }
        abi::TCP_NOTSENT_LOWAT => {
            let bytes = value as u32;
            configure(&mut sk, |c| c.notsent_lowat = bytes);
        }
        abi::TCP_THIN_LINEAR_TIMEOUTS => {
            let on = flag(value)?;
            configure(&mut sk, |c| c.thin_linear = on);
        }
        // Gone from Linux too: losses are told by time.
        abi::TCP_THIN_DUPACK => {
            flag(value)?;
        }
        abi::TCP_INQ => {
            sk.data().user.inq = flag(value)?;
            publish_user(&mut sk);
        }
        abi::TCP_SAVE_SYN => {
            let how = ranged(value, 0, 2)?;
            sk.data().user.save_syn = how as u8;
            publish_user(&mut sk);
        }
        abi::TCP_FASTOPEN => {
            let most = u32::try_from(value).map_err(|_| EINVAL)?;
            if !matches!(sk.sk().state(), abi::TCP_CLOSE | abi::TCP_LISTEN) {
                return Err(EINVAL);
            }
            sk.data().user.fast_open = most.min(sk.sk().net().somaxconn());
            publish_user(&mut sk);
        }
        abi::TCP_FASTOPEN_CONNECT => {
            let on = flag(value)?;
            if !fast_open::is_allowed(&sk) {
                return Err(EOPNOTSUPP);
            }
            if sk.sk().state() != abi::TCP_CLOSE {
                return Err(EINVAL);
            }
            sk.data().user.fast_connect = on;
        }
        abi::TCP_FASTOPEN_NO_COOKIE => {
            let on = flag(value)?;
            if !matches!(sk.sk().state(), abi::TCP_CLOSE | abi::TCP_LISTEN) {
                return Err(EINVAL);
            }
            sk.data().user.no_cookie = on;
            publish_user(&mut sk);
        }
        abi::TCP_TX_DELAY => {
            let us = u32::try_from(value).map_err(|_| EINVAL)?;
            if us >= TX_DELAY_LIMIT {
                return Err(EINVAL);
            }
            configure(&mut sk, |c| c.tx_delay = us);
        }
        abi::TCP_REPAIR | abi::TCP_REPAIR_QUEUE | abi::TCP_REPAIR_WINDOW | abi::TCP_TIMESTAMP => {
            return Err(EPERM)
        }
        abi::TCP_QUEUE_SEQ if sk.sk().state() != abi::TCP_CLOSE => return Err(EPERM),
        abi::TCP_QUEUE_SEQ | abi::TCP_REPAIR_OPTIONS => return Err(EINVAL),
        _ => return Err(ENOPROTOOPT),
    }
    Ok(())
}

/// A listener's children take these along.
pub(super) fn publish_user(sk: &mut LockedTcp<'_>) {
    let user = sk.peek().user;
    sk.sk().shared().accept.lock().user = user;
}

/// Bytes of a Fast Open key.
const KEY: usize = 16;

/// TCP_FASTOPEN_KEY: a key, or a key and the one before it.
fn set_fast_open_key(sk: &TcpSock, value: &OptIn) -> Result {
    let mut keys = [0; 2 * KEY];
    let len = value.len();
    if len != KEY && len != 2 * KEY {
        return Err(EINVAL);
    }
    value.bytes(keys.get_mut(..len).ok_or(EINVAL)?)?;
    let whole = keys.as_chunks::<KEY>().0;
    let mut sk = sk.lock();
    sk.data().user.fast_open_keys = [
        whole.first().copied(),
        whole.get(1).copied().filter(|_| len > KEY),
    ];
    publish_user(&mut sk);
    Ok(())
}

/// TCP_FASTOPEN_KEY: the socket's own keys, if it has any.
fn fast_open_key(sk: &TcpSock, out: OptOut) -> Result {
    let keys = sk.lock().peek().user.fast_open_keys;
    let mut bytes = [0; 2 * KEY];
    let mut len = 0usize;
    for (to, key) in bytes
        .as_chunks_mut::<KEY>()
        .0
        .iter_mut()
        .zip(keys.into_iter().flatten())
    {
        *to = key;
        len = len.saturating_add(KEY);
    }
    out.bytes(bytes.get(..len).unwrap_or(&[]))
}

/// `value` if it is positive and within `low..=high`, or EINVAL.
fn bounded(value: i32, low: u64, high: u64) -> Result<u64> {
    match u64::try_from(value) {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(EINVAL),
    }
}

/// Ticks that last at least so many microseconds: what Linux keeps its bounds of time in.
fn ticks(us: u64) -> u64 {
    us.saturating_mul(HZ).div_ceil(SECOND_US)
}

/// How long so many ticks last.
fn lasting(ticks: u64) -> Duration {
    Duration::from_micros(ticks.saturating_mul(SECOND_US) / HZ)
}

/// `value`, microseconds, in whole ticks, if these are at least two and no more than those of `most`; or EINVAL.
fn ticks_within(value: i32, most: u64) -> Result<Duration> {
    let ticks_of = ticks(bounded(value, 1, i32::MAX as u64)?);
    if !(SHORTEST_TICKS..=ticks(most)).contains(&ticks_of) {
        return Err(EINVAL);
    }
    Ok(lasting(ticks_of))
}

/// TCP_WINDOW_CLAMP: zero takes the bound away, of a socket that is not connected.
fn set_window_clamp(sk: &mut LockedTcp<'_>, value: i32) -> Result {
    let clamp = if value == 0 {
        if sk.sk().state() != abi::TCP_CLOSE {
            return Err(EINVAL);
        }
        0
    } else {
        u32::try_from(value).unwrap_or(0).max(WINDOW_CLAMP_MIN)
    };
    configure(sk, |c| c.window_clamp = clamp);
    Ok(())
}

/// TCP_CONGESTION: ENOENT for one that is not there, EPERM for one that only an administrator may
/// choose, and if the route does not let the user choose at all.
fn set_congestion(sk: &TcpSock, value: &OptIn) -> Result {
    let mut name = [0; NAME_MAX - 1];
    let name = value.name(&mut name)?;
    let mut sk = sk.lock();
    if sk.peek().conn.congestion_is_locked() {
        return Err(EPERM);
    }
    let algorithm = Algorithm::parse(name).ok_or(ENOENT)?;
    // Who may not administer the network gets what is fair to the others, as in Linux: DCTCP is not, unless it
    // is what everybody has here, or this one has already.
    let allowed = algorithm != Algorithm::Dctcp
        || algorithm == sk.peek().net.congestion
        || algorithm == sk.peek().conn.congestion(&sk.peek().net);
    if !allowed && !sk.sk().is_net_admin() {
        return Err(EPERM);
    }
    configure(&mut sk, |c| c.congestion = Some(algorithm));
    Ok(())
}

/// Whole seconds of `value`, or of `default` if it is not set.
fn secs(value: Duration, default: Duration) -> i32 {
    i32::try_from(or(value, default).as_micros() / 1_000_000).unwrap_or(i32::MAX)
}

fn or(value: Duration, default: Duration) -> Duration {
    if value == Duration::ZERO {
        default
    } else {
        value
    }
}

fn micros(value: Duration) -> i32 {
    i32::try_from(value.as_micros()).unwrap_or(i32::MAX)
}

/// getsockopt().
pub(super) fn get(sk: &TcpSock, name: i32, out: OptOut) -> Result {
    let room = out.room()?;
    match name {
        abi::RUSTTCP_LOG => return log::get(sk, room, out),
        abi::TCP_INFO => return out.tcp_info(&info::tcp_info(sk)),
        abi::TCP_CC_INFO => {
            let (info, len) = info::cc_info(sk);
            return out.bytes(info.get(..len).unwrap_or(&[]));
        }
        abi::TCP_ULP => return out.put_len(0),
        abi::TCP_CONGESTION => {
            let algorithm = {
                let sk = sk.lock();
                let data = sk.peek();
                data.conn.congestion(&data.net)
            };
            let mut name = [0; NAME_MAX];
            for (to, from) in name.iter_mut().zip(algorithm.name()) {
                *to = *from;
            }
            return out.bytes(&name);
        }
        abi::TCP_SAVED_SYN => return saved_syn(sk, room, out),
        abi::TCP_FASTOPEN_KEY => return fast_open_key(sk, out),
        abi::TCP_REPAIR_WINDOW if room != REPAIR_WINDOW => return Err(EINVAL),
        abi::TCP_REPAIR_WINDOW => return Err(EPERM),
        abi::TCP_REPAIR_QUEUE | abi::TCP_QUEUE_SEQ => return Err(EINVAL),
        _ => {}
    }
    let value = int(&mut sk.lock(), name)?;
    out.int(value)
}

/// The options that are an int.
fn int(sk: &mut LockedTcp<'_>, name: i32) -> Result<i32> {
    let data = sk.peek();
    let (conn, net, config) = (&data.conn, &data.net, data.conn.config());
    let count = |own: u8, default: u8| i32::from(if own != 0 { own } else { default });
    Ok(match name {
        abi::TCP_NODELAY => i32::from(config.nodelay),
        abi::TCP_CORK => i32::from(config.cork),
        abi::TCP_MAXSEG => {
            let idle = data.phase == Phase::Idle || data.phase == Phase::Listening;
            if idle && config.user_mss != 0 {
                i32::from(config.user_mss)
            } else {
                i32::try_from(conn.mss()).unwrap_or(i32::MAX)
            }
        }
        abi::TCP_KEEPIDLE => secs(config.keepidle, net.keepalive_time),
        abi::TCP_KEEPINTVL => secs(config.keepintvl, net.keepalive_intvl),
        abi::TCP_KEEPCNT => count(config.keepcnt, net.keepalive_probes),
        abi::TCP_SYNCNT => count(config.syn_retries, net.syn_retries),
        abi::TCP_USER_TIMEOUT => {
            i32::try_from(config.user_timeout.as_micros() / 1000).unwrap_or(i32::MAX)
        }
        abi::TCP_LINGER2 => match config.linger2 {
            Linger2::Never => -1,
            Linger2::Default => secs(Duration::ZERO, net.fin_timeout),
            Linger2::For(time) => secs(time, time),
        },
        abi::TCP_DEFER_ACCEPT => timeouts_to_seconds(config.defer_accept),
        abi::TCP_WINDOW_CLAMP if matches!(sk.sk().state(), abi::TCP_CLOSE | abi::TCP_LISTEN) => {
            config.window_clamp as i32
        }
        abi::TCP_WINDOW_CLAMP => i32::try_from(conn.window_bound()).unwrap_or(i32::MAX),
        abi::TCP_QUICKACK => i32::from(conn.quickack()),
        abi::TCP_RTO_MAX_MS => micros(or(config.rto_max, net.rto_max)) / 1000,
        abi::TCP_RTO_MIN_US => micros(or(config.rto_min, net.rto_min)),
        abi::TCP_DELACK_MAX_US => {
            micros(or(config.delack_max, Duration::from_micros(DELACK_MAX_US)))
        }
        abi::TCP_NOTSENT_LOWAT => config.notsent_lowat as i32,
        abi::TCP_THIN_LINEAR_TIMEOUTS => i32::from(config.thin_linear),
        abi::TCP_TX_DELAY => config.tx_delay as i32,
        abi::TCP_INQ => i32::from(data.user.inq),
        abi::TCP_SAVE_SYN => i32::from(data.user.save_syn),
        abi::TCP_FASTOPEN => i32::try_from(data.user.fast_open).unwrap_or(i32::MAX),
        abi::TCP_FASTOPEN_CONNECT => i32::from(data.user.fast_connect),
        abi::TCP_FASTOPEN_NO_COOKIE => i32::from(data.user.no_cookie),
        abi::TCP_TIMESTAMP => {
            let now = with_cx(sk, |conn, cx| conn.timestamp(cx)).unwrap_or(0);
            // The lowest bit would say that it counts microseconds.
            (now & !1) as i32
        }
        abi::TCP_THIN_DUPACK | abi::TCP_REPAIR | abi::TCP_IS_MPTCP => 0,
        _ => return Err(ENOPROTOOPT),
    })
}

/// TCP_SAVED_SYN: once. Too little room: EINVAL, and how much it takes.
fn saved_syn(sk: &TcpSock, room: usize, out: OptOut) -> Result {
    let mut sk = sk.lock();
    let len = sk.peek().saved_syn.as_ref().map_or(0, |syn| syn.len());
    if len > room {
        out.put_len(len)?;
        return Err(EINVAL);
    }
    match &sk.peek().saved_syn {
        Some(syn) => out.bytes(syn)?,
        None => out.put_len(0)?,
    }
    // Read once, and not before it was.
    sk.data().saved_syn = None;
    Ok(())
}
