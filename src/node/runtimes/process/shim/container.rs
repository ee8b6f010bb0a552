//! One running attempt of a container: its process, its output, its stop, its end.

use super::exec::ExecRun;
use super::hook::HookRun;
use super::log::Log;
use super::message::Message;
use cronlet_api::pod::log::{self, Splitter};
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Cgroup;
use cronlet_host::{process, signals};
use cronlet_plan::order::Launch;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, WaitStatus};
use std::time::{Duration, Instant};

pub(crate) struct Container {
    pub launch: Launch,
    pub id: String,
    pub started_at: Timestamp,
    pub pid: Pid,
    pub cgroup: Cgroup,
    pub streams: [Stream; 2],
    pub log: Log,
    /// Where the program writes its termination message.
    pub message: Option<Message>,
    pub hook: Option<HookRun>,
    /// Programs of its probes.
    pub execs: Vec<ExecRun>,
    pub stop: Option<Stop>,
    pub ended: Option<Ended>,
}

pub(crate) struct Stream {
    pub pipe: Option<OwnedFd>,
    lines: Splitter,
}

pub(crate) struct Stop {
    /// When the step that is under way is cut short.
    pub deadline: Instant,
    pub step: StopStep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopStep {
    PreStop,
    Term,
    Killed,
}

pub(crate) struct Ended {
    pub status: WaitStatus,
    pub at: Timestamp,
    pub out_of_memory: bool,
    /// Processes that it left in the background; `None` until they are counted.
    pub left: Option<u32>,
    since: Instant,
    /// Nothing of it is alive any more; since when.
    swept: Option<Instant>,
}

/// How long output may still come after everything is dead: from a pipe that was passed on to
/// another process.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// A process that the kernel does not let die holds the container's end back for so long, not for
/// ever.
const SWEEP_MAX: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_millis(5);
/// Kubernetes gives TERM at least so long after a preStop that used the grace up.
pub(crate) const GRACE_AFTER_HOOK: Duration = Duration::from_secs(2);

impl Container {
    pub(crate) fn attempt(&self) -> u32 {
        self.launch.attempt
    }

    /// Moves what the program wrote into the log; `buffer` is scratch.
    pub(crate) fn take_output(&mut self, which: usize, buffer: &mut Vec<u8>) {
        let stream = &mut self.streams[which];
        let Some(pipe) = &stream.pipe else { return };
        let mut lines = Vec::new();
        match super::read(pipe, buffer) {
            Ok(0) => stream.end(&mut lines),
            Ok(_) => stream.lines.feed(buffer, Timestamp::now(), &mut lines),
            Err(Errno::AGAIN) => {}
            Err(_) => stream.end(&mut lines),
        }
        self.log.write(&lines);
    }

    /// The output is read to its end, or given up.
    pub(crate) fn close_output(&mut self) {
        let mut lines = Vec::new();
        self.streams.iter_mut().for_each(|stream| stream.end(&mut lines));
        self.log.write(&lines);
    }

    /// Ends the hook that is under way, and what it started. It gets no verdict.
    pub(crate) fn end_hook(&mut self) {
        if let Some(pid) = self.hook.take().and_then(|hook| hook.pid) {
            let tree = process::descendants(pid);
            process::kill(pid);
            tree.into_iter().for_each(process::kill);
        }
    }

    /// Who asked hears no more of them.
    fn end_execs(&mut self) {
        self.execs.drain(..).for_each(|run| run.kill());
    }

    /// The main process was reaped.
    pub(crate) fn note_end(&mut self, status: WaitStatus) {
        // What stops, dies or has helpers of the shim's leaves processes for other reasons.
        let is_plain = self.stop.is_none() && self.hook.is_none() && self.execs.is_empty();
        let left = (!is_plain || status.exit_status().is_none()).then_some(0);
        self.end_hook();
        self.end_execs();
        let out_of_memory =
            self.launch.limits.memory_bytes_max.is_some() && self.cgroup.out_of_memory();
        let (at, since) = (Timestamp::now(), Instant::now());
        self.ended = Some(Ended { status, at, out_of_memory, left, since, swept: None });
    }

    /// After the main process's end: kills what is left. True when all is gone and all output is
    /// in.
    pub(crate) fn settle(&mut self, strays: &[Pid], now: Instant) -> bool {
        let Some(ended) = &mut self.ended else { return false };
        ended.left.get_or_insert_with(|| {
            let alive = || strays.iter().filter(|pid| process::is_alive(**pid)).count();
            let left = if self.cgroup.tracks() { self.cgroup.count() } else { alive() };
            u32::try_from(left).unwrap_or(u32::MAX)
        });
        if ended.swept.is_none() {
            let empty = if self.cgroup.tracks() {
                self.cgroup.remove() || {
                    self.cgroup.kill();
                    false
                }
            } else {
                strays.iter().copied().for_each(process::kill);
                strays.is_empty()
            };
            if empty || now.duration_since(ended.since) > SWEEP_MAX {
                ended.swept = Some(now);
            }
        }
        let drained = self.streams.iter().all(|stream| stream.pipe.is_none());
        ended.swept.is_some_and(|at| drained || now.duration_since(at) > DRAIN_MAX)
    }

    /// When it wants to be looked at again though nothing happens.
    pub(crate) fn wakes_at(&self, now: Instant) -> Option<Instant> {
        if let Some(ended) = &self.ended {
            return Some(ended.swept.map_or(now + SWEEP_EVERY, |at| at + DRAIN_MAX));
        }
        let stop = self.stop.as_ref().filter(|s| s.step != StopStep::Killed).map(|s| s.deadline);
        let hook = self.hook.as_ref().and_then(|hook| hook.until);
        let execs = self.execs.iter().map(|run| run.deadline);
        stop.into_iter().chain(hook).chain(execs).min()
    }

    /// Asks the program to end.
    pub(crate) fn terminate(&mut self) {
        let signal = self.launch.stop_signal.as_deref().map_or(signals::TERMINATE, signals::number);
        if self.ended.is_none() {
            signals::send(self.pid, signal);
        }
        if let Some(stop) = &mut self.stop {
            stop.step = StopStep::Term;
        }
    }

    /// Ends everything in it.
    pub(crate) fn kill(&mut self, now: Instant) {
        if self.ended.is_none() {
            let tree = if self.cgroup.tracks() { Vec::new() } else { self.processes() };
            process::kill(self.pid);
            tree.into_iter().for_each(process::kill);
        }
        self.end_hook();
        self.cgroup.kill();
        self.stop = Some(Stop { deadline: now, step: StopStep::Killed });
    }

    /// By descent and session, where there is no cgroup to ask.
    fn processes(&self) -> Vec<Pid> {
        let mut found = process::descendants(self.pid);
        found.extend(process::session_members(self.pid.as_raw_pid()));
        found.retain(|pid| *pid != self.pid);
        found
    }
}

impl Stream {
    pub(crate) fn new(pipe: OwnedFd, which: log::Stream) -> Stream {
        Stream { pipe: Some(pipe), lines: Splitter::new(which) }
    }

    fn end(&mut self, lines: &mut Vec<u8>) {
        self.pipe = None;
        self.lines.finish(Timestamp::now(), lines);
    }
}
