// SPDX-License-Identifier: GPL-2.0

//! Fast Open (RFC 7413), the opener's side: what goes on the SYN, and what its answer teaches.
//!
//! Cookies are kept by whoever runs the core: it says what a SYN gets ([`FastSyn`]) and is told what
//! came of it ([`FastNews`]).

use super::{Connection, Disposition};
use crate::tcp::{
    context::Cx,
    log::{Kind, LossBy},
    mib::Mib,
    platform::{Buffer, NoMemory, Platform, SegList, SegTree},
    seq::SeqNum,
    state::ConnState,
    time::Instant,
    wire::{FastOpen, Segment},
};

/// Bytes that a SYN with data leaves to options, also those that somebody on the way may add.
const OPTION_SPACE: u16 = 40;

/// What of Fast Open the first SYN gets. What is sent again has nothing of it (RFC 7413, 4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum FastSyn {
    /// Nothing.
    #[default]
    Plain,
    /// There is no SYN before [`Connection::send_syn`] is called.
    Wait,
    /// The wish for a cookie, in the form that was used before the option had a number of its own
    /// if `experimental`.
    Ask {
        /// See above.
        experimental: bool,
    },
    /// The data that is queued, with a cookie if there has to be one.
    Carry {
        /// The cookie.
        cookie: Option<FastOpen>,
        /// The largest segment that the peer took last time, bytes; 0: not known.
        mss: u16,
    },
}

impl FastSyn {
    /// In words, for a log.
    pub(crate) fn words(&self) -> [u32; 5] {
        match self {
            Self::Plain => [0; 5],
            Self::Wait => [1, 0, 0, 0, 0],
            Self::Ask { experimental } => [2 | u32::from(*experimental) << 15, 0, 0, 0, 0],
            Self::Carry { cookie, mss } => {
                let has = u32::from(cookie.is_some()) << 3;
                let [form, a, b, c, d] = cookie.unwrap_or_default().words();
                [3 | has | form << 8 | u32::from(*mss) << 16, a, b, c, d]
            }
        }
    }

    /// From the words.
    #[allow(dead_code)] // For the replay.
    pub(crate) fn from_words(words: [u32; 5]) -> Self {
        let [what, a, b, c, d] = words;
        match what & 7 {
            1 => Self::Wait,
            2 => Self::Ask {
                experimental: what & 1 << 15 != 0,
            },
            3 => Self::Carry {
                cookie: (what & 8 != 0)
                    .then(|| FastOpen::from_words([what >> 8 & 0xff, a, b, c, d])),
                mss: (what >> 16) as u16,
            },
            _ => Self::Plain,
        }
    }
}

/// Why there was no data on the SYN, or the peer took none of it: `tcpi_fastopen_client_fail`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum FastFail {
    /// It did, or nothing was tried.
    #[default]
    None,
    /// There was no cookie.
    NoCookie,
    /// It acknowledged the SYN only.
    NotAcked,
    /// It acknowledged a SYN that was sent again.
    Again,
}

/// What the answer to a SYN teaches about its sender.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FastAnswer {
    /// The largest segment that it takes; 0: it did not answer.
    pub(crate) mss: u16,
    /// The cookie that it gave.
    pub(crate) cookie: Option<FastOpen>,
    /// Data on the SYN did not get there, or was not taken, and no cookie came instead (RFC 7413,
    /// 4.1.3.1).
    pub(crate) lost: bool,
    /// No cookie came though one was asked for; and whether in the experimental form.
    pub(crate) denied: Option<bool>,
}

/// What is to be remembered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct FastNews {
    /// Of the peer.
    pub(crate) answer: Option<FastAnswer>,
    /// Something on the way seems to drop what follows a SYN with Fast Open.
    pub(crate) black_hole: bool,
    /// The connection is over and brought data: nothing does.
    pub(crate) proven: bool,
}

impl FastNews {
    const NONE: Self = Self {
        answer: None,
        black_hole: false,
        proven: false,
    };
}

/// The opener's side of a connection.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct FastClient {
    /// What the next SYN gets.
    syn: FastSyn,
    /// A SYN had the option, or data.
    tried: bool,
    /// A SYN had data.
    data: bool,
    /// In which form a cookie was asked for.
    asked: Option<bool>,
    /// It had the option.
    option: bool,
    /// The SYN was sent before.
    sent: bool,
    fail: FastFail,
    news: FastNews,
}

impl FastClient {
    /// Whether the SYN waits for [`Connection::send_syn`].
    pub(super) fn waits(&self) -> bool {
        self.syn == FastSyn::Wait
    }

    /// Whether a SYN was sent before.
    pub(super) fn was_sent(&self) -> bool {
        self.sent
    }
}

impl<P: Platform> Connection<P> {
    /// The SYN of a connection that was opened with [`FastSyn::Wait`] comes out of the next poll.
    /// What is to go with it is queued, at most [`Self::syn_room`] bytes.
    pub(crate) fn send_syn(&mut self, cx: &Cx<'_, P>, syn: FastSyn) {
        self.input_at(cx, Kind::InSyn, &syn.words());
        if self.is_held() {
            self.begin_syn(cx, syn);
        }
    }

    /// What the SYN gets is decided.
    pub(super) fn begin_syn(&mut self, cx: &Cx<'_, P>, syn: FastSyn) {
        self.fast.syn = syn;
        if matches!(syn, FastSyn::Ask { .. }) {
            self.fast.fail = FastFail::NoCookie;
        }
        self.syn_pending = syn != FastSyn::Wait;
        self.retries_since = cx.now;
    }

    /// Whether the SYN waits for [`Self::send_syn`].
    pub(crate) fn is_held(&self) -> bool {
        self.state == ConnState::SynSent && self.fast.waits()
    }

    /// How much data a SYN takes, bytes (RFC 7413, 4.2.2): what the peer took last time, or else
    /// what each one does.
    pub(crate) fn syn_room(&self, syn: FastSyn) -> u32 {
        let FastSyn::Carry { mss, .. } = syn else {
            return 0;
        };
        let known = if mss != 0 { mss } else { self.mss_peer };
        let user = match self.config.user_mss {
            0 => u16::MAX,
            user => user,
        };
        let mss = self.mss_route.min(known).min(user);
        u32::from(mss.saturating_sub(self.ip_options.saturating_add(OPTION_SPACE)))
    }

    /// The option of the SYN that is sent now.
    pub(super) fn syn_option(&self) -> Option<FastOpen> {
        match self.fast.syn {
            FastSyn::Ask { experimental } => FastOpen::new(&[], experimental),
            FastSyn::Carry { cookie, .. } => cookie,
            FastSyn::Plain | FastSyn::Wait => None,
        }
    }

    /// The first SYN is sent, with `option`: moves the data for it to what is out; tells where it
    /// begins and how much it is.
    pub(super) fn load_syn(
        &mut self,
        cx: &Cx<'_, P>,
        option: Option<FastOpen>,
    ) -> Option<(SeqNum, u32)> {
        let syn = core::mem::take(&mut self.fast.syn);
        self.fast.sent = true;
        self.fast.option = option.is_some();
        self.fast.tried = option.is_some();
        self.fast.asked = match syn {
            FastSyn::Ask { experimental } if option.is_some() => Some(experimental),
            _ => None,
        };
        let len = self.send.unsent.front()?.len().min(self.syn_room(syn));
        if len == 0 {
            return None;
        }
        let seq = match self.send.advance(len) {
            Ok(sent) => sent?.seq,
            Err(NoMemory) => return None,
        };
        let (stamp, _) = self.send.rate.on_sent(cx.now, len, 0);
        let meta = self.send.rtx.at_or_after_mut(seq)?.meta_mut();
        meta.sent_at = cx.now;
        meta.stamp = stamp;
        self.fast.tried = true;
        self.fast.data = true;
        self.last_sent = cx.now;
        self.stats.data_went_out(len, len, false);
        Some((seq, len))
    }

    /// The route takes less than the SYN with its data was: it goes again, alone.
    pub(super) fn unload_syn(&mut self) {
        if self.state == ConnState::SynSent && self.fast.data {
            self.syn_sent_at = Instant::default();
            self.syn_pending = true;
        }
    }

    /// An acknowledgment of our SYN, and of what was on it, is to be taken. To be called before the
    /// connection is synchronized.
    pub(super) fn syn_acked(&mut self, cx: &Cx<'_, P>, ack: SeqNum) {
        self.send.una = ack;
        if self.fast.data {
            let bytes = ack.distance_from(self.send.iss).saturating_sub(1);
            self.stats.acked(bytes, cx.now);
            self.send.trim_rtx();
        }
    }

    /// The connection is synchronized: RFC 7413, 4.2.2, "Client: Receiving SYN-ACK". What of the data
    /// was not acknowledged goes with the first ACK; that is no sign of congestion.
    pub(super) fn fast_answered(&mut self, cx: &Cx<'_, P>, seg: &Segment) {
        if !self.fast.tried {
            return;
        }
        let cookie = seg.header.options.fast_open;
        let cookie = cookie.filter(|one| self.fast.option && !one.cookie().is_empty());
        let again = self.syn_sent_at == Instant::default();
        let left = self.fast.data && self.send.in_flight() > 0;
        self.fast.news.answer = Some(FastAnswer {
            mss: self.mss_peer,
            cookie,
            lost: left && cookie.is_none(),
            denied: self.fast.asked.filter(|_| cookie.is_none() && !again),
        });
        if left {
            self.fast.fail = if again {
                FastFail::Again
            } else {
                FastFail::NotAcked
            };
            cx.count(Mib::TCPFastOpenActiveFail);
            let _ = self.send.mark_all_lost();
            self.log_loss(cx, LossBy::Size, self.send.lost);
            self.send.force_one = true;
        } else if self.fast.data {
            self.syn_data = true;
            cx.count(Mib::TCPFastOpenActive);
        }
    }

    /// Data on the SYN-ACK that answers a SYN of Fast Open counts at once.
    pub(super) fn take_synack_data(
        &mut self,
        cx: &Cx<'_, P>,
        seg: &Segment,
        buf: Option<P::RxBuf>,
    ) -> Result<Disposition<P>, Option<P::RxBuf>> {
        if !self.fast.tried || buf.is_none() {
            return Err(buf);
        }
        Ok(self.on_payload(cx, seg, buf))
    }

    /// The retransmission timer expired, for the last time if `over`. The third time in a row, or
    /// no answer at all, looks like a black hole.
    pub(super) fn fast_timed_out(&mut self, cx: &Cx<'_, P>, over: bool) {
        if self.fast.tried && (self.retries == 2 || (self.retries < 2 && over)) {
            self.fast.news.black_hole = true;
            cx.count(Mib::TCPFastOpenActiveFail);
        }
    }

    /// A reset with a number that is not expected came: whoever sent it may have seen more of the
    /// connection than we have.
    pub(super) fn fast_misled(&mut self) {
        if self.fast.tried && self.state == ConnState::Established && !self.stats.got_data() {
            self.fast.news.black_hole = true;
        }
    }

    /// The connection is over. `failed`: it never was one.
    pub(super) fn fast_over(&mut self, failed: bool) {
        if !self.fast.tried {
            return;
        }
        if failed && self.fast.data {
            // RFC 7413, 4.1.3.1: no answer, or an error on the way, is remembered too.
            self.fast.news.answer = Some(FastAnswer {
                lost: true,
                ..FastAnswer::default()
            });
        }
        if self.stats.got_data() {
            self.fast.news.proven = true;
        } else if self.recv.fin.is_some() && !self.recv.fin_reached {
            // All that ever came is the end of a stream.
            self.fast.news.black_hole = true;
        }
    }

    /// What is to be remembered since the last time.
    #[inline]
    pub(crate) fn take_fast_news(&mut self) -> Option<FastNews> {
        if !self.fast.tried || self.fast.news == FastNews::NONE {
            return None;
        }
        Some(core::mem::take(&mut self.fast.news))
    }

    /// `tcpi_fastopen_client_fail`.
    pub(in crate::tcp) fn fast_fail(&self) -> FastFail {
        self.fast.fail
    }

    /// Whether a listener's Fast Open made it.
    pub(in crate::tcp) fn is_fast_child(&self) -> bool {
        self.fast_open
    }
}
