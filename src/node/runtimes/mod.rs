//! Implementations of the runtime: how containers run.

pub mod process;
