//! Decisions: what shall be done about an object, given all that may be known.
//!
//! Invariant: a plan has no clock, no I/O, no await and no randomness; planning twice is harmless.

pub mod plan;

pub mod dispatch;

pub mod prober;

pub mod runtime;

pub mod events;

pub mod order;

pub mod controllers;

pub mod scheduler;

pub mod kubelet;
