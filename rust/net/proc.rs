// SPDX-License-Identifier: GPL-2.0

//! Files in /proc/net, one set a namespace.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use super::{
    bindings,
    netns::Net, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};

/// The contents of a file: parts that are shown one after the other, numbered from 0.
pub(crate) trait Listing: 'static {
    /// Shows part `index` of what there is in `net`; `false` if there is no such part.
    /// Context: process; must not sleep for long.
    fn show(net: Net, index: usize, out: &SeqFile) -> bool;
    /// Whether part `index` may exist.
    fn exists(net: Net, index: usize) -> bool;
}

/// A file in a namespace's /proc/net.
///
/// # Invariants
///
/// The file `name` is there, in the namespace's directory.
pub(crate) struct ProcFile<L: Listing> {
    net: Net,
    name: &'static CStr,
    _listing: PhantomData<L>,
}

impl<L: Listing> ProcFile<L> {
    const OPS: bindings::seq_operations = bindings::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };
    const OPS_REF: &'static bindings::seq_operations = &Self::OPS;

    /// Makes the file.
    pub(crate) fn new(net: Net, name: &'static CStr) -> Result<Self> {
        // SAFETY: The namespace is alive and has its directory; the operations are static.
        let entry = unsafe {
            bindings::proc_create_net_data(
                name.as_char_ptr(),
                0o444,
                (*net.as_ptr()).proc_net,
                Self::OPS_REF,
                core::mem::size_of::<bindings::seq_net_private>() as c_uint,
                core::ptr::null_mut(),
            )
        };
        if entry.is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Just made.
        Ok(Self {
            net,
            name,
            _listing: PhantomData,
        })
    }

    /// The namespace that a file was opened in.
    ///
    /// # Safety
    ///
    /// `seq` must be of a file of ours.
    unsafe fn net(seq: *mut bindings::seq_file) -> Option<Net> {
        // SAFETY: `proc_create_net_data` gives each open file a `seq_net_private`, which holds a
        // reference to the namespace.
        unsafe { Net::from_raw((*(*seq).private.cast::<bindings::seq_net_private>()).net) }
    }

    /// Positions are handed to C as pointers that are never followed: one more than the index.
    fn cursor(index: i64) -> *mut c_void {
        core::ptr::without_provenance_mut(usize::try_from(index).unwrap_or(0).wrapping_add(1))
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn start(seq: *mut bindings::seq_file, pos: *mut i64) -> *mut c_void {
        // SAFETY: Called by seq_file with a file of ours.
        unsafe {
            match Self::net(seq) {
                Some(net) if L::exists(net, usize::try_from(*pos).unwrap_or(usize::MAX)) => {
                    Self::cursor(*pos)
                }
                _ => core::ptr::null_mut(),
            }
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn next(
        seq: *mut bindings::seq_file,
        _v: *mut c_void,
        pos: *mut i64,
    ) -> *mut c_void {
        // SAFETY: As in `start`.
        unsafe {
            *pos = (*pos).wrapping_add(1);
            Self::start(seq, pos)
        }
    }

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn stop(_seq: *mut bindings::seq_file, _v: *mut c_void) {}

    /// # Safety
    ///
    /// Called by C alone, with what the place it is registered in promises.
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, v: *mut c_void) -> c_int {
        // SAFETY: As in `start`. CAST: The two crates' types are of the same C type.
        unsafe {
            if let Some(net) = Self::net(seq) {
                L::show(net, v.addr().wrapping_sub(1), SeqFile::from_raw(seq.cast()));
            }
        }
        0
    }
}

impl<L: Listing> Drop for ProcFile<L> {
    fn drop(&mut self) {
        // SAFETY: The file is there, by the type invariants. Waits for its users.
        unsafe {
            bindings::remove_proc_entry(self.name.as_char_ptr(), (*self.net.as_ptr()).proc_net)
        };
    }
}
