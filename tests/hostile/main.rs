//! What the world throws at a daemon: files, jobs, limits of the host, clients. Each gets a clear
//! word, and a CronJob beside it runs on.

#[path = "../common/mod.rs"]
mod common;

mod canary;
mod clients;
mod confined;
mod crowds;
mod files;
mod host;
mod jobs;
mod writers;
