//! What must hold after every turn: the books of slots, runs and truth.
//!
//! The checks cost what changed since the last turn, not what there is: they are made after each.

use super::runtime::{Host, cron_job_of};
use cronlet_api::cron_job::schedule::{Schedule, Zone};
use cronlet_api::kind::{Kind, Object};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::settings::Dst;
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_engine::store::Reader;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one CronJob, apart from the engine.
struct Account {
    schedule: Schedule,
    zone: Zone,
    dst: Dst,
    forbid: bool,
    /// Has a deadline, so that late slots may be skipped.
    deadline: bool,
    /// When its schedule came into force, by the clock of that moment, and by the present one.
    stamp: Timestamp,
    in_force: Span,
    /// The next slot that must be accounted for.
    expected: Option<Timestamp>,
    /// What the times of its runs follow from; an edit of anything else moves no slot.
    timing: (String, String, bool),
    /// Slots that are due and wait for a run before them to end (`Forbid`).
    open: BTreeSet<Timestamp>,
}

/// An instant by the present clock; from the first to the last that the engine may take it for
/// where the clock was set and no daemon saw it, or was set back over it.
#[derive(Clone, Copy)]
struct Span {
    first: Timestamp,
    last: Timestamp,
}

#[derive(Default)]
pub(super) struct Books {
    accounts: BTreeMap<String, Account>,
    /// What each account expects next, the earliest first.
    due: BTreeSet<(Timestamp, String)>,
    /// Accounts that have open slots.
    held_back: BTreeSet<String>,
    /// So many lines of the host's ledger were looked at for overlaps.
    looked_at: usize,
    /// Slots that had a Job or were skipped on record.
    closed: BTreeSet<(String, Timestamp)>,
    /// The Job of a slot, by its uid: a second one would be a doubled run.
    jobs: BTreeMap<String, String>,
    /// The latest slot of each CronJob that had a Job. After the clock was set back, none before
    /// it runs again: that would double it.
    last: BTreeMap<String, Timestamp>,
    pub skipped: u64,
}

impl Books {
    /// A CronJob is as it now is from `now` on.
    pub(crate) fn open_account(&mut self, cron_job: &CronJob, now: Timestamp) {
        let name = cron_job.metadata.name.clone().unwrap_or_default();
        let spec = &cron_job.spec;
        let schedule =
            Schedule::parse(&spec.schedule).expect("the simulator writes valid schedules");
        let zone = spec.time_zone.as_deref().unwrap_or("UTC");
        let suspended = spec.suspend == Some(true);
        let timing = (spec.schedule.clone(), zone.to_owned(), suspended);
        if self.accounts.get(&name).is_some_and(|account| account.timing == timing) {
            return;
        }
        let zone = Zone::load(zone).expect("the simulator writes known zones");
        let mut account = Account {
            schedule,
            zone,
            dst: Dst::Once,
            forbid: spec.concurrency_policy.as_deref() == Some("Forbid"),
            deadline: spec.starting_deadline_seconds.is_some(),
            stamp: now,
            in_force: Span { first: now, last: now },
            expected: None,
            timing,
            open: BTreeSet::new(),
        };
        if !suspended {
            account.expected =
                account.next_after(self.last.get(&name).map_or(now, |last| now.max(*last)));
        }
        self.close_account(&name);
        self.due.extend(account.expected.map(|slot| (slot, name.clone())));
        self.accounts.insert(name, account);
    }

    pub(crate) fn close_account(&mut self, name: &str) {
        self.held_back.remove(name);
        if let Some(account) = self.accounts.remove(name)
            && let Some(slot) = account.expected
        {
            self.due.remove(&(slot, name.to_owned()));
        }
    }

    /// Moves what was before the clock was set to its time by the present clock: no slot counts
    /// that a step jumped over before the CronJob was there.
    pub(crate) fn clock_was_set(&mut self, milliseconds: i64, to: Timestamp, is_known: bool) {
        let by = SignedDuration::from_millis(milliseconds);
        let moved = |at: Timestamp| at.checked_add(by).unwrap_or(at);
        for (name, account) in &mut self.accounts {
            let Span { first, last } = account.in_force;
            // A stamp that the clock was set back over came twice; one that an unseen step left in
            // the future stays as it reads until the clock is there.
            let is_exact = is_known && first == last && account.stamp < to;
            account.in_force = match is_exact {
                true => Span { first: moved(first), last: moved(last) },
                false => Span {
                    first: first.min(moved(first)).min(account.stamp),
                    last: last.max(moved(last)).max(account.stamp),
                },
            };
            let Some(slot) = account.expected.filter(|slot| *slot <= account.in_force.last) else {
                continue;
            };
            account.expected = account.next_after(account.in_force.last);
            self.due.remove(&(slot, name.clone()));
            self.due.extend(account.expected.map(|slot| (slot, name.clone())));
        }
    }

    /// No run is of a slot from before its schedule was in force. Objects keep whole seconds.
    fn check_in_force(&self, run: &Run) -> Result<(), String> {
        let is_new = !run.manual && !self.closed.contains(&(run.cron_job.clone(), run.scheduled));
        let Some(account) = self.accounts.get(&run.cron_job).filter(|_| is_new) else {
            return Ok(());
        };
        let Span { first, .. } = account.in_force;
        if first.duration_since(run.scheduled) > SignedDuration::from_secs(1) {
            return Err(format!("slot {} of {} was before {first}", run.scheduled, run.cron_job));
        }
        Ok(())
    }

    /// After a turn that was committed: every slot that is due is accounted for.
    pub(crate) fn check_slots(
        &mut self,
        runs: &[Run],
        now: Timestamp,
        late: Option<bool>,
    ) -> Result<(), String> {
        for run in runs {
            self.check_in_force(run)?;
            if run.outcome == Outcome::Skipped {
                self.skipped += 1;
            } else if !run.manual {
                let last = self.last.entry(run.cron_job.clone()).or_insert(run.scheduled);
                *last = run.scheduled.max(*last);
            }
            self.closed.insert((run.cron_job.clone(), run.scheduled));
            if let Some(account) = self.accounts.get_mut(&run.cron_job)
                && !account.open.is_empty()
            {
                account.open.retain(|slot| *slot > run.scheduled);
                if account.open.is_empty() {
                    self.held_back.remove(&run.cron_job);
                }
            }
        }
        let Some(late) = late else { return Ok(()) };
        while self.due.first().is_some_and(|(slot, _)| *slot <= now) {
            let (_, name) = self.due.pop_first().expect("one was seen");
            self.settle_due(name, now, late)?;
        }
        Ok(())
    }

    /// Every slot of one account that is due was closed, or may be open.
    fn settle_due(&mut self, name: String, now: Timestamp, late: bool) -> Result<(), String> {
        let account = self.accounts.get_mut(&name).expect("its due went with it");
        let mut due = Vec::new();
        while let Some(slot) = account.expected.filter(|slot| *slot <= now) {
            due.push(slot);
            account.expected = account.next_after(slot);
        }
        // After the daemon was away, or the clock was set, the latest missed slot is the one
        // that counts.
        let latest = if late { due.len().saturating_sub(1) } else { 0 };
        for slot in due.drain(..).skip(latest) {
            if self.closed.contains(&(name.clone(), slot)) || (late && account.deadline) {
                continue;
            }
            if !account.forbid {
                return Err(format!("slot {slot} of {name} has no run"));
            }
            account.open.insert(slot);
            self.held_back.insert(name.clone());
        }
        self.due.extend(account.expected.map(|slot| (slot, name)));
        Ok(())
    }

    /// A slot that `Forbid` held back is run or recorded as soon as the run before it has ended.
    pub(crate) fn check_held_back(&self, reader: &Reader) -> Result<(), String> {
        for (name, account) in self.held_back.iter().map(|name| (name, &self.accounts[name])) {
            let key = cronlet_api::kind::Key::new(Kind::CronJob, "default", name);
            let Some(Object::CronJob(cron_job)) = reader.get(&key) else { continue };
            let active =
                cron_job.status.as_ref().and_then(|s| s.active.as_ref()).map_or(0, Vec::len);
            if active == 0 && !account.deadline {
                return Err(format!("slots {:?} of {name} were forgotten", account.open));
            }
        }
        Ok(())
    }

    /// The same slot never makes a second Job.
    pub(crate) fn check_job(&mut self, job: &Job) -> Result<(), String> {
        let name = job.metadata.name.as_deref().unwrap_or_default();
        let uid = job.metadata.uid.as_deref().unwrap_or_default();
        match self.jobs.get(name) {
            Some(before) if before != uid => return Err(format!("{name} was made twice")),
            Some(_) => {}
            None => drop(self.jobs.insert(name.to_owned(), uid.to_owned())),
        }
        Ok(())
    }

    /// A finished Job says what truly ran.
    pub(crate) fn check_finished(&self, job: &Job, host: &Host) -> Result<(), String> {
        let Some(status) = job.status.as_ref() else { return Ok(()) };
        let holds = |kind: &str| {
            let conditions = status.conditions.iter().flatten();
            conditions.clone().any(|c| c.type_ == kind && c.status == "True")
        };
        let name = job.metadata.name.clone().unwrap_or_default();
        if !holds("Complete") && !holds("Failed") {
            return Ok(());
        }
        let lines = host.of_job.get(&name).into_iter().flatten();
        let good: BTreeSet<&str> = lines
            .map(|line| &host.ledger[*line])
            .filter(|started| started.ended.is_some_and(|(_, code)| code == 0))
            .map(|started| started.pod_uid.as_str())
            .collect();
        let says = status.succeeded.unwrap_or(0);
        if holds("Complete") && says as usize != good.len() {
            return Err(format!("{name} says {says} pods succeeded, in truth {}", good.len()));
        }
        if holds("Complete") == holds("Failed") {
            return Err(format!("{name} is both complete and failed"));
        }
        Ok(())
    }

    /// No two Jobs of a `Forbid` CronJob run at once: none began while another ran.
    pub(crate) fn check_overlap(&mut self, host: &Host) -> Result<(), String> {
        let new = self.looked_at..host.ledger.len();
        self.looked_at = new.end;
        for job in new.filter_map(|line| host.ledger[line].job()) {
            let name = cron_job_of(job);
            if !self.accounts.get(name).is_some_and(|account| account.forbid) {
                continue;
            }
            let running = host.running_of.get(name).into_iter().flatten();
            let jobs: BTreeSet<&str> =
                running.filter_map(|line| host.ledger[*line].job()).collect();
            if jobs.len() > 1 {
                return Err(format!("{jobs:?} run at once"));
            }
        }
        Ok(())
    }
}

impl Account {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(after, &self.zone, self.dst)
    }
}
