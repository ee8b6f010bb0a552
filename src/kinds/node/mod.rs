//! Node: this host.

pub mod check;
pub mod columns;
pub mod defaults;

pub mod fits;
pub mod host;
pub mod plan;
pub mod usage;
