// SPDX-License-Identifier: GPL-2.0

//! TCP_INFO: what the core knows of a connection, in the kernel's layout and units.

use crate::net::{
    ip::mtu_of,
    proto_ops::abi,
    sockopt::TcpInfo, //
};
use crate::stack::{
    sock::{
        with_cx,
        TcpSock, //
    },
    stats::{
        ca_state,
        pacing_rate,
        us,
        NO_THRESHOLD, //
    },
};
use crate::tcp::{
    congestion::Told,
    ecn::{
        Account,
        Kind, //
    },
    info::Info,
    time::Duration, //
};

/// TCPI_OPT_*.
mod opt {
    pub(super) const TIMESTAMPS: u8 = 1;
    pub(super) const SACK: u8 = 2;
    pub(super) const WSCALE: u8 = 4;
    pub(super) const ECN: u8 = 8;
    pub(super) const ECN_SEEN: u8 = 16;
    pub(super) const SYN_DATA: u8 = 32;
    pub(super) const TFO_CHILD: u8 = 128;
}

/// TCPI_ECN_MODE_*.
mod ecn_mode {
    pub(super) const DISABLED: u32 = 0;
    pub(super) const RFC3168: u32 = 1;
    pub(super) const ACCECN: u32 = 2;
    pub(super) const PENDING: u32 = 3;
}

/// Bytes of `union tcp_cc_info`, and of the part of it that DCTCP has.
const CC_INFO: usize = 20;
const DCTCP_INFO: usize = 16;
/// Segments that may overtake each other before a loss is suspected, as long as nothing else was
/// seen: Linux' figure. Losses are told by time here (RFC 8985).
const REORDERING: u32 = 3;

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_micros() / 1000).unwrap_or(u32::MAX)
}

/// TCP_INFO of a socket in any state.
pub(super) fn tcp_info(sk: &TcpSock) -> TcpInfo {
    let mut sk = sk.lock();
    let this = sk.sk();
    let mut to = TcpInfo {
        tcpi_state: this.state(),
        tcpi_max_pacing_rate: this.pacing().1,
        tcpi_reordering: REORDERING,
        ..TcpInfo::default()
    };
    let Some(info) = with_cx(&mut sk, |conn, cx| conn.info(cx)) else {
        return to;
    };
    to.tcpi_snd_cwnd = info.cwnd;
    to.tcpi_pacing_rate = pacing_rate(&info, to.tcpi_max_pacing_rate);
    if to.tcpi_state == abi::TCP_LISTEN {
        to.tcpi_unacked = this.shared().accept.lock().len();
        to.tcpi_sacked = this.max_ack_backlog();
    } else {
        fill(&mut to, &info);
        to.tcpi_pmtu = mtu_of(info.mss_route, this.is_v6() && !this.remote().is_v4());
    }
    to
}

/// TCP_CC_INFO: `union tcp_cc_info`, and how many bytes of it there are.
pub(super) fn cc_info(sk: &TcpSock) -> ([u8; CC_INFO], usize) {
    let sk = sk.lock();
    let conn = &sk.peek().conn;
    let (told, marked) = conn.congestion_state();
    let (words, len) = match told {
        Told::Nothing => ([0; CC_INFO / 4], 0),
        // `struct tcp_dctcp_info`. Without ECN it is Reno, and all is 0.
        Told::Dctcp(..) if !conn.ecn().0 => ([0; CC_INFO / 4], DCTCP_INFO),
        Told::Dctcp(alpha, bytes_marked, bytes) => {
            let [a, b] = 1u16.to_ne_bytes();
            let [c, d] = u16::from(marked).to_ne_bytes();
            let flags = u32::from_ne_bytes([a, b, c, d]);
            ([flags, alpha, bytes_marked, bytes, 0], DCTCP_INFO)
        }
        // `struct tcp_bbr_info`: gains in 1/256.
        Told::Bbr {
            rate,
            min_rtt,
            gains: (pace, window),
        } => {
            let gain = |percent: u32| percent.saturating_mul(256) / 100;
            let words = [
                rate as u32,
                (rate >> 32) as u32,
                min_rtt.map_or(u32::MAX, us),
                gain(pace),
                gain(window),
            ];
            (words, CC_INFO)
        }
    };
    let mut bytes = [0; CC_INFO];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_ne_bytes();
    }
    (bytes, len)
}

/// What is known of ECN.
fn fill_ecn(to: &mut TcpInfo, ecn: &Account) {
    let mode = match ecn.kind {
        Kind::None => ecn_mode::DISABLED,
        Kind::Classic => ecn_mode::RFC3168,
        Kind::Accurate => ecn_mode::ACCECN,
    };
    if ecn.kind != Kind::None {
        to.tcpi_options |= opt::ECN;
    }
    if ecn.seen {
        to.tcpi_options |= opt::ECN_SEEN;
    }
    // Asked for, and not answered yet: what is asked for by RFC 3168 is that, as Linux sees it.
    let asks = to.tcpi_state == abi::TCP_SYN_SENT && ecn.asked != Kind::None;
    if asks {
        to.tcpi_options |= opt::ECN;
    }
    to.set_tcpi_ecn_mode(match ecn.asked {
        Kind::Accurate if asks => ecn_mode::PENDING,
        _ if asks => ecn_mode::RFC3168,
        _ => mode,
    });
    to.tcpi_delivered_ce = ecn.delivered_ce;
    to.tcpi_received_ce = ecn.received_ce;
    to.tcpi_delivered_e1_bytes = ecn.delivered.ect1;
    to.tcpi_delivered_e0_bytes = ecn.delivered.ect0;
    to.tcpi_delivered_ce_bytes = ecn.delivered.ce;
    to.tcpi_received_e1_bytes = ecn.received.ect1;
    to.tcpi_received_e0_bytes = ecn.received.ect0;
    to.tcpi_received_ce_bytes = ecn.received.ce;
    to.set_tcpi_accecn_opt_seen(ecn.option as u32);
    to.set_tcpi_accecn_fail_mode(u32::from(ecn.failed));
}

/// The rest of it, for a socket that does not listen.
fn fill(to: &mut TcpInfo, info: &Info) {
    to.tcpi_ca_state = ca_state(info.phase);
    to.tcpi_retransmits = info.retransmits;
    to.tcpi_probes = info.probes;
    to.tcpi_backoff = info.backoff;
    if info.timestamps {
        to.tcpi_options |= opt::TIMESTAMPS;
    }
    if info.sack {
        to.tcpi_options |= opt::SACK;
    }
    fill_ecn(to, &info.ecn);
    if info.syn_data {
        to.tcpi_options |= opt::SYN_DATA;
    }
    if info.fast_child {
        to.tcpi_options |= opt::TFO_CHILD;
    }
    to.set_tcpi_fastopen_client_fail(info.fast_fail as u8);
    if let Some((theirs, ours)) = info.wscale {
        to.tcpi_options |= opt::WSCALE;
        to.set_tcpi_snd_wscale(theirs);
        to.set_tcpi_rcv_wscale(ours);
    }
    to.tcpi_rto = us(info.rto);
    to.tcpi_ato = us(info.ato);
    to.tcpi_snd_mss = info.snd_mss;
    to.tcpi_rcv_mss = info.rcv_mss;
    to.tcpi_unacked = info.unacked;
    to.tcpi_sacked = info.sacked;
    to.tcpi_lost = info.lost;
    to.tcpi_retrans = info.retrans;
    to.tcpi_last_data_sent = ms(info.since_data_sent);
    to.tcpi_last_data_recv = ms(info.since_data_recv);
    to.tcpi_last_ack_recv = ms(info.since_recv);
    to.tcpi_rcv_ssthresh = info.rcv_ssthresh;
    to.tcpi_rtt = us(info.rtt);
    to.tcpi_rttvar = us(info.rttvar);
    to.tcpi_snd_ssthresh = info.ssthresh.unwrap_or(NO_THRESHOLD);
    to.tcpi_advmss = info.advmss;
    // The receiver has no estimate of its own; both ends see the same path.
    to.tcpi_rcv_rtt = us(info.rcv_rtt);
    to.tcpi_rcv_space = info.rcv_space;
    to.tcpi_total_retrans = info.total_retrans;
    to.tcpi_bytes_acked = info.bytes_acked;
    to.tcpi_bytes_received = info.bytes_received;
    to.tcpi_segs_out = info.segs_out;
    to.tcpi_segs_in = info.segs_in;
    to.tcpi_notsent_bytes = info.notsent;
    to.tcpi_min_rtt = info.min_rtt.map_or(u32::MAX, us);
    to.tcpi_data_segs_in = info.data_segs_in;
    to.tcpi_data_segs_out = info.data_segs_out;
    to.tcpi_delivery_rate = info.delivery_rate;
    to.set_tcpi_delivery_rate_app_limited(u8::from(info.app_limited));
    to.tcpi_busy_time = info.busy.as_micros();
    to.tcpi_rwnd_limited = info.rwnd_limited.as_micros();
    to.tcpi_sndbuf_limited = info.sndbuf_limited.as_micros();
    to.tcpi_delivered = info.delivered;
    to.tcpi_bytes_sent = info.bytes_sent;
    to.tcpi_bytes_retrans = info.bytes_retrans;
    to.tcpi_dsack_dups = info.dsack_dups;
    to.tcpi_reord_seen = info.reord_seen;
    to.tcpi_reordering = info.reordering;
    to.tcpi_rcv_ooopack = info.out_of_order;
    to.tcpi_snd_wnd = info.snd_wnd;
    to.tcpi_rcv_wnd = info.rcv_wnd;
    to.tcpi_total_rto = info.total_rto;
    to.tcpi_total_rto_recoveries = info.rto_rows;
    to.tcpi_total_rto_time = ms(info.rto_time);
}
