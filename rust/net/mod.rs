// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over kernel networking: all `unsafe` code of the module is here (and in the
//! bindings, which nobody else sees).
//!
//! What C calls, it calls through the traits that this layer defines ([`sock::Protocol`],
//! [`proto_ops::StreamOps`], [`ingress::IngressHook`], [`hashtable::Entry`], [`netns::PerNet`],
//! [`proc::Listing`]); nothing above is named here.

#[path = "../bindings/mod.rs"]
mod bindings;

pub(crate) mod clock;
pub(crate) mod hashtable;
pub(crate) mod ingress;
pub(crate) mod ip;
pub(crate) mod iter;
pub(crate) mod lock;
pub(crate) mod netns;
pub(crate) mod proc;
pub(crate) mod proto_ops;
pub(crate) mod reserve;
pub(crate) mod segcb;
pub(crate) mod skbuff;
pub(crate) mod sock;
