//! The host's own doors: processes, signals, sockets, cgroups. All unsafe code lives here.

pub mod process;

pub mod spawn;

pub mod signals;

pub mod sockets;

pub mod listeners;

pub mod cgroups;

pub mod users;

pub mod mounts;

pub mod confine;

mod seccomp;

pub mod paths;

pub mod uts;

pub mod memory;

pub mod usage;

pub mod locks;

pub mod quota;
