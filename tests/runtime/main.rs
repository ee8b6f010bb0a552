//! Host programs under the real runtime: real shims, real files, real signals.

mod claims;
mod ends;
mod execs;
mod hooks;
mod limits;
mod ordinary;
mod survives;
mod volumes;
mod world;
