//! The controller of PersistentVolume: bound to a claim.

pub mod binding;

pub mod plan;
