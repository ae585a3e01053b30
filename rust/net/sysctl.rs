// SPDX-License-Identifier: GPL-2.0

//! Files in /proc/sys/net, one set a namespace.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)

use super::{
    bindings,
    netns::Net, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    str::CStr, //
};

/// A directory's settings, numbered from 0.
pub(crate) trait Settings: 'static {
    /// The name of setting `index`.
    fn name(index: usize) -> &'static CStr;
    /// Writes the value in `net` as text into `to`; tells how much, `None` if it does not fit.
    /// Context: process.
    fn show(net: Net, index: usize, to: &mut [u8]) -> Option<usize>;
    /// Somebody wrote `text`, without blanks around it. Context: process.
    fn store(net: Net, index: usize, text: &[u8]) -> Result;
}

/// The longest value as text, bytes.
pub(crate) const LONGEST: usize = 64;

/// A directory of `N` settings of a namespace, below /proc/sys.
///
/// # Invariants
///
/// `header` is a registration of `table` in a namespace that is alive.
pub(crate) struct SysctlDir<S: Settings, const N: usize> {
    header: NonNull<bindings::ctl_table_header>,
    /// What C refers to.
    _table: KBox<[bindings::ctl_table; N]>,
    _settings: PhantomData<S>,
}

// SAFETY: Nothing but `drop` uses the registration, which may run on any CPU.
unsafe impl<S: Settings, const N: usize> Send for SysctlDir<S, N> {}
// SAFETY: As above.
unsafe impl<S: Settings, const N: usize> Sync for SysctlDir<S, N> {}

impl<S: Settings, const N: usize> SysctlDir<S, N> {
    /// Makes the directory. `net` must outlive it: it belongs into the state that goes with the
    /// namespace.
    pub(crate) fn new(net: Net, path: &'static CStr) -> Result<Self> {
        let table = core::array::from_fn(|index| bindings::ctl_table {
            procname: S::name(index).as_char_ptr(),
            maxlen: LONGEST as c_int,
            mode: 0o644,
            proc_handler: Some(Self::handler),
            extra1: net.as_ptr().cast(),
            extra2: core::ptr::without_provenance_mut(index),
            ..Default::default()
        });
        let table: KBox<[bindings::ctl_table; N]> = KBox::new(table, GFP_KERNEL)?;
        // SAFETY: The namespace is alive; path and table live as long as the registration.
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                net.as_ptr(),
                path.as_char_ptr(),
                table.as_ptr(),
                table.len(),
            )
        };
        // INVARIANT: Just registered.
        Ok(Self {
            header: NonNull::new(header).ok_or(ENOMEM)?,
            _table: table,
            _settings: PhantomData,
        })
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn handler(
        ctl: *const bindings::ctl_table,
        write: c_int,
        buffer: *mut c_void,
        lenp: *mut usize,
        ppos: *mut bindings::loff_t,
    ) -> c_int {
        // SAFETY: The table is one of ours: `extra1` is the namespace, which is alive while the
        // file is in use (unregistering waits for that). The lengths are the caller's own.
        let (net, index, len, at) = unsafe {
            let net = Net::from_raw((*ctl).extra1.cast());
            (net, (*ctl).extra2.addr(), *lenp, *ppos)
        };
        let Some(net) = net else {
            return EINVAL.to_errno();
        };
        if write != 0 {
            // SAFETY: sysctl hands out a kernel buffer of that many bytes.
            let text = unsafe { core::slice::from_raw_parts(buffer.cast::<u8>(), len) };
            let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
            return match S::store(net, index, text.trim_ascii()) {
                Ok(()) => {
                    // SAFETY: As above.
                    unsafe { *ppos = at.saturating_add(i64::try_from(len).unwrap_or(0)) };
                    0
                }
                Err(e) => e.to_errno(),
            };
        }
        let mut text = [0u8; LONGEST];
        let said = match (at, S::show(net, index, &mut text)) {
            // All of it was read.
            (1.., _) => 0,
            (_, Some(said)) => said,
            (_, None) => return EINVAL.to_errno(),
        };
        let out = text.get(..said).unwrap_or(&[]);
        let out = out.get(..len).unwrap_or(out);
        // SAFETY: sysctl hands out a kernel buffer of `len` bytes; `out` is no longer.
        unsafe {
            core::ptr::copy_nonoverlapping(out.as_ptr(), buffer.cast::<u8>(), out.len());
            *lenp = out.len();
            *ppos = at.saturating_add(i64::try_from(out.len()).unwrap_or(0));
        }
        0
    }
}

impl<S: Settings, const N: usize> Drop for SysctlDir<S, N> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariants. Waits for whoever is in the handler.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}
