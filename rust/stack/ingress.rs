// SPDX-License-Identifier: GPL-2.0

//! From a packet to the connection it belongs to. Context: softirq, RCU read side.
//!
//! Longer than other files, since all the ways that a packet can take are read side by side here.
//! `establish` is one function so that the steps of making a child stand in their order, each with
//! what undoes the ones before it.

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
    inherit::Inherited,
    kernel::{
        Kernel,
        SegCb, //
    },
    log::Log,
    memory,
    netns::{
        net_config,
        NetState, //
    },
    route,
    sock::{
        self,
        now,
        with_cx,
        LockedTcp,
        Phase,
        TcpSock,
        Unconfirmed, //
    },
};
use crate::net::{
    addr::Endpoint,
    clock::SipKey,
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
        copy_of,
        Drop as SkbDrop,
        Gfp,
        SkBuff, //
    },
};
use crate::tcp::{
    connection::{
        default_mss,
        Connection,
        Disposition,
        DropReason,
        Origin, //
    },
    context::Cx,
    handshake::{
        cookie,
        fast_open::{
            bits,
            on_syn,
            OnSyn, //
        },
        on_listen_segment,
        OnListen,
        SynParams,
        SynRcvd,
        SynRcvdOn,
        SynRcvdTimeout, //
    },
    isn::isn,
    mib::Mib,
    platform::{
        MibSink, //
    },
    seq::SeqNum,
    time_wait::TimeWaitOn,
    wire::{
        Codepoint,
        FastOpen,
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
        let conn = state.conns.find(hash, context, |c| c.is(local, remote));
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
        let found = state
            .conns
            .find(hash, context, |c| c.is(report.local, report.remote));
        let Some(node) = found else {
            return false;
        };
        if let Kind::Sock(sk) = &node.value().kind {
            icmp::to_sock(sk, report);
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
        if header.flags.contains(Flags::RST) {
            self.state.mib.add(Mib::OutRsts, 1);
        }
        self.state.mib.add(Mib::OutSegs, 1);
        let way = Way {
            sk: None,
            dev: domain_of(self.flow.net, self.flow.iif),
            mark: self.mark,
        };
        send_control(self.flow.net, self.local, self.remote, &way, header);
    }

    fn to_conn(&self, context: &RxContext, node: &Node<Conn>, skb: SkBuff) -> Verdict {
        match &node.value().kind {
            Kind::Sock(sk) => {
                if let Some(skb) = self.wanted(sk, skb) {
                    to_sock(self.state, sk, skb);
                }
            }
            Kind::HalfOpen(listener, _) => self.to_half_open(node, listener, skb),
            Kind::TimeWait => return self.to_time_wait(context, node, skb),
        }
        Verdict::Taken
    }

    fn to_half_open(&self, node: &Node<Conn>, listener: &TcpSock, skb: SkBuff) {
        let Some(skb) = self.wanted(listener, skb) else {
            return;
        };
        let seg = self.segment(&skb);
        let net = net_config(self.flow.net);
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
        let (outcome, entry) = match &mut *node.state().lock() {
            EntryState::HalfOpen(entry) => (entry.handle_segment(&cx, &seg), *entry),
            _ => return,
        };
        match outcome {
            SynRcvdOn::Establish => self.establish(Some(node), listener, &entry, skb, &cx, None),
            SynRcvdOn::Reply(header, reason) => {
                self.reply(&header);
                skb.drop_with(drop_reason(reason));
            }
            SynRcvdOn::Abort(header) => {
                self.state.remove(node);
                self.reply(&header);
                skb.drop_with(drop_reason(DropReason::BadState));
            }
            SynRcvdOn::Remove => {
                self.state.remove(node);
                skb.drop_with(drop_reason(DropReason::Reset));
            }
            SynRcvdOn::Drop(reason) => skb.drop_with(drop_reason(reason)),
        }
    }

    /// The last ACK of the handshake: the half-open entry, or what a cookie brought back where
    /// there is no `node`, becomes a socket in the accept queue. So does `fast`, a SYN that Fast Open
    /// lets through.
    fn establish(
        &self,
        node: Option<&Node<Conn>>,
        listener: &TcpSock,
        entry: &SynRcvd,
        skb: SkBuff,
        cx: &Cx<'_, Kernel>,
        fast: Option<&Segment>,
    ) {
        let remove = || node.is_none_or(|node| self.state.remove(node));
        let (config, user, port) = {
            let queue = listener.shared().accept.lock();
            if !queue.open {
                drop(queue);
                remove();
                if let Some(header) = crate::tcp::connection::reset_for(&self.segment(&skb)) {
                    self.reply(&header);
                }
                skb.drop_with(SkbDrop::Protocol);
                return;
            }
            if queue.is_full() {
                drop(queue);
                self.count_overflow();
                if cx.net.abort_on_overflow {
                    remove();
                    if let Some(header) = crate::tcp::connection::reset_for(&self.segment(&skb)) {
                        self.reply(&header);
                    }
                }
                // The peer will send again, and find room or not.
                skb.drop_with(SkbDrop::ListenOverflow);
                return;
            }
            (queue.config, queue.user, queue.port.clone())
        };
        let Some(child) = listener.clone_child() else {
            self.state.mib.add(Mib::ListenDrops, 1);
            skb.drop_with(SkbDrop::SocketRcvbuff);
            return;
        };
        let mut guard = child.bh_lock_nested();
        let Some(locked) = guard.unowned() else {
            return;
        };
        locked.set_local(self.local, self.local.addr);
        locked.set_remote(self.remote);
        match node.map(|node| &node.value().kind) {
            Some(Kind::HalfOpen(_, inherited)) => *inherited,
            _ => Inherited::of(listener, self.flow, &skb),
        }
        .give(locked);
        if self.local.scope() != 0 || self.remote.scope() != 0 {
            // A link-local address says something on this interface only.
            locked.set_bound_dev_if(self.flow.iif);
        }
        locked.note_first_packet(&skb);
        sock::init_child(locked, cx.net);
        let data = locked.data();
        data.conn = match fast {
            Some(seg) => Connection::from_fast_syn(cx, config, entry, seg),
            None => Connection::from_syn_rcvd(cx, config, entry),
        };
        data.unconfirmed = fast.map(|_| Unconfirmed::new(listener));
        if let Some(order) = user.log {
            let origin = match fast {
                Some(seg) => Origin::FastSyn(entry, seg),
                None => Origin::HalfOpen(entry),
            };
            if let Some(log) = Log::for_child(order, cx.now) {
                data.conn.start_log(cx, log, origin);
            }
        }
        data.port = port;
        data.phase = Phase::Connected;
        data.hashed = true;
        data.user = user;
        data.user.fast_open = 0;
        data.user.fast_open_keys = [None; 2];
        data.saved_syn = match user.save_syn {
            0 => None,
            how if fast.is_some() => skb.headers(how > 1),
            _ => node
                .and_then(|node| node.value().saved_syn.as_ref())
                .and_then(|syn| copy_of(syn, Gfp::ATOMIC)),
        };
        sock::sync_buffers(locked);
        // The route, and what it says of the window that data begins with.
        let _ = locked.path();
        route::follow(locked);
        let hash = self.state.hash(self.local, self.remote);
        let new = Node::new(
            hash,
            Conn::new(
                self.flow.net,
                self.local,
                self.remote,
                Kind::Sock(child.clone()),
                child.is_v6(),
            ),
            EntryState::Sock,
            Gfp::ATOMIC,
        );
        let replaced = new.is_some_and(|new| match node {
            Some(node) => {
                let same = |c: &Conn| core::ptr::eq(c, node.value());
                let ours = self.state.conns.replace(hash, same, Some(new), |_| {});
                if ours {
                    node.value().leave_listener();
                }
                ours
            }
            None => {
                let taken = |c: &Conn| c.is(self.local, self.remote);
                self.state.conns.insert(new, taken, |_| {}).is_ok()
            }
        });
        if !replaced {
            // Another CPU was faster with the same ACK, or there is no memory.
            locked.data().hashed = false;
            drop(guard);
            child.abandon();
            skb.drop_with(SkbDrop::Protocol);
            return;
        }
        self.state.mib.add(Mib::PassiveOpens, 1);
        let pushed = listener.shared().accept.lock().push(child.clone());
        segment(locked, skb);
        if pushed.is_err() {
            // The queue filled up, or the listener closed, since it was looked at.
            self.count_overflow();
            with_cx(locked, |conn, cx| {
                conn.close(cx);
                conn.abort(cx);
            });
            egress::flush(locked);
            drop(guard);
            child.abandon();
            return;
        }
        drop(guard);
        listener.wake_reader();
    }

    /// The last ACK of a handshake found the accept queue full.
    fn count_overflow(&self) {
        self.state.mib.add(Mib::ListenOverflows, 1);
        self.state.mib.add(Mib::ListenDrops, 1);
    }

    fn to_time_wait(&self, context: &RxContext, node: &Node<Conn>, skb: SkBuff) -> Verdict {
        let seg = self.segment(&skb);
        let net = net_config(self.flow.net);
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
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
            TimeWaitOn::Reply(header) => self.reply(&header),
            TimeWaitOn::Remove(header) => {
                self.state.remove(node);
                if let Some(header) = header {
                    self.reply(&header);
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
                    self.reply(&header);
                }
            }
        }
        skb.drop_with(SkbDrop::Protocol);
        Verdict::Taken
    }

    /// The packet, unless the socket's user refuses it.
    fn wanted(&self, sk: &TcpSock, mut skb: SkBuff) -> Option<SkBuff> {
        let header = self.header_len(&skb);
        if sk.refuses(&mut skb, header) {
            skb.drop_with(SkbDrop::Protocol);
            return None;
        }
        Some(skb)
    }

    /// A segment for a listener. `iss`: where to number from, if TIME-WAIT decided that.
    fn to_listener(&self, listener: &TcpSock, skb: SkBuff, iss: Option<SeqNum>) {
        // RFC 9293, 3.9.2.3 (MUST-57, MUST-63). Other senders that nobody can be IP drops,
        // or there is no route to them.
        if !skb.is_to_own() || self.remote.addr.is_unspecified() {
            self.state.mib.add(Mib::ListenDrops, 1);
            skb.drop_with(SkbDrop::Protocol);
            return;
        }
        // Of several listeners with SO_REUSEPORT, one; a SYN and its cookie find the same.
        let listener = if listener.reuse_port() {
            let hash = self.state.hash(self.local, self.remote);
            listener.pick(hash, &skb, self.header_len(&skb))
        } else {
            listener
        };
        let Some(skb) = self.wanted(listener, skb) else {
            return;
        };
        let seg = self.segment(&skb);
        match on_listen_segment(&seg) {
            OnListen::Syn => {
                let grant = match self.fast_open(listener, &seg) {
                    OnSyn::Accept => return self.accept_fast(listener, &seg, skb, iss),
                    OnSyn::Ordinary(grant) => grant,
                };
                if self.half_open(listener, &seg, &skb, iss, grant).is_none() {
                    self.state.mib.add(Mib::ListenDrops, 1);
                    skb.drop_with(SkbDrop::ListenOverflow);
                    return;
                }
                skb.consume();
            }
            OnListen::Reset(header) => {
                if seg.has(Flags::ACK) && listener.shared().cookies_out(now()) {
                    return self.cookie(listener, &seg, skb, &header);
                }
                self.reply(&header);
                skb.drop_with(SkbDrop::Protocol);
            }
            OnListen::Drop(reason) => skb.drop_with(drop_reason(reason)),
        }
    }

    /// An ACK at a listener that has cookies out: the last one of a handshake if it brings one
    /// back, else refused with `reset`.
    fn cookie(&self, listener: &TcpSock, seg: &Segment, skb: SkBuff, reset: &Header) {
        let net = net_config(self.flow.net);
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
        let config = listener.shared().accept.lock().config;
        let keyed = self.state.cookie_hash(self.local, self.remote);
        let inherited = Inherited::of(listener, self.flow, &skb);
        let entry = self
            .syn_params(listener, &cx, None, &inherited)
            .and_then(|(params, _)| cookie::accept(&cx, &config, seg, params, &keyed));
        match entry {
            Some(_) if !listener.lets_in(&skb) => skb.drop_with(SkbDrop::Protocol),
            Some(entry) => {
                self.state.mib.add(Mib::SyncookiesRecv, 1);
                self.establish(None, listener, &entry, skb, &cx, None);
            }
            None => {
                self.state.mib.add(Mib::SyncookiesFailed, 1);
                self.reply(reset);
                skb.drop_with(SkbDrop::Protocol);
            }
        }
    }

    /// What our side brings to a half-open connection, and the route to the peer.
    fn syn_params(
        &self,
        listener: &TcpSock,
        cx: &Cx<'_, Kernel>,
        iss: Option<SeqNum>,
        inherited: &Inherited,
    ) -> Option<(SynParams, Route)> {
        let way = inherited.way(listener);
        let route = Route::lookup(self.flow.net, self.local, self.remote, &way)?;
        let route = inherited.dress(route, listener);
        let (seq_hash, ts_hash) = self.state.secret_hashes(self.local, self.remote);
        let params = SynParams {
            iss: iss.unwrap_or_else(|| isn(seq_hash, cx.now)),
            ts_offset: ts_hash,
            mss_route: route.path().mss,
            mss_default: default_mss(!self.remote.is_v4()),
            rcvbuf: listener.rcvbuf(),
            fixed: listener.buffer_locks().1,
            metrics: route::metrics(&route.metrics()),
        };
        Some((params, route))
    }

    /// What Fast Open makes of a SYN.
    fn fast_open(&self, listener: &TcpSock, seg: &Segment) -> OnSyn {
        if seg.header.options.fast_open.is_none() && seg.payload_len == 0 {
            return OnSyn::Ordinary(None);
        }
        let mut net = net_config(self.flow.net);
        let (user, backlog) = {
            let queue = listener.shared().accept.lock();
            (queue.user, queue.limit())
        };
        if user.no_cookie {
            net.fastopen |= bits::SERVER_NO_COOKIE;
        }
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
        let keys = match user.fast_open_keys {
            [None, _] => self.state.fast_open_keys(self.flow.net),
            keys => keys.map(|key| key.map(SipKey::from_bytes)),
        };
        let cookie = |key: SipKey| key.hash_pair(self.remote.addr, self.local.addr);
        let both = match keys {
            [Some(first), Some(second)] => [cookie(first), cookie(second)],
            [Some(first), None] => [cookie(first); 2],
            _ => return OnSyn::Ordinary(None),
        };
        let offered = user.fast_open > 0;
        let most = if offered { user.fast_open } else { backlog };
        let has_room = listener.shared().has_fast_open(most);
        on_syn(&cx, seg, offered, &both, has_room)
    }

    /// A SYN with a good cookie: a socket in the accept queue at once (RFC 7413, 4.2.2).
    fn accept_fast(&self, listener: &TcpSock, seg: &Segment, skb: SkBuff, iss: Option<SeqNum>) {
        let net = net_config(self.flow.net);
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
        let config = listener.shared().accept.lock().config;
        let inherited = Inherited::of(listener, self.flow, &skb);
        let params = self
            .syn_params(listener, &cx, iss, &inherited)
            .filter(|_| listener.lets_in(&skb));
        let Some((params, _)) = params else {
            self.state.mib.add(Mib::ListenDrops, 1);
            skb.drop_with(SkbDrop::ListenOverflow);
            return;
        };
        let entry = SynRcvd::new(&cx, &config, seg, params);
        self.establish(None, listener, &entry, skb, &cx, Some(seg));
    }

    /// Makes the half-open entry for a SYN and answers it; without an entry, by a cookie, if there
    /// is no room for one. `None`: nothing was sent.
    fn half_open(
        &self,
        listener: &TcpSock,
        seg: &Segment,
        skb: &SkBuff,
        iss: Option<SeqNum>,
        grant: Option<FastOpen>,
    ) -> Option<()> {
        let net = net_config(self.flow.net);
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &net,
            mib: &self.state.mib,
        };
        let (config, user, backlog) = {
            let queue = listener.shared().accept.lock();
            if !queue.open {
                return None;
            }
            if queue.is_full() {
                self.state.mib.add(Mib::ListenOverflows, 1);
                return None;
            }
            (queue.config, queue.user, queue.limit().saturating_add(1))
        };
        let inherited = Inherited::of(listener, self.flow, skb);
        let (params, route) = self.syn_params(listener, &cx, iss, &inherited)?;
        if !listener.lets_in(skb) {
            return None;
        }
        // As Linux: as many half-open as listen(n) has room for, n + 1, and without cookies some of
        // tcp_max_syn_backlog is kept for peers that proved themselves, whom we don't remember.
        let most = match net.syncookies {
            // Who comes back from TIME-WAIT is nobody new.
            _ if iss.is_some() => u32::MAX,
            0 => backlog.min(net.max_syn_backlog.saturating_mul(3).saturating_div(4)),
            1 => backlog,
            _ => 0,
        };
        if !listener.shared().half_open_begins(most) {
            if net.syncookies == 0 {
                self.state.mib.add(Mib::TCPReqQFullDrop, 1);
                return None;
            }
            self.state.mib.add(Mib::TCPReqQFullDoCookies, 1);
            let keyed = self.state.cookie_hash(self.local, self.remote);
            let header = cookie::answer(&cx, &config, seg, params, &keyed);
            listener.shared().cookie_sent(cx.now);
            self.state.mib.add(Mib::SyncookiesSent, 1);
            self.state.mib.add(Mib::OutSegs, 1);
            send_along(route, self.flow.net, self.local, self.remote, &header);
            return Some(());
        }
        let entry = SynRcvd::new(&cx, &config, seg, params);
        let mut header = entry.syn_ack(cx.now);
        // Once: who does not get it asks again (RFC 7413, 4.1.2).
        header.options.fast_open = grant;
        let delay = entry.deadline().since(cx.now).as_millis_ceil();
        // From here on dropping the entry's value counts it out again.
        let kind = Kind::HalfOpen(listener.into(), inherited);
        let mut conn = Conn::new(
            self.flow.net,
            self.local,
            self.remote,
            kind,
            listener.is_v6(),
        );
        conn.saved_syn = match user.save_syn {
            0 => None,
            how => skb.headers(how > 1),
        };
        let hash = self.state.hash(self.local, self.remote);
        let node = Node::new(hash, conn, EntryState::HalfOpen(entry), Gfp::ATOMIC)?;
        let inserted = self.state.conns.insert(
            node,
            |c| c.is(self.local, self.remote),
            |node| node.arm_timer(&mut node.state().lock(), delay),
        );
        inserted.ok()?;
        self.state.mib.add(Mib::OutSegs, 1);
        send_along(route, self.flow.net, self.local, self.remote, &header);
        Some(())
    }
}

/// A segment for a socket.
fn to_sock(state: &'static NetState, sk: &TcpSock, skb: SkBuff) {
    let mut guard = sk.bh_lock();
    match guard.unowned() {
        Some(locked) => segment(locked, skb),
        None => backlog::leave(state, sk, &mut guard, skb),
    }
}

/// Feeds a segment to a locked socket's connection. The packet's data starts at the TCP header,
/// and its checksum is right.
pub(crate) fn segment(sk: &mut LockedTcp<'_>, mut skb: SkBuff) {
    // What was in the backlog when a TIME-WAIT entry took over, or the connection ended: the peer
    // sends again what matters.
    if !sk.peek().hashed {
        skb.drop_with(SkbDrop::Protocol);
        return;
    }
    let Some((header_len, _, _, header)) = parse(&mut skb) else {
        return;
    };
    let len = u32::try_from(header_len).unwrap_or(20);
    let payload_len = skb.len().saturating_sub(len);
    let seg = Segment {
        header,
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
    match outcome {
        None | Some(Disposition::Done) => {}
        Some(Disposition::Drop(reason, buf)) => {
            if let Some(buf) = buf {
                buf.drop_with(drop_reason(reason));
            }
        }
        Some(Disposition::Reply(header, reason, buf)) => {
            let (local, remote) = (sk.sk().local(), sk.sk().remote());
            send_control(sk.sk().net(), local, remote, &Way::of(sk.sk()), &header);
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
        let cx: Cx<'_, Kernel> = Cx {
            now: now(),
            net: &config,
            mib: &state.mib,
        };
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
        let way = inherited.way(listener);
        if let Some(route) = Route::lookup(net, conn.local, conn.remote, &way) {
            let route = inherited.dress(route, listener);
            send_along(route, net, conn.local, conn.remote, &header);
        }
    }
    if over {
        state.remove(node);
    }
}
