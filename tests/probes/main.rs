//! Probes against real servers, and what they do to real pods of a real daemon.

#[path = "../common/mod.rs"]
mod common;

mod asking;
mod health;
mod pods;
mod server;
