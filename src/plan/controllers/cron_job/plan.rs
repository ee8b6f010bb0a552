//! The CronJob controller: one Job for each slot, by the policy; what was skipped is told.
//!
//! Follows `cronjob_controllerv2.go` of Kubernetes 1.36. What a slot led to is read from the Jobs
//! that are there: a Job's name follows from its slot, so the same slot cannot make two, and
//! `status` is written once the Job exists and has a uid.

use super::jobs;
use super::origin::{Moved, Origin};
use super::runs::{delete, new_run, replace};
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::cron_job::annotations::{CatchUp, SKIPPED_UP_TO};
use cronlet_api::cron_job::timing::{self, Timing};
use cronlet_api::job::conditions;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::{Down, SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

pub use super::trigger::trigger;

/// No more missed slots than this are made up for, or told of one by one.
const MISSED_MAX: usize = 100;

/// Does its next run begin whatever becomes of its runs until then?
pub fn begins_regardless(cron_job: &CronJob) -> bool {
    let allows = cron_job.spec.concurrency_policy.as_deref().is_none_or(|p| p == "Allow");
    let active = cron_job.status.as_ref().and_then(|status| status.active.as_ref());
    allows || active.is_none_or(Vec::is_empty)
}

/// Decides what a CronJob needs now. `view.owned` are its Jobs.
pub fn plan(cron_job: &CronJob, view: &View) -> Plan {
    let mut plan = Plan::default();
    let mut sync = Sync::new(cron_job, view, &mut plan);
    sync.follow_clock();
    sync.follow_jobs();
    sync.note_missing();
    let stopped =
        cron_job.metadata.deletion_timestamp.is_some() || cron_job.spec.suspend == Some(true);
    if !stopped {
        sync.schedule();
    }
    sync.clean_up();
    sync.write();
    plan
}

/// Refusal of the Job of a slot: the API server's words, and those of the history.
struct Obstacle {
    why: String,
    note: &'static str,
}

/// One look at a CronJob.
struct Sync<'a> {
    cron_job: &'a CronJob,
    spec: &'a CronJobSpec,
    view: &'a View<'a>,
    plan: &'a mut Plan,
    status: CronJobStatus,
    active: Vec<ObjectReference>,
    /// The last slot that this plan tells of as skipped.
    skipped_up_to: Option<Timestamp>,
    origin: Origin<'a>,
}

impl<'a> Sync<'a> {
    fn new(cron_job: &'a CronJob, view: &'a View<'a>, plan: &'a mut Plan) -> Sync<'a> {
        let mut status = cron_job.status.clone().unwrap_or_default();
        let active = status.active.take().unwrap_or_default();
        Sync {
            spec: &cron_job.spec,
            skipped_up_to: None,
            origin: Origin::read(&cron_job.metadata, view),
            cron_job,
            view,
            plan,
            status,
            active,
        }
    }

    /// A host may boot with a clock that is years behind or ahead, and learn the date later.
    fn follow_clock(&mut self) {
        let (reason, way) = match self.origin.follow_clock(&mut self.status.last_schedule_time) {
            Some(Moved::Back) => ("ClockSetBack", "back"),
            Some(Moved::Forward) => ("ClockSetForward", "forward"),
            None => return,
        };
        let message =
            format!("The clock was set {way} by more than a day: the schedule starts anew");
        self.plan.event(Severity::Warning, reason, message);
    }

    fn jobs(&self) -> impl Iterator<Item = &'a Job> + use<'a> {
        self.view.owned.iter().filter_map(|object| match object {
            Object::Job(job) => Some(&**job),
            _ => None,
        })
    }

    /// Brings `status` up to what the Jobs say.
    fn follow_jobs(&mut self) {
        for job in self.jobs() {
            let end = conditions::end(job);
            let known = self.active.iter().position(|one| one.uid == job.metadata.uid);
            match (known, end) {
                (Some(at), Some(end)) => {
                    self.active.remove(at);
                    let message =
                        format!("Saw completed job: {}, condition: {}", jobs::name(job), end.type_);
                    self.plan.event(Severity::Normal, "SawCompletedJob", message);
                }
                (None, None) => self.meet(job),
                _ => {}
            }
            if let Some(slot) = self.origin.believed(jobs::slot(self.cron_job, job)) {
                let last = self.status.last_schedule_time.take().max(Some(Time(slot)));
                self.status.last_schedule_time = last;
            }
            if end.is_some_and(|end| end.type_ == "Complete") {
                let completed =
                    job.status.as_ref().and_then(|status| status.completion_time.clone());
                let last = self.status.last_successful_time.take().max(completed);
                self.status.last_successful_time = last;
            }
        }
    }

    /// A Job that runs and is not in `status.active`: new of ours, or someone else's making.
    fn meet(&mut self, job: &Job) {
        if jobs::obeys_policy(self.cron_job, job) {
            return self.active.push(jobs::reference(job));
        }
        // Kubernetes says so at every look. Here it is said while the Job is new, as a look may
        // come at any time.
        let created = job.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let is_new = created.is_none_or(|at| self.view.elapsed(at) < SignedDuration::from_secs(1));
        if is_new && !jobs::is_forced(job) {
            let name = jobs::name(job);
            let message = format!("Saw a job that the controller did not create or forgot: {name}");
            self.plan.event(Severity::Warning, "UnexpectedJob", message);
        }
    }

    /// Active Jobs that are gone without an end: someone deleted them.
    fn note_missing(&mut self) {
        let (there, gone): (Vec<ObjectReference>, Vec<ObjectReference>) =
            std::mem::take(&mut self.active)
                .into_iter()
                .partition(|one| self.jobs().any(|job| job.metadata.uid == one.uid));
        self.active = there;
        for reference in gone {
            let name = reference.name.unwrap_or_default();
            if self.is_elsewhere(&name, reference.uid.as_deref()) {
                continue;
            }
            self.plan.event(
                Severity::Normal,
                "MissingJob",
                format!("Active job went missing: {name}"),
            );
            if let Some((slot, manual)) = jobs::slot_of_name(self.cron_job, &name) {
                let run = self.run(slot, Outcome::Replaced, "deleted while it ran");
                self.plan.push(Action::Record(Run {
                    job: name,
                    ended: Some(self.view.now),
                    manual,
                    ..run
                }));
            }
        }
    }

    /// True if the Job is there and no longer of this CronJob, which is being deleted with
    /// `--cascade=orphan`.
    fn is_elsewhere(&self, name: &str, uid: Option<&str>) -> bool {
        let namespace = self.cron_job.metadata.namespace.as_deref().unwrap_or_default();
        let found = self.view.lookup.get(&Key::new(Kind::Job, namespace, name));
        found.is_some_and(|job| Some(job.uid()) == uid)
    }

    fn schedule(&mut self) {
        let timing = match Timing::read(self.cron_job, self.view.settings) {
            Ok(timing) => timing,
            Err(error) => {
                return self.plan.event(Severity::Warning, error.reason(), error.to_string());
            }
        };
        if timing.schedule.is_reboot() {
            return self.schedule_reboot(&timing);
        }
        // A slot is due when its jitter has passed: slots are compared with a clock that is so much
        // behind.
        let Ok(until) = self.view.now.checked_sub(timing.jitter) else { return };
        let floor = self.floor(&timing);
        let missed = timing.missed(floor, until);
        let after = missed.latest.unwrap_or(floor);
        if let Some(next) = timing.next_after(after)
            && let Ok(at) = next.checked_add(timing.jitter)
        {
            self.plan.wake(at);
        }
        let Some(latest) = missed.latest.filter(|_| !self.view.stopping) else { return };
        match self.catch_up_at(&timing, floor) {
            Some(at) => self.plan.wake(at),
            None => self.decide(&timing, floor, latest, missed.count),
        }
    }

    /// `@reboot`: the one slot is the start of the host, however late the daemon starts.
    fn schedule_reboot(&mut self, timing: &Timing) {
        let Some(booted_at) = self.view.settings.booted_at else { return };
        let Ok(due) = booted_at.checked_add(timing.jitter) else { return };
        if !self.awaits_boot(booted_at, timing) {
            return;
        }
        if due > self.view.now {
            self.plan.wake(due);
        } else if !self.view.stopping {
            self.decide(timing, self.floor(timing), booted_at, 1);
        }
    }

    /// True if this boot's slot is not settled, and the CronJob was in force by the end of the
    /// daemon's first start in this boot. As with cron, one that comes later waits for the next
    /// boot.
    fn awaits_boot(&self, booted_at: Timestamp, timing: &Timing) -> bool {
        let last = self.status.last_schedule_time.as_ref().map(|time| time.0);
        if last.is_some_and(|last| last >= booted_at) {
            return false;
        }
        let loaded_at = self.view.settings.loaded_at;
        let is_found = loaded_at.is_none_or(|loaded_at| self.origin.was_in_force_at(loaded_at));
        is_found || booted_at > self.floor(timing)
    }

    fn floor(&self, timing: &Timing) -> Timestamp {
        let last = self.status.last_schedule_time.as_ref().map(|time| time.0);
        self.origin.floor(last, timing.catch_up)
    }

    /// When a slot may start that was missed before anybody could see it. Jitter spreads such
    /// starts too: else all CronJobs of a host would start at once after it was down.
    fn catch_up_at(&self, timing: &Timing, floor: Timestamp) -> Option<Timestamp> {
        let seen = self.origin.missed_seen_at(timing.catch_up)?;
        let first = timing.next_after(floor)?.checked_add(timing.jitter).ok()?;
        seen.checked_add(timing.jitter).ok().filter(|at| first <= seen && *at > self.view.now)
    }

    /// Slots after `floor` up to `latest` are due: which one runs, and what becomes of the others?
    fn decide(&mut self, timing: &Timing, floor: Timestamp, latest: Timestamp, count: u32) {
        let told = self.origin.skipped_up_to().unwrap_or(Timestamp::MIN);
        let mut slots = match count {
            1 => vec![latest],
            _ => timing.last_slots(floor.max(told), latest, MISSED_MAX + 1),
        };
        if slots.is_empty() {
            slots.push(latest);
        }
        let policy = self.spec.concurrency_policy.as_deref();
        // Under `Replace` each would only end the one before.
        let all = timing.catch_up == CatchUp::All && policy != Some("Replace");
        let given_up = usize::from(slots.len() > MISSED_MAX);
        let in_time = |slot: &Timestamp| !self.is_too_late(timing, *slot);
        let chosen = match slots[given_up..].iter().position(in_time) {
            Some(first) if all => given_up + first,
            Some(_) => slots.len() - 1,
            None => slots.len(),
        };
        let runs = slots.get(chosen).copied();
        slots.truncate(chosen);
        slots.retain(|slot| *slot > told);
        self.skip_missed(timing, &slots, count as usize > MISSED_MAX);
        let Some(slot) = runs else { return };
        let is_new = slot > told;
        if policy == Some("Forbid") && !self.active.is_empty() {
            if is_new && !all {
                self.hold(slot);
            }
            return;
        }
        let fine = timing.schedule.is_finer_than_minutes();
        let name = jobs::name_of_slot(self.cron_job, slot, fine);
        let job = jobs::scheduled(self.cron_job, slot, name);
        match self.obstacle(&job) {
            None => self.start(slot, job),
            Some(obstacle) if is_new => self.give_up(slot, obstacle),
            Some(_) => {}
        }
    }

    fn is_too_late(&self, timing: &Timing, slot: Timestamp) -> bool {
        let Some(deadline) = self.spec.starting_deadline_seconds else { return false };
        let wait = SignedDuration::from_secs(deadline).saturating_add(timing.jitter);
        slot.checked_add(wait).is_ok_and(|last| last < self.view.now)
    }

    /// Tells of slots that will not run.
    fn skip_missed(&mut self, timing: &Timing, slots: &[Timestamp], too_many: bool) {
        let Some(last) = slots.last() else { return };
        for slot in slots {
            let why = self.why_missed(timing, *slot);
            let run = self.run(*slot, Outcome::Skipped, &why);
            self.plan.push(Action::Record(run));
        }
        if too_many {
            let message = "too many missed start times. Set or decrease \
                           .spec.startingDeadlineSeconds or check clock skew";
            self.plan.event(Severity::Warning, "TooManyMissedTimes", message);
        }
        let more = match slots.len() - 1 {
            0 => String::new(),
            before => format!(" (and {before} before it)"),
        };
        let at = last.strftime("%a, %d %b %Y %H:%M:%S +0000");
        let message = format!("Missed scheduled time to start a job: {at}{more}");
        self.plan.event(Severity::Warning, "MissSchedule", message);
        self.skipped_up_to = Some(*last);
    }

    fn why_missed(&self, timing: &Timing, slot: Timestamp) -> String {
        let then = match self.is_too_late(timing, slot) {
            true => "startingDeadlineSeconds had passed",
            false => "a later slot was due as well",
        };
        let due = slot.checked_add(timing.jitter).unwrap_or(slot);
        match self.view.settings.down.filter(|down| (down.from..=down.to).contains(&due)) {
            Some(Down { from, to, was_stopped }) => {
                let known = if was_stopped { "" } else { " (when it last wrote)" };
                format!("missed: the daemon was down from {from:.0}{known} to {to:.0}; {then}")
            }
            None => format!("missed: {then}"),
        }
    }

    /// Under `Forbid` a slot waits for the run before it. When that ends, the latest of those that
    /// waited runs, late, as in Kubernetes: its record is then replaced.
    fn hold(&mut self, slot: Timestamp) {
        let message = "Not starting job because prior execution is running and \
                       concurrency policy is Forbid";
        self.plan.event(Severity::Normal, "JobAlreadyActive", message);
        let why = "prior execution was running and concurrencyPolicy is Forbid";
        let run = self.run(slot, Outcome::Skipped, why);
        self.plan.push(Action::Record(run));
        self.skipped_up_to = Some(slot);
    }

    /// Why the Job of a slot cannot be made.
    fn obstacle(&self, job: &Job) -> Option<Obstacle> {
        let namespace = self.cron_job.metadata.namespace.as_deref().unwrap_or_default();
        let key = Key::new(Kind::Job, namespace, jobs::name(job));
        if self.view.lookup.get(&key).is_some() {
            // Ours would have settled the slot, so it is someone else's.
            let why = format!("jobs.batch {:?} already exists", jobs::name(job));
            return Some(Obstacle { why, note: "another Job has the name of its Job" });
        }
        let why = jobs::refusal(self.cron_job, job)?;
        Some(Obstacle { why, note: "its Job is refused" })
    }

    /// Kubernetes says nothing when the name of a slot's Job is taken, and tries a Job that is
    /// refused again until the next slot. Either is told of here, once for each slot.
    fn give_up(&mut self, slot: Timestamp, Obstacle { why, note }: Obstacle) {
        let message = format!("Error creating job: {why}");
        self.plan.event(Severity::Warning, "FailedCreate", message);
        let run = self.run(slot, Outcome::Skipped, note);
        self.plan.push(Action::Record(run));
        self.skipped_up_to = Some(slot);
    }

    fn start(&mut self, slot: Timestamp, job: Job) {
        if self.spec.concurrency_policy.as_deref() == Some("Replace") {
            replace(&self.active, self.view, self.plan);
            self.active.clear();
        }
        let name = jobs::name(&job).to_owned();
        let message = format!("Created job {name}");
        let run = self.run(slot, Outcome::Running, "");
        self.plan.push(Action::Record(Run { job: name, ..run }));
        self.plan.push(Action::Create(job.into()));
        self.plan.event(Severity::Normal, "SuccessfulCreate", message);
        // The Job settles every slot up to its own.
        self.skipped_up_to = None;
    }

    fn run(&self, slot: Timestamp, outcome: Outcome, message: &str) -> Run {
        new_run(self.cron_job, slot, outcome, message)
    }

    /// `successfulJobsHistoryLimit` and `failedJobsHistoryLimit`: the oldest go
    /// (`cleanupFinishedJobs`).
    fn clean_up(&mut self) {
        let limits = [
            ("Complete", self.spec.successful_jobs_history_limit),
            ("Failed", self.spec.failed_jobs_history_limit),
        ];
        for (kind, limit) in limits {
            let Some(limit) = limit else { continue };
            let ended = |job: &&Job| conditions::end(job).is_some_and(|end| end.type_ == kind);
            let stays = |job: &&Job| job.metadata.deletion_timestamp.is_none();
            let mut ended: Vec<&Job> = self.jobs().filter(ended).filter(stays).collect();
            let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            if surplus == 0 {
                continue;
            }
            ended.sort_by_key(|job| (started_at(job), jobs::name(job)));
            for job in &ended[..surplus] {
                delete(job, self.plan);
            }
        }
    }

    /// Writes status and records if they changed.
    fn write(mut self) {
        self.status.active = (!self.active.is_empty()).then_some(self.active);
        let before = self.cron_job.status.as_ref();
        let is_same = before.unwrap_or(&CronJobStatus::default()) == &self.status;
        let writes_status_alone = self.skipped_up_to.is_none() && !self.origin.is_changed();
        if is_same && writes_status_alone {
            return;
        }
        self.plan.is_settled = writes_status_alone;
        let mut cron_job = self.cron_job.clone();
        cron_job.status = Some(self.status);
        if let Some(slot) = self.skipped_up_to {
            timing::set_record(&mut cron_job.metadata, SKIPPED_UP_TO, slot);
        }
        self.origin.write(&mut cron_job.metadata);
        self.plan.push(Action::Put(cron_job.into()));
    }
}

/// Jobs that never started come last.
fn started_at(job: &Job) -> Timestamp {
    let start = job.status.as_ref().and_then(|status| status.start_time.as_ref());
    start.map_or(Timestamp::MAX, |time| time.0)
}
