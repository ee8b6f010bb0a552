//! Pod: containers that live and die together.

pub mod plan;

pub mod lifecycle;

pub mod crew;

pub mod restart;

pub mod probe;

pub mod address;

pub mod ports;

pub mod status;

pub mod phase;

pub mod standing;

pub mod tracking;

pub mod usage;

pub mod conditions;

pub mod events;

pub mod queue;

pub mod host_name;

pub mod launch;

pub mod security;

pub mod env;

pub mod fields;

pub mod expand;

pub mod images;

pub mod volumes;

pub mod log;

pub mod observed;

pub mod defaults;

pub mod check;

pub mod no_effect;

pub mod columns;

pub mod totals;

pub(in crate::kinds) mod zero;

#[cfg(test)]
mod tests;
