// SPDX-License-Identifier: GPL-2.0

//! From a packet to the connection it belongs to. Context: softirq, RCU read side.

mod listen;

use super::{
    backlog,
    demux::{
        find_listener,
        Conn,
        ConnState as EntryState,
        Kind, //
    },
    egress::{
        self,
        send_along,
        send_control, //
    },
    icmp,
    kernel::SegCb,
    memory,
    netns::{
        net_config,
        NetState, //
    },
    sock::{
        self,
        now,
        with_cx,
        LockedTcp,
        TcpSock, //
    },
};
use crate::net::{
    addr::Endpoint,
    hashtable::Node,
    ingress::{
        checksum_ok,
        kernel_has,
        kernel_listens,
        policy_allows,
        Flow,
        IcmpReport,
        IngressHook,
        RxContext,
        Verdict, //
    },
    inherit::{
        domain_of,
        Way, //
    },
    ip::Route,
    netns::Net,
    skbuff::{
        Drop as SkbDrop,
        SkBuff, //
    },
    source_route::SourceRoute,
};
use crate::tcp::{
    connection::{
        Disposition,
        DropReason, //
    },
    handshake::SynRcvdTimeout,
    mib::Mib,
    platform::MibSink,
    time_wait::TimeWaitOn,
    wire::{
        Codepoint,
        Flags,
        Header,
        Packet,
        Segment, //
    },
};

/// The module's hook in the receive path.
pub(crate) struct Hook;

/// The header's length and what it says, read from the start of a packet's data.
fn parse(skb: &mut SkBuff) -> Option<(usize, u16, u16, Header)> {
    let len = Packet::header_len(skb.pull_head(20)?).ok()?;
    let packet = Packet::new(skb.pull_head(len)?).ok()?;
    Some((len, packet.src_port(), packet.dst_port(), packet.header()))
}

/// What a packet belongs to.
enum Target<'a> {
    Conn(&'a Node<Conn>),
    Listener(&'a TcpSock),
}

impl IngressHook for Hook {
    fn receive(context: &RxContext, flow: &Flow, mut skb: SkBuff) -> Verdict {
        let Some(state) = NetState::of(flow.net) else {
            return Verdict::Pass(skb);
        };
        // Only the ports are looked at before it is known whose packet this is.
        let Some(&[s0, s1, d0, d1]) = skb.pull_head(20).and_then(|bytes| bytes.first_chunk::<4>())
        else {
            return Verdict::Pass(skb);
        };
        let local = Endpoint::new(flow.local, u16::from_be_bytes([d0, d1]), flow.iif);
        let remote = Endpoint::new(flow.remote, u16::from_be_bytes([s0, s1]), flow.iif);
        let hash = state.hash(local, remote);
        let ends = (local, remote);
        let is_it = |c: &Conn| c.is(ends, flow.dif, flow.sdif);
        let conn = state.conns.find(hash, context, is_it);
        let target = match conn {
            Some(node) => Some(Target::Conn(node)),
            None => find_listener(&state.listeners, context, local, flow).map(Target::Listener),
        };
        let Some(target) = target else {
            return Verdict::Pass(skb);
        };
        if let Target::Conn(node) = &target {
            // A port of ours that only waits out TIME-WAIT may be in use by the kernel's TCP. That
            // is the newer connection then, and what comes late is for it to judge.
            if matches!(node.value().kind, Kind::TimeWait)
                && kernel_has(flow, local.port, remote.port)
            {
                state.remove(node);
                return Verdict::Pass(skb);
            }
        }
        let sk = match &target {
            Target::Listener(sk) => Some(*sk),
            Target::Conn(node) => match &node.value().kind {
                Kind::Sock(sk) | Kind::HalfOpen(sk, _) => Some(&**sk),
                Kind::TimeWait => None,
            },
        };
        if !policy_allows(sk, &mut skb) {
            skb.drop_with(SkbDrop::Policy);
            return Verdict::Taken;
        }
        state.mib.add(Mib::InSegs, 1);
        let Some((_, _, _, header)) = parse(&mut skb) else {
            state.mib.add(Mib::InErrs, 1);
            skb.drop_with(SkbDrop::Header);
            return Verdict::Taken;
        };
        if !checksum_ok(flow, &mut skb) {
            state.mib.add(Mib::InCsumErrors, 1);
            state.mib.add(Mib::InErrs, 1);
            skb.drop_with(SkbDrop::Checksum);
            return Verdict::Taken;
        }
        let rx = Rx {
            state,
            flow,
            local,
            remote,
            header,
            mark: reply_mark(flow, &skb),
            // A connection that has a socket has its own since its SYN.
            source_route: match &target {
                Target::Conn(node) if matches!(node.value().kind, Kind::Sock(_)) => None,
                _ => SourceRoute::back(&skb),
            },
        };
        match target {
            Target::Conn(node) => return rx.to_conn(context, node, skb),
            Target::Listener(listener) => rx.to_listener(listener, skb, None),
        }
        Verdict::Taken
    }

    fn icmp(context: &RxContext, report: &IcmpReport<'_>) -> bool {
        let Some(state) = NetState::of(report.net) else {
            return false;
        };
        let hash = state.hash(report.local, report.remote);
        let ends = (report.local, report.remote);
        let is_it = |c: &Conn| c.is(ends, report.dif, report.sdif);
        let found = state.conns.find(hash, context, is_it);
        let Some(node) = found else {
            return false;
        };
        match &node.value().kind {
            Kind::Sock(sk) => icmp::to_sock(state, sk, report),
            Kind::HalfOpen(..) => icmp::to_half_open(state, node, report),
            Kind::TimeWait => {}
        }
        true
    }
}

/// A segment on its way.
struct Rx<'a> {
    state: &'static NetState,
    flow: &'a Flow,
    local: Endpoint,
    remote: Endpoint,
    header: Header,
    /// The mark of what no socket answers.
    mark: u32,
    /// The way back, if it came by a source route.
    source_route: Option<SourceRoute>,
}

/// `net.ipv4.fwmark_reflect` (or `net.ipv6`'s): what answers for no socket has the packet's mark.
fn reply_mark(flow: &Flow, skb: &SkBuff) -> u32 {
    if flow.net.reflects_mark(!flow.remote.is_ipv4()) {
        skb.mark()
    } else {
        0
    }
}

impl Rx<'_> {
    /// The segment; its packet's data starts at the TCP header.
    fn segment(&self, skb: &SkBuff) -> Segment {
        let payload = skb
            .len()
            .saturating_sub(u32::try_from(self.header_len(skb)).unwrap_or(0));
        Segment {
            header: self.header,
            payload_len: payload,
            codepoint: Codepoint::from_tos(skb.ip_tos()),
            joined: skb.segments(payload),
        }
    }

    fn header_len(&self, skb: &SkBuff) -> usize {
        skb.head(20)
            .and_then(|bytes| Packet::header_len(bytes).ok())
            .unwrap_or(20)
    }

    fn reply(&self, header: &Header) {
        self.reply_after(0, header);
    }

    /// Answers, `delay` microseconds later where the queueing discipline minds (TCP_TX_DELAY).
    fn reply_after(&self, delay: u32, header: &Header) {
        if header.flags.contains(Flags::RST) {
            self.state.mib.add(Mib::OutRsts, 1);
        }
        self.state.mib.add(Mib::OutSegs, 1);
        let way = Way {
            sk: None,
            dev: domain_of(self.flow.net, self.flow.iif),
            mark: self.mark,
            delay,
            source_route: self.source_route.as_ref(),
        };
        send_control(self.flow.net, self.local, self.remote, &way, header);
    }

    fn to_conn(&self, context: &RxContext, node: &Node<Conn>, skb: SkBuff) -> Verdict {
        match &node.value().kind {
            Kind::Sock(sk) => {
                if let Some(skb) = self.wanted(sk, skb) {
                    self.to_sock(sk, skb);
                }
            }
            Kind::HalfOpen(listener, _) => self.to_half_open(node, listener, skb),
            Kind::TimeWait => return self.to_time_wait(context, node, skb),
        }
        Verdict::Taken
    }

    fn to_time_wait(&self, context: &RxContext, node: &Node<Conn>, skb: SkBuff) -> Verdict {
        let seg = self.segment(&skb);
        let delay = node.value().left.tx_delay;
        let net = net_config(self.flow.net);
        let cx = self.state.cx(now(), &net);
        let outcome = {
            let mut guard = node.state().lock();
            let EntryState::TimeWait(tw) = &mut *guard else {
                return Verdict::Taken;
            };
            let outcome = tw.handle_segment(&cx, &seg);
            let left = egress::time_left(tw);
            node.arm_timer(&mut guard, left);
            outcome
        };
        match outcome {
            TimeWaitOn::Drop => {}
            TimeWaitOn::Reply(header) => self.reply_after(delay, &header),
            TimeWaitOn::Remove(header) => {
                self.state.remove(node);
                if let Some(header) = header {
                    self.reply_after(delay, &header);
                }
            }
            TimeWaitOn::NewConnection(iss) => {
                let listeners = &self.state.listeners;
                if let Some(listener) = find_listener(listeners, context, self.local, self.flow) {
                    self.state.remove(node);
                    self.to_listener(listener, skb, Some(iss));
                    return Verdict::Taken;
                }
                if kernel_listens(self.flow, &skb, self.local.port, self.remote.port) {
                    self.state.remove(node);
                    return Verdict::Pass(skb);
                }
                // The port has no listener any more.
                let header = {
                    let mut guard = node.state().lock();
                    match &mut *guard {
                        EntryState::TimeWait(tw) => Some(tw.ack(now())),
                        _ => None,
                    }
                };
                if let Some(header) = header {
                    self.reply_after(delay, &header);
                }
            }
        }
        skb.drop_with(SkbDrop::Protocol);
        Verdict::Taken
    }

    fn to_sock(&self, sk: &TcpSock, skb: SkBuff) {
        let mut guard = sk.bh_lock();
        match guard.unowned() {
            Some(locked) => {
                let header_len = self.header_len(&skb);
                parsed(locked, skb, header_len, &self.header);
            }
            None => backlog::leave(self.state, sk, &mut guard, skb),
        }
    }

    /// The packet, unless the socket's user refuses it.
    fn wanted(&self, sk: &TcpSock, mut skb: SkBuff) -> Option<SkBuff> {
        let header = self.header_len(&skb);
        let mut far = false;
        if sk.refuses(&mut skb, header, &mut far) {
            if far {
                self.state.mib.add(Mib::TCPMinTTLDrop, 1);
            }
            skb.drop_with(SkbDrop::Protocol);
            return None;
        }
        Some(skb)
    }
}

/// Feeds a segment to a locked socket's connection. The packet's data starts at the TCP header,
/// and its checksum is right.
pub(crate) fn segment(sk: &mut LockedTcp<'_>, mut skb: SkBuff) {
    if let Some((header_len, _, _, header)) = parse(&mut skb) {
        parsed(sk, skb, header_len, &header);
    }
}

/// As [`segment`], with the header at hand.
fn parsed(sk: &mut LockedTcp<'_>, mut skb: SkBuff, header_len: usize, header: &Header) {
    // What was in the backlog when a TIME-WAIT entry took over, or the connection ended: the peer
    // sends again what matters.
    if !sk.peek().hashed {
        skb.drop_with(SkbDrop::Protocol);
        return;
    }
    let len = u32::try_from(header_len).unwrap_or(20);
    let payload_len = skb.len().saturating_sub(len);
    let seg = Segment {
        header: *header,
        payload_len,
        codepoint: Codepoint::from_tos(skb.ip_tos()),
        joined: skb.segments(payload_len),
    };
    sock::sync_buffers(sk);
    sk.sk().note_arrival(&skb);
    if let Some(stats) = sk.sk().shared().stats.get() {
        stats.note_hops(skb.hops());
    }
    let wanted = if payload_len > 0 { skb.truesize() } else { 0 };
    let memory = memory::look(sk, wanted);
    sk.data().conn.set_memory(memory);
    if sk.peek().conn.is_answer(&seg) {
        sk.note_answer(&skb);
    }
    let buf = if payload_len > 0 {
        skb.advance(len);
        skb.detach();
        let mut buf = skb.with_cb::<SegCb<_>>();
        buf.cb_mut().len = payload_len;
        Some(buf)
    } else {
        drop(skb);
        None
    };
    let outcome = with_cx(sk, |conn, cx| conn.handle_segment(cx, &seg, buf));
    look_at_urgent(sk);
    if sk.sk().soft_error() != 0 && !sk.peek().conn.has_soft_error() {
        sk.set_soft_error(0);
    }
    match outcome {
        None | Some(Disposition::Done) => {}
        Some(Disposition::Drop(reason, buf)) => {
            if let Some(buf) = buf {
                buf.drop_with(drop_reason(reason));
            }
        }
        Some(Disposition::Reply(header, reason, buf)) => {
            let (local, remote) = (sk.sk().local(), sk.sk().remote());
            let way = Way {
                delay: sk.peek().conn.config().tx_delay,
                ..Way::of(sk.sk())
            };
            send_control(sk.sk().net(), local, remote, &way, &header);
            if let Some(buf) = buf {
                buf.drop_with(drop_reason(reason));
            }
        }
    }
    egress::flush(sk);
}

/// The core can't read payload: the byte at the urgent mark is read for it once it came.
fn look_at_urgent(sk: &mut LockedTcp<'_>) {
    let Some(mut skip) = sk.peek().conn.urgent_wanted() else {
        return;
    };
    let conn = &mut sk.data().conn;
    let mut byte = None;
    for buf in conn.recv_list().iter() {
        if skip < buf.cb().len {
            byte = buf.byte_at(buf.cb().offset.saturating_add(skip));
            break;
        }
        skip = skip.saturating_sub(buf.cb().len);
    }
    if let Some(byte) = byte {
        conn.urgent_is(byte);
    }
}

fn drop_reason(reason: DropReason) -> SkbDrop {
    match reason {
        DropReason::NoRoom => SkbDrop::SocketRcvbuff,
        _ => SkbDrop::Protocol,
    }
}

/// The timer of a half-open or TIME-WAIT entry expired.
pub(crate) fn entry_timer(node: &Node<Conn>) {
    let conn = node.value();
    let net: Net = conn.net;
    let Some(state) = NetState::of(net) else {
        return;
    };
    let mut send = None;
    let over = {
        let mut guard = node.state().lock();
        if node.is_dead() {
            return;
        }
        let config = net_config(net);
        let cx = state.cx(now(), &config);
        let (over, next) = match &mut *guard {
            EntryState::HalfOpen(entry) => {
                let over = match entry.handle_timeout(&cx) {
                    SynRcvdTimeout::Retransmit(header) => {
                        send = Some(header);
                        false
                    }
                    SynRcvdTimeout::Wait => false,
                    SynRcvdTimeout::Expired => true,
                };
                (over, entry.deadline())
            }
            EntryState::TimeWait(tw) => (tw.deadline() <= cx.now, tw.deadline()),
            EntryState::Sock => return,
        };
        if !over {
            let delay = next.since(cx.now).as_millis_ceil();
            node.arm_timer(&mut guard, delay);
        }
        over
    };
    if let (Some(header), Kind::HalfOpen(listener, inherited)) = (send, &conn.kind) {
        let way = inherited.way(listener, conn.source_route.as_deref());
        if let Some(route) = Route::lookup(net, conn.local, conn.remote, &way) {
            let route = inherited.dress(route, listener);
            send_along(route, net, conn.local, conn.remote, &header);
        }
    }
    if over {
        state.remove(node);
    }
}
