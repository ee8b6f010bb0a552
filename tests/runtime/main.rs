//! Host programs under the real runtime: real shims, real files, real signals.

mod ends;
mod survives;
mod world;
