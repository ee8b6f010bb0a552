//! The kubelet's part: what shall become of a pod that is bound to this host.

pub mod plan;

pub mod lifecycle;

pub mod containers;

pub mod restart;

pub mod probe;

pub mod address;

pub mod ports;

pub mod status;

pub mod phase;

pub mod availability;

pub mod tracking;

pub mod conditions;

pub mod events;

pub mod host_name;

pub mod launch;

pub mod security;

pub mod env;

pub mod downward_api;

pub mod expand;

pub mod images;

pub mod volumes;

#[cfg(test)]
pub mod tests;
