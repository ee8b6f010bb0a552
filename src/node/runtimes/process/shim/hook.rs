//! A lifecycle hook under way: a program in the container, or a while of waiting.

use cronlet_plan::order::Hook;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, WaitStatus};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    PostStart,
    PreStop,
}

pub(crate) struct HookRun {
    pub occasion: Occasion,
    argv: Vec<String>,
    pub pid: Option<Pid>,
    /// What it prints, for the message of a failure.
    pub output: Option<OwnedFd>,
    printed: Vec<u8>,
    /// When a `sleep` is over.
    pub until: Option<Instant>,
}

const PRINTED_BYTES_MAX: usize = 1024;

impl HookRun {
    pub(crate) fn sleep(occasion: Occasion, seconds: i64, now: Instant) -> HookRun {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let until = now.checked_add(Duration::from_secs(seconds));
        HookRun { occasion, argv: Vec::new(), pid: None, output: None, printed: Vec::new(), until }
    }

    pub(crate) fn program(
        occasion: Occasion,
        argv: &[String],
        pid: Pid,
        output: OwnedFd,
    ) -> HookRun {
        let argv = argv.to_vec();
        let (pid, output) = (Some(pid), Some(output));
        HookRun { occasion, argv, pid, output, printed: Vec::new(), until: None }
    }

    /// A question that another process asks, which prints why it failed.
    pub(crate) fn question(occasion: Occasion, pid: Pid, output: OwnedFd) -> HookRun {
        HookRun::program(occasion, &[], pid, output)
    }

    pub(crate) fn take_output(&mut self, buffer: &mut Vec<u8>) {
        let Some(pipe) = &self.output else { return };
        match super::read(pipe, buffer) {
            Ok(0) => self.output = None,
            Ok(length) => {
                let room = PRINTED_BYTES_MAX.saturating_sub(self.printed.len()).min(length);
                self.printed.extend_from_slice(&buffer[..room]);
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => self.output = None,
        }
    }

    /// What its end means, as the kubelet words it.
    pub(crate) fn verdict(
        &mut self,
        status: WaitStatus,
        buffer: &mut Vec<u8>,
    ) -> Result<(), String> {
        self.take_output(buffer);
        let code = exit_code(status);
        if code == 0 {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&self.printed);
        if self.argv.is_empty() {
            return Err(printed.into_owned());
        }
        Err(format!("command '{}' exited with {code}: {printed}", self.argv.join(" ")))
    }
}

/// The hook of that occasion.
pub(crate) fn of(launch: &cronlet_plan::order::Launch, occasion: Occasion) -> Option<&Hook> {
    match occasion {
        Occasion::PostStart => launch.post_start.as_ref(),
        Occasion::PreStop => launch.pre_stop.as_ref(),
    }
}

/// As a shell counts: 128 and the signal's number where a signal ended it.
pub(crate) fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}
