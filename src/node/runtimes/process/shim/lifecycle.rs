//! Stopping and ending: hooks, TERM, KILL, what is left behind, and the exit record.

use super::container::{Container, Ended, GRACE_AFTER_HOOK, Stop, StopStep};
use super::hook::{Occasion, exit_code};
use super::message::{self, Message};
use super::spawn::Refusal;
use super::{Shim, launch, log, strays};
use crate::runtimes::process::paths::Place;
use crate::runtimes::process::records::Record;
use crate::runtimes::process::wire::FromShim;
use cronlet_host::process;
use cronlet_plan::order::Exit;
use rustix::process::{Pid, WaitStatus};
use std::time::{Duration, Instant};

impl Shim {
    /// preStop, TERM, and KILL when the grace is over; a later order may shorten it.
    pub(super) fn stop(&mut self, name: &str, attempt: u32, grace_seconds: i64) {
        let live = self.containers.get(name).is_some_and(|c| c.attempt() == attempt);
        if !live {
            return self.stop_none(name, attempt);
        }
        let (container, record) = (
            name.to_owned(),
            Record::Stopping { container: name.to_owned(), attempt, grace_seconds },
        );
        let first = self.containers[&container].stop.is_none();
        self.record(record, false);
        let now = Instant::now();
        let grace = Duration::from_secs(u64::try_from(grace_seconds).unwrap_or(0));
        // A grace beyond what the clock can hold never ends.
        let deadline = now.checked_add(grace).unwrap_or(now + Duration::from_secs(u32::MAX.into()));
        let Some(live) = self.containers.get_mut(name) else { return };
        if grace.is_zero() {
            return live.kill(now);
        }
        let stop = live.stop.get_or_insert(Stop { deadline, step: StopStep::PreStop });
        stop.deadline = stop.deadline.min(deadline);
        if first {
            // A postStart that still runs gives way.
            live.end_hook();
            if !self.run_hook(name, Occasion::PreStop)
                && let Some(live) = self.containers.get_mut(name)
            {
                live.terminate();
            }
        }
    }

    /// Ends all of the pod by its grace period: nobody knows it any more, or cronlet is removed.
    pub(super) fn end_pod(&mut self) {
        self.ending = true;
        let live = self.containers.iter();
        let live = live.map(|(name, c)| (name.clone(), c.attempt(), c.launch.grace_seconds));
        for (name, attempt, grace_seconds) in live.collect::<Vec<_>>() {
            self.stop(&name, attempt, grace_seconds);
        }
    }

    /// A stop of what does not run: told what became of it, and not started any more.
    fn stop_none(&mut self, name: &str, attempt: u32) {
        if self.records.past.begun(name, attempt) {
            self.tell_again(name);
        } else {
            let refusal = Refusal::run("stopped before it was started");
            self.link.tell(&FromShim::Record(launch::failed(name, attempt, &refusal)));
        }
    }

    /// Everything of the pod goes; the shim too, when it is done.
    pub(super) fn clean(&mut self) {
        self.cleaning = true;
        let now = Instant::now();
        self.containers.values_mut().for_each(|container| container.kill(now));
        self.clean_if_empty();
    }

    fn clean_if_empty(&mut self) {
        if !self.cleaning || !self.containers.is_empty() {
            return;
        }
        // The shim has no children that are not the pod's, and waits for none of them.
        strays(&self.containers).into_iter().for_each(process::kill);
        self.unwritten.clear();
        let removed = self.space.remove(&self.place);
        let error = removed.and_then(|()| self.records.append(Record::Cleaned, false)).err();
        let error = error.map(|e| e.to_string());
        self.link.tell(&FromShim::Cleaned { error });
    }

    /// Takes note of every child that has ended.
    pub(super) fn reap(&mut self) {
        while let Some((pid, status)) = process::reap() {
            let main = self.containers.values_mut().find(|c| c.ended.is_none() && c.pid == pid);
            if let Some(container) = main {
                container.note_end(status);
            } else if !self.reap_exec(pid, status) {
                self.reap_hook(pid, status);
            }
        }
    }

    fn reap_hook(&mut self, pid: Pid, status: WaitStatus) {
        let has_it = |c: &Container| c.hook.as_ref().is_some_and(|hook| hook.pid == Some(pid));
        let found = self.containers.iter_mut().find(|(_, c)| has_it(c));
        let Some((name, container)) = found else { return };
        let Some(mut hook) = container.hook.take() else { return };
        let verdict = hook.verdict(status, &mut self.buffer);
        let name = name.clone();
        self.hook_ended(&name, hook.occasion, verdict);
    }

    pub(super) fn hook_ended(&mut self, name: &str, occasion: Occasion, end: Result<(), String>) {
        let Some(container) = self.containers.get_mut(name) else { return };
        let attempt = container.attempt();
        match occasion {
            Occasion::PostStart => {
                // A container whose hook failed runs on until its plan stops it.
                let error = end.err();
                let container = name.to_owned();
                self.record(Record::PostStart { container, attempt, error }, false);
            }
            Occasion::PreStop => {
                if let Some(stop) = &mut container.stop {
                    stop.deadline = stop.deadline.max(Instant::now() + GRACE_AFTER_HOOK);
                }
                container.terminate();
                if let Err(message) = end {
                    let container = name.to_owned();
                    self.link.tell(&FromShim::PreStopFailed { container, attempt, message });
                }
            }
        }
    }

    /// Deadlines that have passed, and containers whose end is complete.
    pub(super) fn look_at_clocks(&mut self) {
        let now = Instant::now();
        if self.rest_at.take_if(|at| *at <= now).is_some() {
            self.rest();
        }
        let names: Vec<String> = self.containers.keys().cloned().collect();
        for name in names {
            self.look_at_hook(&name, now);
            self.look_at_execs(&name, now);
            self.look_at_stop(&name, now);
            self.look_at_end(&name, now);
        }
    }

    fn look_at_hook(&mut self, name: &str, now: Instant) {
        let Some(container) = self.containers.get_mut(name) else { return };
        let over = |until: Option<Instant>| until.is_some_and(|until| until <= now);
        if let Some(hook) = container.hook.take_if(|hook| over(hook.until)) {
            self.hook_ended(name, hook.occasion, Ok(()));
        }
    }

    fn look_at_stop(&mut self, name: &str, now: Instant) {
        let Some(container) = self.containers.get_mut(name) else { return };
        let Some(stop) = container.stop.as_ref().filter(|stop| stop.deadline <= now) else {
            return;
        };
        match stop.step {
            StopStep::PreStop => {
                container.end_hook();
                let late = "preStop took longer than the grace period".to_owned();
                self.hook_ended(name, Occasion::PreStop, Err(late));
            }
            StopStep::Term => container.kill(now),
            StopStep::Killed => {}
        }
    }

    fn look_at_end(&mut self, name: &str, now: Instant) {
        let Some(container) = self.containers.get(name) else { return };
        if container.ended.is_none() {
            return;
        }
        // Without a cgroup, what the shim inherited is this container's only if no other one is
        // alive.
        let alone = self.containers.values().all(|c| c.ended.is_some());
        let mine = |pid: &Pid| {
            alone || rustix::process::getsid(Some(*pid)).is_ok_and(|sid| sid == container.pid)
        };
        let left: Vec<Pid> = match container.cgroup.tracks() {
            true => Vec::new(),
            false => strays(&self.containers).into_iter().filter(mine).collect(),
        };
        let Some(container) = self.containers.get_mut(name) else { return };
        for which in 0..container.streams.len() {
            container.take_output(which, &mut self.buffer);
        }
        if container.settle(&left, now)
            && let Some(container) = self.containers.remove(name)
        {
            self.finish(*container);
            self.idle_since = now;
            self.clean_if_empty();
        }
    }

    fn finish(&mut self, mut container: Container) {
        container.close_output();
        let attempt = container.attempt();
        let name = container.launch.container.clone();
        let exit = exit_of(&container, &self.place);
        let record = Record::Exited { container: name, attempt, exit };
        self.record(record, true);
    }
}

fn exit_of(container: &Container, place: &Place) -> Exit {
    let ended = container.ended.as_ref().expect("a finished container has ended");
    let code = exit_code(ended.status);
    Exit {
        id: container.id.clone(),
        code,
        signal: ended.status.terminating_signal(),
        left: ended.left.unwrap_or(0),
        reason: reason_of(code, ended).to_owned(),
        message: message_of(container, code, place),
        started_at: container.started_at,
        finished_at: ended.at,
    }
}

fn reason_of(code: i32, ended: &Ended) -> &'static str {
    match code {
        0 => "Completed",
        _ if ended.out_of_memory => "OOMKilled",
        _ => "Error",
    }
}

fn message_of(container: &Container, code: i32, place: &Place) -> String {
    let (name, attempt) = (&container.launch.container, container.attempt());
    let bytes = container.message.as_ref().map_or_else(Vec::new, Message::read);
    if bytes.is_empty() && container.launch.message_from_logs && code != 0 {
        return log::tail(&place.log(name, attempt));
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    while text.len() > message::BYTES_MAX {
        text.pop();
    }
    text
}
