// SPDX-License-Identifier: GPL-2.0

//! The one table from the core's reasons to errnos.

use crate::tcp::connection::CloseReason;
use kernel::error::{
    code,
    Error, //
};

/// The errno of a failed connection, as Linux gives it.
pub(crate) fn errno(reason: CloseReason) -> Error {
    match reason {
        CloseReason::ConnectionRefused => code::ECONNREFUSED,
        CloseReason::ConnectionReset => code::ECONNRESET,
        CloseReason::BrokenPipe => code::EPIPE,
        CloseReason::TimedOut => code::ETIMEDOUT,
        CloseReason::HostUnreachable => code::EHOSTUNREACH,
        CloseReason::NetUnreachable => code::ENETUNREACH,
        CloseReason::Prohibited => code::EACCES,
        CloseReason::NoProtocol => code::ENOPROTOOPT,
        CloseReason::BadHeader => code::EPROTO,
    }
}
