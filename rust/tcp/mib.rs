// SPDX-License-Identifier: GPL-2.0

//! The counters, by the names that Linux gives them (RFC 4022 and /proc/net/netstat).

macro_rules! mib {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A counter.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Mib { $($(#[$doc])* $name),+ }

        impl Mib {
            /// All names, in the order of the values.
            pub(crate) const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];
            /// How many there are.
            pub(crate) const COUNT: usize = Self::NAMES.len();
            /// How many of them, from the first one on, are in the group `Tcp` (RFC 4022), and not in
            /// `TcpExt`.
            #[allow(dead_code)] // For the kernel.
            pub(crate) const STANDARD: usize = Self::InCsumErrors as usize + 1;
        }
    };
}

mib! {
    /// Connections opened by us.
    ActiveOpens,
    /// Connections opened by a peer.
    PassiveOpens,
    /// Attempts that failed.
    AttemptFails,
    /// Connections that ended without the exchange of FINs.
    EstabResets,
    /// Connections that are in ESTABLISHED or CLOSE-WAIT: the only one that also goes down.
    CurrEstab,
    /// Segments received.
    InSegs,
    /// Segments sent, without retransmissions.
    OutSegs,
    /// Segments retransmitted.
    RetransSegs,
    /// Malformed segments.
    InErrs,
    /// Resets sent.
    OutRsts,
    /// Wrong checksums.
    InCsumErrors,
    /// SYNs and final ACKs of handshakes dropped because the accept queue was full.
    ListenOverflows,
    /// The same, and SYNs dropped for any other reason.
    ListenDrops,
    /// SYNs for which there was no room among the half-open connections, answered by a cookie.
    TCPReqQFullDoCookies,
    /// The same without cookies: dropped.
    TCPReqQFullDrop,
    /// SYNs answered with a cookie.
    SyncookiesSent,
    /// Valid cookies that came back.
    SyncookiesRecv,
    /// ACKs at a listener, while cookies were out, that brought none.
    SyncookiesFailed,
    /// Half-open connections that the peer reset.
    EmbryonicRsts,
    /// Final ACKs of handshakes without the data that TCP_DEFER_ACCEPT waits for.
    TCPDeferAcceptDrop,
    /// SYNs and SYN-ACKs sent again.
    TCPSynRetrans,
    /// TIME-WAIT entries made.
    TW,
    /// Connections that ended without TIME-WAIT because there were too many such entries.
    TCPTimeWaitOverflow,
    /// TIME-WAIT entries ended by a new connection.
    TWRecycled,
    /// Delayed ACKs sent.
    DelayedACKs,
    /// Segments dropped by PAWS.
    PAWSEstab,
    /// Duplicate or out-of-window segments.
    OutOfWindow,
    /// Of these, segments or data beyond the window.
    BeyondWindow,
    /// Data dropped because the window was shut.
    TCPZeroWindowDrop,
    /// ICMP errors about what is not under way.
    OutOfWindowIcmps,
    /// Segments and ICMP errors from further away than IP_MINTTL or IPV6_MINHOPCOUNT allows.
    TCPMinTTLDrop,
    /// ICMP errors that came while a task owned the socket.
    LockDroppedIcmps,
    /// Challenge ACKs sent (RFC 5961).
    TCPChallengeACK,
    /// SYNs within a connection (RFC 5961, 4).
    TCPSYNChallenge,
    /// Data that had come already: an ACK was lost, or late.
    DelayedACKLost,
    /// In-order data by the fast path.
    TCPHPHits,
    /// Retransmission time-outs.
    TCPTimeouts,
    /// Connections that timed out.
    TCPAbortOnTimeout,
    /// Connections reset because data came after the last reader was gone.
    TCPAbortOnData,
    /// Connections reset by close with unread data.
    TCPAbortOnClose,
    /// Connections reset because there were too many orphans, or no memory for them.
    TCPAbortOnMemory,
    /// Connections aborted in FIN-WAIT-2 because of TCP_LINGER2.
    TCPAbortOnLinger,
    /// Recoveries with SACK.
    TCPSackRecovery,
    /// Recoveries without SACK.
    TCPRenoRecovery,
    /// Fast retransmissions.
    TCPFastRetrans,
    /// Probes of the path's MTU that arrived (RFC 4821).
    TCPMTUPSuccess,
    /// Probes of the path's MTU that did not.
    TCPMTUPFail,
    /// Out-of-order segments queued.
    TCPOFOQueue,
    /// Out-of-order segments dropped for want of room, when they came or later.
    TCPOFODrop,
    /// In-order segments dropped for want of room.
    TCPRcvQDrop,
    /// Zero windows advertised.
    TCPToZeroWindowAdv,
    /// Windows that opened again.
    TCPFromZeroWindowAdv,
    /// Zero-window probes sent.
    TCPWinProbe,
    /// Keepalive probes sent.
    TCPKeepAlive,
    /// Segments dropped because the backlog was full.
    TCPBacklogDrop,
    /// Segments that were joined to the one before them in the backlog.
    TCPBacklogCoalesce,
    /// Buffers whose data was copied behind that of others because memory was short.
    TCPRcvCollapsed,
    /// Duplicate ACKs that were held back, and for which another one went.
    TCPAckCompressed,
    /// Duplicates of what was in order, reported to the sender (RFC 2883).
    TCPDSACKOldSent,
    /// Duplicates of what waits out of order, reported to the sender.
    TCPDSACKOfoSent,
    /// Duplicates of what was acknowledged, reported by the receiver (RFC 2883).
    TCPDSACKRecv,
    /// Duplicates of what waits out of order, reported by the receiver.
    TCPDSACKOfoRecv,
    /// Retransmissions found lost.
    TCPLostRetransmit,
    /// Probes for a lost tail (RFC 8985, section 7).
    TCPLossProbes,
    /// Tails that a probe repaired.
    TCPLossProbeRecovery,
    /// Segments with an ACK that needed no decision (header prediction).
    TCPHPAcks,
    /// Time-outs that F-RTO showed to be mistakes (RFC 5682).
    TCPSpuriousRTOs,
    /// Time-outs that timestamps showed to be mistakes (RFC 3522).
    TCPLossUndo,
    /// Fast recoveries that timestamps showed to be mistakes (RFC 3522).
    TCPFullUndo,
    /// Recoveries that the peer's reports of duplicates showed to be mistakes (RFC 3708).
    TCPDSACKUndo,
    /// Peers that dropped what they had reported as received (RFC 2018, section 8).
    TCPSACKReneging,
    /// Connections accepted with data on the SYN (RFC 7413).
    TCPFastOpenPassive,
    /// SYNs with a Fast Open cookie that was not good.
    TCPFastOpenPassiveFail,
    /// SYNs for which a listener had too many unconfirmed Fast Open connections.
    TCPFastOpenListenOverflow,
    /// SYNs that asked for a Fast Open cookie.
    TCPFastOpenCookieReqd,
    /// Connections whose data on the SYN was acknowledged.
    TCPFastOpenActive,
    /// Connections whose data on the SYN was not.
    TCPFastOpenActiveFail,
    /// Times that Fast Open was given up for a while, since something seemed to drop it.
    TCPFastOpenBlackhole,
}
