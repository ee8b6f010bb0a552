//! A program that runs in a container for one of its probes.

use super::container::Container;
use super::hook::exit_code;
use super::{Shim, launch};
use crate::probes::exec::Ran;
use crate::runtimes::process::wire::FromShim;
use cronlet_host::process;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, WaitStatus};
use std::time::{Duration, Instant};

pub(crate) struct ExecRun {
    id: u64,
    pub pid: Pid,
    pub output: Option<OwnedFd>,
    printed: Vec<u8>,
    pub deadline: Instant,
}

/// As much as the kubelet reads.
const PRINTED_BYTES_MAX: usize = 10 << 10;
/// Probes have timeouts of seconds; this one fits every clock.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

impl Shim {
    pub(super) fn exec(
        &mut self,
        id: u64,
        (name, attempt): (&str, u32),
        command: &[String],
        timeout: Duration,
    ) {
        let live = |c: &&mut Box<Container>| c.attempt() == attempt && c.ended.is_none();
        let Some(container) = self.containers.get_mut(name).filter(live) else {
            let ran = Ran::Refused("container not running".into());
            return self.link.tell(&FromShim::Executed { id, ran });
        };
        match launch::exec_in(container, command) {
            Ok((pid, output)) => {
                let deadline = Instant::now() + timeout.min(TIMEOUT_MAX);
                let (output, printed) = (Some(output), Vec::new());
                container.execs.push(ExecRun { id, pid, output, printed, deadline });
            }
            Err(refusal) => {
                self.link.tell(&FromShim::Executed { id, ran: Ran::Refused(refusal.message) });
            }
        }
    }

    /// False: the child was none of these.
    pub(super) fn reap_exec(&mut self, pid: Pid, status: WaitStatus) -> bool {
        let mut all = self.containers.values_mut();
        let found = all.find_map(|container| {
            let at = container.execs.iter().position(|run| run.pid == pid)?;
            Some(container.execs.swap_remove(at))
        });
        let Some(mut run) = found else { return false };
        run.take_output(&mut self.buffer);
        let (id, ran) = (run.id, run.ran(status));
        self.link.tell(&FromShim::Executed { id, ran });
        true
    }

    /// Ends those that take too long.
    pub(super) fn look_at_execs(&mut self, name: &str, now: Instant) {
        let Some(container) = self.containers.get_mut(name) else { return };
        for run in container.execs.extract_if(.., |run| run.deadline <= now) {
            run.kill();
            self.link.tell(&FromShim::Executed { id: run.id, ran: Ran::TimedOut });
        }
    }
}

impl ExecRun {
    pub(crate) fn take_output(&mut self, buffer: &mut Vec<u8>) {
        while let Some(pipe) = &self.output {
            match super::read(pipe, buffer) {
                Ok(1..) => {
                    let room = PRINTED_BYTES_MAX.saturating_sub(self.printed.len());
                    self.printed.extend_from_slice(&buffer[..buffer.len().min(room)]);
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(_) | Err(_) => self.output = None,
            }
        }
    }

    /// It, and what it started.
    pub(crate) fn kill(&self) {
        let tree = process::descendants(self.pid);
        process::kill(self.pid);
        tree.into_iter().for_each(process::kill);
    }

    fn ran(self, status: WaitStatus) -> Ran {
        let code = exit_code(status);
        Ran::Ended { code, output: String::from_utf8_lossy(&self.printed).into_owned() }
    }
}
