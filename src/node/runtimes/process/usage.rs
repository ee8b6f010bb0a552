//! What the containers of a pod use, by its records: those that run, and no process that has their
//! pid by chance.

use super::records::PodHistory;
use super::{journal, paths};
use cronlet_api::pod::usage::ContainerUsage;
use cronlet_host::{process, usage};
use rustix::process::Pid;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Of each container whose it is, when it was looked at, and what it used.
pub fn of_pods(state_dir: &Path, uids: &[String]) -> Vec<(String, Instant, ContainerUsage)> {
    let mut pasts: HashMap<&str, PodHistory> =
        uids.iter().map(|uid| (uid.as_str(), PodHistory::default())).collect();
    let read = journal::read(&paths::journal(state_dir), |_, uid, json| {
        if let Some(past) = pasts.get_mut(uid) {
            past.add_line(json);
        }
    });
    if let Err(error) = read {
        tracing::warn!(%error, "the journal cannot be read");
    }
    let of_one = |(uid, past): (&str, PodHistory)| {
        let uid = uid.to_owned();
        of_past(&past).into_iter().map(move |usage| (uid.clone(), Instant::now(), usage))
    };
    pasts.into_iter().flat_map(of_one).collect()
}

fn of_past(past: &PodHistory) -> Vec<ContainerUsage> {
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
