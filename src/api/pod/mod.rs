//! Pod: containers that live and die together.

pub mod usage;

pub mod log;

pub mod defaults;

pub mod check;

pub mod unsupported;

pub mod columns;

pub mod resources;

/// `state.waiting.reason` of a container whose port another pod's program has.
pub const PORT_IN_USE: &str = "PortInUse";

mod strategy;
