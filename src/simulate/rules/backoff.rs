//! When a container runs again: at once after its first end, then after 10 s doubling to 300 s, and
//! as if for the first time once it ran for ten minutes (`CrashLoopBackOff`).

use crate::runtime::Host;
use std::collections::BTreeMap;

const STEADY_MILLISECONDS: i64 = 600_000;

/// What the store and the clock may round away.
const SLACK_MILLISECONDS: i64 = 1000;

/// The last attempt of a container, as it truly was.
struct Last {
    /// Its line in the host's ledger.
    line: usize,
    /// Ends in a row before it.
    streak: u32,
    /// When the attempt before it ended.
    ended_before: Option<i64>,
}

#[derive(Default)]
pub(crate) struct Backoff {
    /// By the pod's uid: virtual pods have one container.
    last: BTreeMap<String, Last>,
    looked_at: usize,
    /// Since when the clock was not set: how long a program ran is known by the clock alone.
    clock_set_at: i64,
    /// Since when the daemon was up, with a disk and forks that do not fail.
    disturbed_at: i64,
}

fn wait(streak: u32) -> i64 {
    match streak {
        0 | 1 => 0,
        more => (10_000_i64 << (more - 2).min(10)).min(300_000),
    }
}

impl Backoff {
    pub(crate) fn clock_was_set(&mut self, now: i64) {
        self.clock_set_at = now;
        self.last.clear();
    }

    /// From here on the daemon may be in time again.
    pub(crate) fn disturbed(&mut self, now: i64) {
        self.disturbed_at = now;
    }

    /// After every turn.
    pub(crate) fn check(&mut self, host: &Host) -> Result<(), String> {
        for line in std::mem::replace(&mut self.looked_at, host.ledger.len())..host.ledger.len() {
            let started = &host.ledger[line];
            let before = self.last.remove(&started.pod_uid);
            let mut last = Last { line, streak: 0, ended_before: None };
            if let Some(before) = before {
                let (streak, ended) = self.check_again(host, &before, line)?;
                (last.streak, last.ended_before) = (streak, Some(ended));
            } else if started.attempt > 0 {
                // It began before the clock was set.
                continue;
            }
            self.last.insert(started.pod_uid.clone(), last);
        }
        Ok(())
    }

    /// Gives the streak and when it ended.
    fn check_again(&self, host: &Host, last: &Last, line: usize) -> Result<(u32, i64), String> {
        let (before, again) = (&host.ledger[last.line], &host.ledger[line]);
        let what = format!("{} #{}", again.pod, again.attempt);
        let Some((ended, _)) = before.ended else {
            return Err(format!("{what} was started beside the one before"));
        };
        let ran = ended - before.at;
        let streak = if ran > STEADY_MILLISECONDS { 1 } else { last.streak + 1 };
        // What fails its probe is weighed by the end before, and runs again at once if that was
        // long ago; a daemon that is new does not know why it ended.
        let least = match last.ended_before {
            _ if !before.stopped && !before.failed_probe => wait(streak),
            Some(at) if ended - at <= wait(streak - 1) => wait(streak - 1),
            _ => 0,
        };
        let is_near = (ran - STEADY_MILLISECONDS).abs() <= SLACK_MILLISECONDS;
        if again.at + SLACK_MILLISECONDS < ended + least && !is_near {
            return Err(format!("{what} ran again {} ms too soon", ended + least - again.at));
        }
        let late = again.at - ended - wait(streak) - SLACK_MILLISECONDS;
        if late > 0 && self.disturbed_at < ended && !is_near {
            return Err(format!("{what} ran again {late} ms too late, streak {streak}"));
        }
        Ok((streak, ended))
    }
}
