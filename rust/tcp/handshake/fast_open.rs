// SPDX-License-Identifier: GPL-2.0

//! Fast Open (RFC 7413): what a SYN's option and data mean to a listener.
//!
//! A cookie proves that its holder was once reached at the address that it writes from. Who has
//! one may send data on the SYN, and is answered before its ACK came.

use crate::tcp::{
    context::Cx,
    mib::Mib,
    platform::Platform,
    wire::{FastOpen, Segment},
};

/// The bits of tcp_fastopen.
pub(crate) mod bits {
    /// Clients may ask for it.
    pub(crate) const CLIENT: u32 = 0x1;
    /// Listeners may offer it.
    pub(crate) const SERVER: u32 = 0x2;
    /// Clients send data on the SYN without a cookie.
    pub(crate) const CLIENT_NO_COOKIE: u32 = 0x4;
    /// Listeners take data on a SYN without a cookie.
    pub(crate) const SERVER_NO_COOKIE: u32 = 0x200;
    /// Listeners offer it unasked (without TCP_FASTOPEN).
    pub(crate) const ALL_LISTENERS: u32 = 0x400;
}

/// Bytes of our cookies.
pub(crate) const COOKIE_LEN: usize = 8;

/// A cookie of ours.
pub(crate) type Cookie = [u8; COOKIE_LEN];

/// What becomes of a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnSyn {
    /// A handshake like any other; the SYN-ACK grants the cookie, if there is one.
    Ordinary(Option<FastOpen>),
    /// A connection at once.
    Accept,
}

/// A SYN came to a listener that offers Fast Open if `offered`. `cookies`: those that are good for
/// its sender, the one to grant first. `has_room`: fewer such connections than the listener allows
/// have not been confirmed yet (RFC 7413, 5.1). RFC 7413, 4.2.2.
pub(crate) fn on_syn<P: Platform>(
    cx: &Cx<'_, P>,
    seg: &Segment,
    offered: bool,
    cookies: &[Cookie],
    has_room: bool,
) -> OnSyn {
    let offered = cx.net.fastopen & bits::SERVER != 0
        && (offered || cx.net.fastopen & bits::ALL_LISTENERS != 0);
    let has_data = seg.payload_len > 0;
    let option = seg.header.options.fast_open;
    if !offered {
        return OnSyn::Ordinary(None);
    }
    let free = has_data && cx.net.fastopen & bits::SERVER_NO_COOKIE != 0;
    let Some(option) = option else {
        return match free {
            true if has_room => OnSyn::Accept,
            _ => OnSyn::Ordinary(None),
        };
    };
    let asked = option.cookie().is_empty();
    let good = cookies.iter().any(|cookie| cookie == option.cookie());
    if good || free {
        if !has_room {
            cx.count(Mib::TCPFastOpenListenOverflow);
            return OnSyn::Ordinary(None);
        }
        cx.count(Mib::TCPFastOpenPassive);
        return OnSyn::Accept;
    }
    cx.count(if asked {
        Mib::TCPFastOpenCookieReqd
    } else {
        Mib::TCPFastOpenPassiveFail
    });
    let grant = cookies
        .first()
        .and_then(|cookie| FastOpen::new(cookie, option.experimental));
    OnSyn::Ordinary(grant)
}
