// SPDX-License-Identifier: GPL-2.0

//! `net.rusttcp.tcp_*`: each follows its namesake of `net.ipv4` until somebody writes it, and
//! again once somebody writes `inherit`. All but `tcp_mem`, whose namesake modules can't read: it is as
//! that is at boot. And `mem_max`, which has no namesake.

use crate::net::{
    netns::{
        Net,
        PerNet, //
    },
    sock::{
        pool_limits,
        set_pool_limits, //
    },
    sysctl::{
        Settings,
        SysctlDir, //
    },
};
use crate::stack::{
    netns::{
        sysctls,
        NetState, //
    },
    settings::{
        name_of,
        parse,
        Shape,
        COUNT,
        KNOBS, //
    },
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    str::CStr, //
};

/// The directory of a namespace.
pub(crate) struct Dir {
    _dir: SysctlDir<Knobs, COUNT>,
    _bound: SysctlDir<Bound, 1>,
    /// What the whole host shares is the first namespace's to set, as with `net.ipv4`.
    _pool: Option<SysctlDir<Pool, 1>>,
}

/// Where the settings are.
const PATH: &CStr = c"net/rusttcp";

impl PerNet for Dir {
    const SLOT: usize = 2;

    fn init(net: Net) -> Result<Pin<KBox<Self>>> {
        let pool = if net == Net::init() {
            Some(SysctlDir::new(net, PATH)?)
        } else {
            None
        };
        let dir = Self {
            _dir: SysctlDir::new(net, PATH)?,
            _bound: SysctlDir::new(net, PATH)?,
            _pool: pool,
        };
        Ok(KBox::pin(dir, GFP_KERNEL)?)
    }

    fn exit(&self, _net: Net) {}
}

/// Text in a buffer of fixed size.
struct Text<'a> {
    to: &'a mut [u8],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let end = self.len.saturating_add(s.len());
        let room = self.to.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        for (to, from) in room.iter_mut().zip(s.bytes()) {
            *to = from;
        }
        self.len = end;
        Ok(())
    }
}

/// The settings of [`KNOBS`].
struct Knobs;

impl Settings for Knobs {
    fn name(index: usize) -> &'static CStr {
        KNOBS.get(index).map_or(c"", |knob| knob.name)
    }

    fn show(net: Net, index: usize, to: &mut [u8]) -> Option<usize> {
        let knob = KNOBS.get(index)?;
        let value = (knob.get)(&sysctls(net));
        let mut text = Text { to, len: 0 };
        let [a, b, c] = value;
        match knob.shape {
            Shape::Number(..) => writeln!(text, "{a}"),
            Shape::Triple(_) => writeln!(text, "{a}\t{b}\t{c}"),
            Shape::Algorithm => {
                let (name, len) = name_of(value);
                let name = name.get(..len).unwrap_or(&[]);
                writeln!(text, "{}", core::str::from_utf8(name).unwrap_or("?"))
            }
        }
        .ok()?;
        Some(text.len)
    }

    fn store(net: Net, index: usize, text: &[u8]) -> Result {
        let knob = KNOBS.get(index).ok_or(EINVAL)?;
        let overrides = &NetState::of(net).ok_or(EINVAL)?.overrides;
        let value = match text {
            b"inherit" => None,
            _ => Some(parse(knob.shape, text, (knob.get)(&sysctls(net)))?),
        };
        overrides.set(index, value);
        Ok(())
    }
}

/// `tcp_mem`: the bounds of the pool of memory, pages.
struct Pool;

impl Settings for Pool {
    fn name(_index: usize) -> &'static CStr {
        c"tcp_mem"
    }

    fn show(_net: Net, _index: usize, to: &mut [u8]) -> Option<usize> {
        let mut text = Text { to, len: 0 };
        let [a, b, c] = pool_limits();
        writeln!(text, "{a}\t{b}\t{c}").ok()?;
        Some(text.len)
    }

    fn store(_net: Net, _index: usize, text: &[u8]) -> Result {
        set_pool_limits(match text {
            b"inherit" => None,
            _ => Some(parse(Shape::Triple(1), text, pool_limits())?),
        });
        Ok(())
    }
}

/// `mem_max`: how many bytes the queues of a namespace's sockets may hold; 0: as many as the host has.
struct Bound;

impl Settings for Bound {
    fn name(_index: usize) -> &'static CStr {
        c"mem_max"
    }

    fn show(net: Net, _index: usize, to: &mut [u8]) -> Option<usize> {
        let mut text = Text { to, len: 0 };
        writeln!(text, "{}", NetState::of(net)?.memory.most()).ok()?;
        Some(text.len)
    }

    fn store(net: Net, _index: usize, text: &[u8]) -> Result {
        let [bytes, ..] = parse(Shape::Number(0, i64::MAX as u64), text, [0; 3])?;
        NetState::of(net).ok_or(EINVAL)?.memory.set_most(bytes);
        Ok(())
    }
}
