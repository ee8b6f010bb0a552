//! What the containers of a pod use, by its records: those that run, and no process that has their
//! pid by chance.

use super::place::Place;
use super::records::Past;
use crate::host::{process, usage};
use crate::kinds::pod::usage::ContainerUsage;
use rustix::process::Pid;
use std::path::Path;

pub fn of_pod(state_dir: &Path, pod_uid: &str) -> Vec<ContainerUsage> {
    let past = Past::read(&Place::new(state_dir, pod_uid)).unwrap_or_default();
    let running = past.unsettled().into_iter().filter_map(|one| {
        let (pid, ticks) = one.process?;
        let pid = Pid::from_raw(pid).filter(|pid| process::started_ticks(*pid) == Some(ticks))?;
        let usage = usage::of(pid, &one.cgroups);
        Some(ContainerUsage {
            container: one.container,
            attempt: one.attempt,
            cpu_nanoseconds: usage.cpu_nanoseconds,
            memory_bytes: usage.memory_bytes,
        })
    });
    running.collect()
}
