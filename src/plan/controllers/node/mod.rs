//! The controller of Node: this host.

pub mod host;

pub mod plan;
