//! The workload half of Kubernetes for one host: this file is the map.
//!
//! cronlet reads real manifests, decides with pure functions, acts through a few narrow doors, and
//! survives its own death.
//!
//! # Rooms
//! | room | what it holds |
//! |---|---|
//! | [`time`], [`seed`] | instants, clock steps, the `Clock` door; names and uids from one seed |
//! | [`startup`] | what `cronlet run` starts a daemon with |
//! | [`manifest`] | YAML and JSON in: documents, positions, unknown fields, old apiVersions |
//! | [`kinds`] | WHAT: one folder a kind (`defaults`, `check`, `plan`, `columns`); pure |
//! | [`store`] | objects, resource versions, owners, watch; redb underneath, on the `Disk` door |
//! | [`engine`] | the one loop: drain events, plan what is dirty or due, commit, hand out effects |
//! | [`volumes`] | volumes on disk, one file a type; a runtime shows them in its containers |
//! | [`probes`] | how containers are asked whether they are well; the `Prober` door |
//! | [`runtimes`] | HOW: `process/` has host programs under shims; the `Runtime` door |
//! | [`host`] | pidfd, cgroups, namespaces, mounts: all unsafe code lives here |
//! | [`server`] | the Kubernetes-shaped HTTP API on a unix socket |
//! | [`cli`] | one file a command |
//! | [`daemon`] | pumps real events; signals; reload; systemd |
//! | [`sim`] | pumps virtual events through the same engine and store |
//!
//! # Arrows
//! Imports go only towards the left: `time, seed, startup <- manifest <- kinds <- store <- engine
//! <- server <- daemon`; `host <- volumes, probes <- runtimes`, which also see `kinds`, `seed` and
//! `time`; only `daemon` and `sim` see them all; `cli` sees `startup`, `kinds`, `manifest` and the
//! API. `tests/tidy` enforces this.
//!
//! # Invariants
//! - A plan has no clock, no I/O, no await and no randomness; planning twice is harmless.
//! - What was decided is on disk before it is published, and published before it is started.
//! - One thread owns the engine; every other thread reads committed objects through
//!   `store::Reader`.
//! - A container attempt has a number; the shim refuses a number that it has seen, so a replayed
//!   order starts nothing.

pub mod time;

pub mod seed;

pub mod startup;

pub mod manifest;

pub mod kinds;

pub mod store;

pub mod engine;

pub mod host;

pub mod volumes;

pub mod probes;

pub mod runtimes;

pub mod server;

pub mod cli;

pub mod daemon;

pub mod sim;
