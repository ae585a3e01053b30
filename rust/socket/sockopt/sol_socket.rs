// SPDX-License-Identifier: GPL-2.0

//! SOL_SOCKET: what core code refuses to a socket that is no `tcp_sock`, or does not know enough
//! for. Everything else is the kernel's.

use crate::net::{
    proto_ops::abi,
    sockopt::OptIn, //
};
use crate::stack::{
    ports,
    sock::{
        configure,
        sync_buffers,
        TcpSock, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// setsockopt().
pub(super) fn set(sk: &TcpSock, name: i32, value: OptIn) -> Result {
    match name {
        abi::SO_REUSEPORT => {
            let on = value.int()? != 0;
            let mut sk = sk.lock();
            sk.set_reuse_port(on);
            ports::follow(&mut sk);
            Ok(())
        }
        abi::SO_REUSEADDR | abi::SO_BINDTODEVICE | abi::SO_BINDTOIFINDEX => {
            value.generic()?;
            ports::follow(&mut sk.lock());
            Ok(())
        }
        abi::SO_ZEROCOPY => {
            let on = match value.int()? {
                0 => false,
                1 => true,
                _ => return Err(EINVAL),
            };
            sk.lock().set_zerocopy(on);
            Ok(())
        }
        abi::SO_OOBINLINE => {
            let on = value.int()? != 0;
            value.generic()?;
            let mut sk = sk.lock();
            configure(&mut sk, |c| c.oob_inline = on);
            Ok(())
        }
        abi::SO_RCVLOWAT => set_rcvlowat(sk, value.int()?),
        abi::SO_TIMESTAMPING_OLD | abi::SO_TIMESTAMPING_NEW => set_timestamping(sk, value),
        // What is filtered is a stream that the peer was told is complete.
        abi::SO_ATTACH_FILTER if !sk.is_net_admin() => {
            value.int()?;
            Err(EPERM)
        }
        abi::SO_SNDBUF | abi::SO_SNDBUFFORCE => {
            value.generic()?;
            // Writers may go on.
            let mut sk = sk.lock();
            sync_buffers(&mut sk);
            let room = sk.peek().conn.is_writeable();
            sk.sk().shared().writable.store(room, Relaxed);
            if room {
                sk.wake_writer();
            }
            Ok(())
        }
        abi::SO_RCVBUF | abi::SO_RCVBUFFORCE | abi::SO_BUF_LOCK => {
            value.generic()?;
            sync_buffers(&mut sk.lock());
            Ok(())
        }
        _ => value.generic(),
    }
}

/// SO_RCVLOWAT: at most half of the buffer, which grows to hold it; who waits for less than was
/// asked for before is woken.
fn set_rcvlowat(sk: &TcpSock, value: i32) -> Result {
    let mut sk = sk.lock();
    let fixed = sk.sk().buffer_locks().1;
    let most = if fixed {
        sk.sk().rcvbuf()
    } else {
        sk.peek().net.rmem[2]
    };
    let bytes = u32::try_from(value).unwrap_or(u32::MAX).min(most / 2);
    sk.set_rcvlowat(bytes);
    if !fixed {
        let (sndbuf, rcvbuf) = (sk.sk().sndbuf(), sk.sk().rcvbuf());
        sk.set_buffers(sndbuf, rcvbuf.max(bytes.saturating_mul(2)));
        sync_buffers(&mut sk);
    }
    if sk.peek().conn.recv_len() >= bytes.max(1) {
        sk.sk().wake_reader();
    }
    Ok(())
}

/// SO_TIMESTAMPING: keys count bytes from where the stream stands.
fn set_timestamping(sk: &TcpSock, value: OptIn) -> Result {
    let flags = value.int()? as u32;
    let counts = flags & abi::SOF_TIMESTAMPING_OPT_ID != 0
        && sk.timestamping() & abi::SOF_TIMESTAMPING_OPT_ID == 0;
    if counts && matches!(sk.state(), abi::TCP_CLOSE | abi::TCP_LISTEN) {
        return Err(EINVAL);
    }
    value.generic()?;
    if counts {
        let mut sk = sk.lock();
        let (una, _, written, _, _) = sk.peek().conn.numbers();
        let key = if flags & abi::SOF_TIMESTAMPING_OPT_ID_TCP != 0 {
            written
        } else {
            una
        };
        sk.set_timestamp_key(key.raw());
    }
    Ok(())
}
