//! What survives the death of the daemon, of a shim, of the disk's last free block; and what
//! changes when a file does: real daemons, real processes.

#[path = "../common/mod.rs"]
mod common;

mod clocks;
mod disk;
mod files;
mod kills;
mod long;
mod notify;
mod reload;
mod services;
mod shutdown;
mod state;
mod strangers;
mod threads;
