//! Host programs under the real runtime: real shims, real files, real signals.

mod claims;
#[path = "../common/mod.rs"]
mod common;
mod confined;
mod ends;
mod execs;
mod hooks;
mod limits;
mod memory;
mod ordinary;
mod survives;
mod swaps;
mod version_2;
mod views;
mod volumes;
mod world;
