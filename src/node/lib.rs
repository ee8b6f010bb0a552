//! Acts on this host: containers, probes, volumes.
//!
//! Invariant: nothing here decides; orders come from plans, reports go back to the engine.

pub mod volumes;

pub mod probes;

pub mod runtimes;
