// SPDX-License-Identifier: GPL-2.0

//! The world as one event finds it: built by the caller, once an event.

use super::{
    config::NetConfig,
    mib::Mib,
    platform::{MibSink, Platform},
    time::Instant,
};

/// Time, settings and counters.
pub(crate) struct Cx<'a, P: Platform> {
    /// Now.
    pub(crate) now: Instant,
    /// The namespace's settings.
    pub(crate) net: &'a NetConfig,
    /// The namespace's counters.
    pub(crate) mib: &'a P::Mib,
}

impl<P: Platform> Cx<'_, P> {
    /// Adds one to a counter.
    pub(crate) fn count(&self, counter: Mib) {
        self.mib.add(counter, 1);
    }
}
