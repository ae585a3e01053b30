// SPDX-License-Identifier: GPL-2.0

//! Probes of the path's MTU in the stream of data, and what their fate means (RFC 4821, section 7;
//! see [`MtuSearch`]).

use super::{output::Next, Connection};
use crate::tcp::{
    context::Cx,
    log::LossBy,
    mib::Mib,
    mtu_probe::{MtuSearch, Probing},
    platform::{NoMemory, Platform},
    send::Recovery,
};

/// What to do about a probe.
pub(super) enum Turn {
    /// Nothing: go on with data.
    Pass,
    /// There is reason for one, and room soon: send nothing else.
    Wait,
    /// It is ready.
    Send(Next),
}

/// Segments behind a probe, which make its loss known at once.
const BEHIND: u32 = 4;
/// Segments that the congestion window holds at least (RFC 4821, 7.4).
const LEAST_CWND: u32 = 11;

impl<P: Platform> Connection<P> {
    /// The largest segment that route, peer and user allow, TCP's options included.
    pub(super) fn most_segment(&self) -> u16 {
        let most = self.mss_peer.min(self.mss_route);
        let most = match self.config.user_mss {
            0 => most,
            user => most.min(user),
        };
        // RFC 9293, 3.7.1: what the peer takes is less IP's options too.
        most.saturating_sub(self.ip_options)
    }

    /// Bytes of the options that every segment carries.
    pub(super) fn option_bytes(&self) -> u16 {
        if self.ts.enabled {
            12
        } else {
            0
        }
    }

    /// The handshake told what both ends take: the search begins.
    pub(super) fn begin_mtu_search(&mut self, cx: &Cx<'_, P>) {
        self.least_mss = cx.net.min_snd_mss;
        let probing = Probing::from_sysctl(cx.net.mtu_probing);
        let base = cx.net.base_mss.saturating_add(self.option_bytes());
        self.search = MtuSearch::begin(probing, base, self.most_segment(), cx.now);
    }

    /// Whether to probe now. RFC 4821, 7.4: only while nothing is lost, with enough data to tell of
    /// a loss and windows that take it.
    pub(super) fn next_mtu_probe(&mut self, cx: &Cx<'_, P>) -> Result<Turn, NoMemory> {
        let calm = self.sack_ok
            && self.send.recovery == Recovery::Open
            && self.send.sacked == 0
            && self.send.lost == 0
            && self.retries == 0
            && self.state.is_synchronized()
            && !self.send.fin_sent
            && self.send.tail_probe.is_none()
            && !self.reports_sack()
            && !self.is_urgent();
        if self.search.bound().is_none() || !calm {
            return Ok(Turn::Pass);
        }
        let most = self.most_segment();
        self.search.renew(most, cx.net.probe_interval, cx.now);
        let Some(size) = self.search.next(most, cx.net.probe_threshold) else {
            return Ok(Turn::Pass);
        };
        let (mss, cwnd) = (self.mss(), self.cc.cwnd());
        let acc_ecn = if self.ecn.is_due() { 12 } else { 0 };
        let len = u32::from(size.saturating_sub(self.option_bytes().saturating_add(acc_ecn)));
        let needs = len.saturating_add(mss.saturating_mul(BEHIND));
        if cwnd < needs.max(mss.saturating_mul(LEAST_CWND))
            || self.unsent() < needs
            || self.send.window_left() < needs
        {
            return Ok(Turn::Pass);
        }
        if cwnd.saturating_sub(self.send.pipe()) < len {
            // ACKs will come: there is more out than what is missing.
            return Ok(Turn::Wait);
        }
        if !self.send.gather(len) {
            return Ok(Turn::Pass);
        }
        let Some(sent) = self.send.advance(len)? else {
            return Ok(Turn::Pass);
        };
        self.search.sent(size, sent.seq, sent.end);
        Ok(Turn::Send(Next::Probe(sent.seq)))
    }

    /// SND.UNA moved: was the probe among what arrived?
    pub(super) fn look_at_mtu_probe(&mut self, cx: &Cx<'_, P>) {
        if self.search.arrived(self.send.una) {
            cx.count(Mib::TCPMTUPSuccess);
            self.update_mss();
        }
    }

    /// Losses were found. If the probe is all of them, that tells of its size and not of
    /// congestion (RFC 4821, 7.6.2); true if so.
    pub(super) fn is_mtu_probe_lost(&mut self, cx: &Cx<'_, P>) -> bool {
        let Some(probe) = self.search.out() else {
            return false;
        };
        let len = probe.end.distance_from(probe.start);
        let first = self.send.first_lost();
        if self.send.lost != len || first.is_none_or(|range| range.start != probe.start) {
            return false;
        }
        self.search.failed();
        self.send.rate.forgive(len);
        cx.count(Mib::TCPMTUPFail);
        self.log_loss(cx, LossBy::Size, len);
        true
    }

    /// ICMP says that what starts at SND.NXT's probe was too large, and nothing else is.
    pub(super) fn on_mtu_probe_refused(&mut self, cx: &Cx<'_, P>) {
        let Some(probe) = self.search.out() else {
            return;
        };
        self.search.failed();
        cx.count(Mib::TCPMTUPFail);
        let lost = self.send.mark_range_lost(probe.start, probe.end);
        self.log_loss(cx, LossBy::Size, lost);
    }

    /// A time-out; `row` came before it without an answer. RFC 4821, 7.7.
    pub(super) fn look_for_black_hole(&mut self, cx: &Cx<'_, P>, row: u8) {
        self.search.inconclusive();
        if cx.net.mtu_probing == 0 || row < cx.net.retries1 {
            return;
        }
        let options = self.option_bytes();
        let base = cx.net.base_mss.saturating_add(options);
        let least = cx.net.mtu_probe_floor.max(cx.net.min_snd_mss);
        let least = least.saturating_add(options);
        let most = self.most_segment();
        self.search.stuck(base, least, most, cx.now);
        self.update_mss();
    }
}
