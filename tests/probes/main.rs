//! Probes against real servers, what they do to real pods of a real daemon, and the addresses at
//! which pods are asked.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod asking;
mod health;
mod many;
mod owners;
mod pods;
mod server;
