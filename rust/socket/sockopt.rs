// SPDX-License-Identifier: GPL-2.0

//! Options at SOL_TCP. Those at SOL_SOCKET and SOL_IP are the kernel's.

use crate::net::proto_ops::{
    abi,
    OptIn,
    OptOut, //
};
use crate::stack::sock::{
    configure,
    Phase,
    TcpSock, //
};
use crate::tcp::time::Duration;
use kernel::prelude::*;

/// An int within `low..=high`, or EINVAL.
fn ranged(value: i32, low: i32, high: i32) -> Result<u16> {
    if value < low || value > high {
        return Err(EINVAL);
    }
    u16::try_from(value).map_err(|_| EINVAL)
}

/// setsockopt().
pub(super) fn set(sk: &TcpSock, level: i32, name: i32, value: OptIn) -> Result {
    if level != abi::SOL_TCP {
        return Err(ENOPROTOOPT);
    }
    let value = value.int()?;
    let mut sk = sk.lock();
    match name {
        abi::TCP_NODELAY => configure(&mut sk, |c| c.nodelay = value != 0),
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
        abi::TCP_QUICKACK => {}
        _ => return Err(ENOPROTOOPT),
    }
    Ok(())
}

/// Whole seconds of `value`, or of `default` if it is not set.
fn secs(value: Duration, default: Duration) -> i32 {
    let value = if value == Duration::ZERO {
        default
    } else {
        value
    };
    i32::try_from(value.as_micros() / 1_000_000).unwrap_or(i32::MAX)
}

/// getsockopt().
pub(super) fn get(sk: &TcpSock, level: i32, name: i32, out: OptOut) -> Result {
    if level != abi::SOL_TCP {
        return Err(EOPNOTSUPP);
    }
    let value = {
        let sk = sk.lock();
        let data = sk.peek();
        let config = data.conn.config();
        let count = |own: u8, default: u8| i32::from(if own != 0 { own } else { default });
        match name {
            abi::TCP_NODELAY => i32::from(config.nodelay),
            abi::TCP_CORK => i32::from(config.cork),
            abi::TCP_MAXSEG => {
                let idle = data.phase == Phase::Idle || data.phase == Phase::Listening;
                if idle && config.user_mss != 0 {
                    i32::from(config.user_mss)
                } else {
                    i32::try_from(data.conn.mss()).unwrap_or(i32::MAX)
                }
            }
            abi::TCP_KEEPIDLE => secs(config.keepidle, data.net.keepalive_time),
            abi::TCP_KEEPINTVL => secs(config.keepintvl, data.net.keepalive_intvl),
            abi::TCP_KEEPCNT => count(config.keepcnt, data.net.keepalive_probes),
            abi::TCP_SYNCNT => count(config.syn_retries, data.net.syn_retries),
            abi::TCP_USER_TIMEOUT => {
                i32::try_from(config.user_timeout.as_micros() / 1000).unwrap_or(i32::MAX)
            }
            abi::TCP_QUICKACK => 1,
            _ => return Err(ENOPROTOOPT),
        }
    };
    out.int(value)
}
