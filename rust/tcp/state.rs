// SPDX-License-Identifier: GPL-2.0

//! The eleven states of RFC 9293, section 3.3.2, and the one table of how they change.

/// The state of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum ConnState {
    /// No connection.
    #[default]
    Closed,
    /// Waiting for any peer. (Half-open connections are entries of their own.)
    Listen,
    /// A SYN is out.
    SynSent,
    /// SYNs crossed, or a listener's child before the last ACK of the handshake.
    SynReceived,
    /// Open.
    Established,
    /// Our FIN is out or queued.
    FinWait1,
    /// Our FIN is acknowledged.
    FinWait2,
    /// The peer's FIN came.
    CloseWait,
    /// Both FINs are out; ours is not acknowledged.
    Closing,
    /// As CLOSE-WAIT, and our FIN is out or queued.
    LastAck,
    /// Waiting for stray segments to die.
    TimeWait,
}

/// What changes a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// Passive OPEN.
    OpenPassive,
    /// Active OPEN.
    OpenActive,
    /// SYN without ACK, received in SYN-SENT.
    RecvSyn,
    /// The handshake is complete.
    Synchronized,
    /// CLOSE (of the sending side): a FIN is queued.
    Close,
    /// The peer acknowledged our FIN.
    FinAcked,
    /// The peer's FIN is in order.
    RecvFin,
    /// 2 MSL passed, or the connection was aborted, reset or timed out.
    Delete,
}

macro_rules! transitions {
    ($($from:ident + $event:ident => $to:ident),+ $(,)?) => {
        impl ConnState {
            /// The state after `event`; `None` if the event can't happen in this state.
            pub(crate) fn on(self, event: Event) -> Option<Self> {
                match (self, event) {
                    (_, Event::Delete) => Some(Self::Closed),
                    $((Self::$from, Event::$event) => Some(Self::$to),)+
                    _ => None,
                }
            }
        }
    };
}

// RFC 9293, figure 5.
transitions! {
    Closed + OpenPassive => Listen,
    Closed + OpenActive => SynSent,
    SynSent + RecvSyn => SynReceived,
    SynSent + Synchronized => Established,
    SynReceived + Synchronized => Established,
    SynReceived + Close => FinWait1,
    // The handshake's last ACK carries a FIN: RFC 9293, 3.10.7.4, eighth step.
    SynReceived + RecvFin => CloseWait,
    Established + Close => FinWait1,
    Established + RecvFin => CloseWait,
    FinWait1 + FinAcked => FinWait2,
    FinWait1 + RecvFin => Closing,
    FinWait2 + RecvFin => TimeWait,
    CloseWait + Close => LastAck,
    Closing + FinAcked => TimeWait,
    LastAck + FinAcked => Closed,
}

impl ConnState {
    /// Whether both sides know each other's sequence numbers.
    #[inline]
    pub(crate) fn is_synchronized(self) -> bool {
        !matches!(
            self,
            Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived
        )
    }

    /// Whether the peer may still send data.
    #[inline]
    pub(crate) fn can_receive(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether the user may still send data.
    #[inline]
    pub(crate) fn can_send(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait)
    }

    /// Whether our FIN is out or queued.
    #[inline]
    pub(crate) fn fin_queued(self) -> bool {
        matches!(self, Self::FinWait1 | Self::Closing | Self::LastAck)
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnState::*, Event::*, *};

    const STATES: [ConnState; 11] = [
        Closed,
        Listen,
        SynSent,
        SynReceived,
        Established,
        FinWait1,
        FinWait2,
        CloseWait,
        Closing,
        LastAck,
        TimeWait,
    ];
    const EVENTS: [Event; 7] = [
        OpenPassive,
        OpenActive,
        RecvSyn,
        Synchronized,
        Close,
        FinAcked,
        RecvFin,
    ];

    /// The arrows of RFC 9293's figure 5, read off the figure; every other pair must be refused.
    #[test]
    fn the_whole_matrix_is_figure_5() {
        let figure = [
            (Closed, OpenPassive, Listen),
            (Closed, OpenActive, SynSent),
            (SynSent, RecvSyn, SynReceived),
            (SynSent, Synchronized, Established),
            (SynReceived, Synchronized, Established),
            (SynReceived, Close, FinWait1),
            (SynReceived, RecvFin, CloseWait),
            (Established, Close, FinWait1),
            (Established, RecvFin, CloseWait),
            (FinWait1, FinAcked, FinWait2),
            (FinWait1, RecvFin, Closing),
            (FinWait2, RecvFin, TimeWait),
            (CloseWait, Close, LastAck),
            (Closing, FinAcked, TimeWait),
            (LastAck, FinAcked, Closed),
        ];
        for state in STATES {
            assert_eq!(state.on(Delete), Some(Closed));
            for event in EVENTS {
                let expected = figure
                    .iter()
                    .find(|a| a.0 == state && a.1 == event)
                    .map(|a| a.2);
                assert_eq!(state.on(event), expected, "{state:?} {event:?}");
            }
        }
    }
}
