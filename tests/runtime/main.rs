//! Host programs under the real runtime: real shims, real files, real signals.

mod ends;
mod hooks;
mod survives;
mod volumes;
mod world;
