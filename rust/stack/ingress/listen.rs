// SPDX-License-Identifier: GPL-2.0

//! Segments for listeners and their half-open connections: the passive open. Context: softirq, RCU
//! read side.
//!
//! `establish` is one function so that the steps of making a child stand in their order, each with
//! what undoes the ones before it.

use super::{
    drop_reason,
    segment,
    Rx, //
};
use crate::net::{
    clock::SipKey,
    hashtable::Node,
    ip::Route,
    skbuff::{
        copy_of,
        Drop as SkbDrop,
        Gfp,
        SkBuff, //
    },
};
use crate::stack::{
    demux::{
        link_of,
        Conn,
        ConnState as EntryState,
        Kind, //
    },
    egress::{
        self,
        send_along, //
    },
    inherit::Inherited,
    kernel::Kernel,
    log::Log,
    netns::net_config,
    route,
    sock::{
        self,
        now,
        with_cx,
        Phase,
        TcpSock,
        Unconfirmed, //
    },
};
use crate::tcp::{
    config::SocketConfig,
    connection::{
        default_mss,
        reset_for,
        Connection,
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
        SynRcvdOn, //
    },
    isn::isn,
    mib::Mib,
    platform::MibSink,
    seq::SeqNum,
    wire::{
        FastOpen,
        Flags,
        Header,
        Segment, //
    },
};
use kernel::prelude::*;

impl Rx<'_> {
    pub(super) fn to_half_open(&self, node: &Node<Conn>, listener: &TcpSock, skb: SkBuff) {
        let Some(skb) = self.wanted(listener, skb) else {
            return;
        };
        let seg = self.segment(&skb);
        let net = net_config(self.flow.net);
        let cx = self.state.cx(now(), &net);
        let (outcome, entry) = match &mut *node.state().lock() {
            EntryState::HalfOpen(entry) => (entry.handle_segment(&cx, &seg), *entry),
            _ => return,
        };
        match outcome {
            SynRcvdOn::Establish => self.establish(Some(node), listener, &entry, skb, &cx, None),
            SynRcvdOn::Reply(header, reason) => {
                self.reply_after(listener.shared().accept.lock().config.tx_delay, &header);
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
                if let Some(header) = reset_for(&self.segment(&skb)) {
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
                    if let Some(header) = reset_for(&self.segment(&skb)) {
                        self.reply(&header);
                    }
                }
                // The peer will send again, and find room or not.
                skb.drop_with(SkbDrop::ListenOverflow);
                return;
            }
            // What waited for data (TCP_DEFER_ACCEPT) was the listener.
            let config = SocketConfig {
                defer_accept: 0,
                ..queue.config
            };
            (config, queue.user, queue.port.clone())
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
        if self.remote.scope() != 0 {
            // A link-local address says something on this interface only.
            locked.set_bound_dev_if(self.flow.iif);
        }
        let back = match node {
            Some(node) => node.value().source_route.as_deref(),
            None => self.source_route.as_ref(),
        };
        if back.is_some_and(|back| !locked.set_source_route(back)) {
            drop(guard);
            child.abandon();
            self.state.mib.add(Mib::ListenDrops, 1);
            skb.drop_with(SkbDrop::SocketRcvbuff);
            return;
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
                let dev = child.bound_dev_if();
                let taken = |c: &Conn| c.is((self.local, self.remote), dev, dev);
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

    /// A segment for a listener. `iss`: where to number from, if TIME-WAIT decided that.
    pub(super) fn to_listener(&self, listener: &TcpSock, skb: SkBuff, iss: Option<SeqNum>) {
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
        let cx = self.state.cx(now(), &net);
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
        let way = inherited.way(listener, self.source_route.as_ref());
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
        let cx = self.state.cx(now(), &net);
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
        let has_room = listener.shared().has_fast_open(most, cx.now);
        on_syn(&cx, seg, offered, &both, has_room)
    }

    /// A SYN with a good cookie: a socket in the accept queue at once (RFC 7413, 4.2.2).
    fn accept_fast(&self, listener: &TcpSock, seg: &Segment, skb: SkBuff, iss: Option<SeqNum>) {
        let net = net_config(self.flow.net);
        let cx = self.state.cx(now(), &net);
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
        let cx = self.state.cx(now(), &net);
        let (config, user, backlog, round) = {
            let queue = listener.shared().accept.lock();
            if !queue.open {
                return None;
            }
            if queue.is_full() {
                self.state.mib.add(Mib::ListenOverflows, 1);
                return None;
            }
            let backlog = queue.limit().saturating_add(1);
            (queue.config, queue.user, backlog, queue.round)
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
        // RFC 9293, 3.9.2.1, MUST-53.
        if let Some(back) = self.source_route {
            conn.source_route = Some(KBox::new(back, Gfp::ATOMIC.flags()).ok()?);
        }
        conn.saved_syn = match user.save_syn {
            0 => None,
            how => skb.headers(how > 1),
        };
        let hash = self.state.hash(self.local, self.remote);
        let node = Node::new(hash, conn, EntryState::HalfOpen(entry), Gfp::ATOMIC)?;
        let link = link_of(inherited.dev(), self.remote);
        let inserted = self.state.conns.insert(
            node,
            |c| c.is((self.local, self.remote), link, link),
            |node| node.arm_timer(&mut node.state().lock(), delay),
        );
        inserted.ok()?;
        // The listener may have stopped since it was looked at, and stop() may have walked the table before
        // the entry was in it, which would stay for a minute then. Whoever comes second sees the other:
        // stop() closes the queue under this lock before it walks.
        if !listener.shared().accept.lock().is_open_since(round) {
            self.state.conns.remove(hash, |c| {
                let is_it = c.is_ours_at(listener, self.local, self.remote);
                if is_it {
                    c.leave_listener();
                }
                is_it
            });
            return None;
        }
        self.state.mib.add(Mib::OutSegs, 1);
        send_along(route, self.flow.net, self.local, self.remote, &header);
        Some(())
    }
}
