//! The Job controller: as many pods as the Job wants, each counted once, until it is complete or
//! has failed.
//!
//! Follows `job_controller.go` of Kubernetes 1.36. Kubernetes counts a pod in three writes (its uid
//! into `uncountedTerminatedPods`, the finalizer off, the count up), lest a crash between them
//! counts it twice. Here a plan is one commit, so the pod loses its finalizer and the count goes up
//! together.

use super::failure_policy::{self, Verdict as Judged};
use super::indexed::Indexed;
use super::{backoff, create, pods, record};
use crate::controllers::controller::{Controller, PODS_PER_PLAN_MAX, Refusals, admitted};
use crate::controllers::tally::Tally;
use crate::plan::{Action, Plan, Severity, View};
use cronlet_api::job::conditions::{self, Verdict};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobSpec, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::BTreeSet;

/// More pods of one Job than this do not run at once, whatever `parallelism` says: it is one host.
const ACTIVE_MAX: i32 = 10_000;

/// `MaxJobApiBackOff`
const TRY_AGAIN_MAX: SignedDuration = SignedDuration::from_mins(1);

/// Decides what a Job needs now. `view.owned` are its pods.
pub fn plan(job: &Job, view: &View) -> Plan {
    let mut plan = Plan::default();
    let Some(spec) = &job.spec else { return plan };
    let managed_by = spec.managed_by.as_deref();
    if managed_by.is_some_and(|controller| controller != "kubernetes.io/job-controller") {
        return plan;
    }
    match conditions::end(job) {
        Some(_) => after_the_end(job, spec, view, &mut plan),
        None => match unseen_until(job, view) {
            Some(at) => plan.wake(at),
            None => {
                let pods = claimed(job, spec, view, &mut plan);
                Sync::new(job, spec, pods_of(&pods), view, &mut plan).run();
            }
        },
    }
    plan
}

/// When to look at a Job some of whose pods have just failed, and not before.
fn unseen_until(job: &Job, view: &View) -> Option<Timestamp> {
    let is_ending = job.status.as_ref().is_some_and(|one| conditions::announced(one).is_some());
    if is_ending || job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    pods::unseen_until(&pods_of(view.owned), view)
}

/// Nothing changes any more; `ttlSecondsAfterFinished` says when the Job goes.
fn after_the_end(job: &Job, spec: &JobSpec, view: &View, plan: &mut Plan) {
    for pod in pods_of(view.owned).into_iter().filter(|pod| pods::is_tracked(pod)) {
        plan.push(Action::Put(pods::counted(pod).into()));
    }
    let ended_at = conditions::end(job).and_then(|end| end.last_transition_time.as_ref());
    let (Some(ttl), Some(ended_at)) = (spec.ttl_seconds_after_finished, ended_at) else { return };
    if job.metadata.deletion_timestamp.is_some() {
        return;
    }
    let due = view.due(ended_at.0, SignedDuration::from_secs(ttl.into()));
    if due > view.now {
        return plan.wake(due);
    }
    plan.push(Action::DeleteAfterOwned(key(Kind::Job, &job.metadata)));
}

/// One look at a Job that has not ended.
struct Sync<'a> {
    job: &'a Job,
    spec: &'a JobSpec,
    view: &'a View<'a>,
    plan: &'a mut Plan,
    pods: Vec<&'a Pod>,
    active: Vec<&'a Pod>,
    /// Active pods that this plan asks to go.
    going: Vec<&'a Pod>,
    /// How many pods this plan makes.
    made: i32,
    /// A pod is missing and may not be made yet.
    backs_off: bool,
    indexed: Option<Indexed<'a>>,
    /// With those that ended since the last plan.
    succeeded: i32,
    failed: i32,
    status: JobStatus,
    deleted: Option<Tally>,
    refusals: Refusals,
    /// In whole seconds, as Kubernetes stores times.
    now: Timestamp,
}

impl<'a> Sync<'a> {
    fn new(
        job: &'a Job,
        spec: &'a JobSpec,
        pods: Vec<&'a Pod>,
        view: &'a View<'a>,
        plan: &'a mut Plan,
    ) -> Sync<'a> {
        let active = pods.iter().copied().filter(|pod| pods::is_active(pod)).collect();
        let status = job.status.clone().unwrap_or_default();
        let is_indexed = spec.completion_mode.as_deref() == Some("Indexed");
        let indexed = is_indexed.then(|| Indexed::new(spec, &status, &pods));
        let mut sync = Sync {
            succeeded: status.succeeded.unwrap_or(0),
            failed: status.failed.unwrap_or(0),
            now: Timestamp::from_second(view.now.as_second()).expect("whole seconds are in range"),
            going: Vec::new(),
            made: 0,
            backs_off: false,
            deleted: Tally::read(&job.metadata, backoff::DELETED),
            refusals: Refusals::of(&job.metadata, TRY_AGAIN_MAX),
            job,
            spec,
            view,
            plan,
            pods,
            active,
            indexed,
            status,
        };
        sync.add_ended();
        sync
    }

    fn run(mut self) {
        self.set_start_time();
        let mut verdict = self.verdict();
        let manages = verdict.is_none() && self.job.metadata.deletion_timestamp.is_none();
        if verdict.is_some() {
            self.going.clone_from(&self.active);
        } else if manages {
            self.manage();
        }
        if verdict.is_none() && self.is_complete() {
            let message = "Reached expected number of succeeded pods";
            verdict = Some(Verdict::success("CompletionsReached", message));
        }
        self.count(verdict.as_ref());
        self.dismiss();
        if verdict.is_none() && manages {
            self.note_suspension();
        }
        let ended = verdict.filter(|verdict| self.conclude(verdict));
        self.write(ended);
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// A Job starts when it is first not suspended, and again whenever it is resumed: its deadline
    /// counts from there. While it is suspended it has not started
    /// (`MutableSchedulingDirectivesForSuspendedJobs`).
    fn set_start_time(&mut self) {
        let resumed = conditions::is_true(&self.status, "Suspended");
        if self.is_suspended() {
            self.status.start_time = None;
        } else if resumed || self.status.start_time.is_none() {
            self.status.start_time = Some(Time(self.now));
        }
    }

    /// Adds the pods that have ended since the last plan to the counts.
    fn add_ended(&mut self) {
        for pod in self.pods.iter().filter(|pod| pods::is_tracked(pod)) {
            if pods::succeeded(pod) {
                self.succeeded += 1;
            } else if pods::is_failed(pod, self.spec) && self.counts_as_failed(pod) {
                self.failed += 1;
            }
        }
        if let Some(indexed) = &self.indexed {
            self.succeeded = i32::try_from(indexed.succeeded.total()).unwrap_or(i32::MAX);
        }
    }

    fn counts_as_failed(&self, pod: &Pod) -> bool {
        self.spec.pod_failure_policy.is_none()
            || failure_policy::judge(self.spec, pod) != Judged::Ignored
    }

    /// Does the Job have to end, whatever its active pods do?
    fn verdict(&mut self) -> Option<Verdict> {
        if let Some(announced) = conditions::announced(&self.status) {
            return Some(announced);
        }
        if let Some(message) = failure_policy::failed_job(self.spec, &self.pods) {
            return Some(Verdict::failure("PodFailurePolicy", &message));
        }
        let limit = self.spec.backoff_limit.unwrap_or(6);
        if self.failed > limit || self.restarts_exceed(limit) {
            let message = "Job has reached the specified backoff limit";
            return Some(Verdict::failure("BackoffLimitExceeded", message));
        }
        if self.is_past_deadline() {
            let message = "Job was active longer than specified deadline";
            return Some(Verdict::failure("DeadlineExceeded", message));
        }
        self.indexed.as_ref()?.verdict(self.spec)
    }

    /// Under `restartPolicy: OnFailure` the restarts within pods that have not ended count
    /// (`pastBackoffLimitOnFailure`).
    fn restarts_exceed(&self, limit: i32) -> bool {
        let template = self.spec.template.spec.as_ref();
        if template.and_then(|spec| spec.restart_policy.as_deref()) != Some("OnFailure") {
            return false;
        }
        let running = self.pods.iter().filter(|pod| !pods::has_ended(pod));
        let restarts: i32 = running.map(|pod| pods::restarts(pod)).sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    fn is_past_deadline(&mut self) -> bool {
        let start = self.status.start_time.as_ref().filter(|_| !self.is_suspended());
        let (Some(seconds), Some(start)) = (self.spec.active_deadline_seconds, start) else {
            return false;
        };
        let due = self.view.due(start.0, SignedDuration::from_secs(seconds));
        if due > self.view.now {
            self.plan.wake(due);
        }
        due <= self.view.now
    }

    /// Makes pods, or asks some to go; never both in one plan (`manageJob`).
    fn manage(&mut self) {
        if self.is_suspended() {
            return self.going.clone_from(&self.active);
        }
        let want = self.want_active();
        let surplus = self.active.len().saturating_sub(usize::try_from(want).unwrap_or(0));
        self.going = self.unwanted(surplus);
        if !self.going.is_empty() {
            return;
        }
        let waits = pods::replaces_only_failed(self.spec);
        let missing = want - self.active_now() - if waits { self.terminating() } else { 0 };
        if self.view.stopping {
            self.refusals.keep();
        } else if missing > 0 {
            self.start(usize::try_from(missing).unwrap_or(0).min(PODS_PER_PLAN_MAX));
        }
    }

    fn want_active(&self) -> i32 {
        let parallelism = self.spec.parallelism.unwrap_or(1).clamp(0, ACTIVE_MAX);
        match self.spec.completions {
            // A work queue: once one pod has succeeded, the others may finish and no new ones
            // start.
            None if self.succeeded > 0 => self.active_now(),
            None => parallelism,
            Some(completions) => (completions - self.succeeded).clamp(0, parallelism),
        }
    }

    /// Who goes: pods whose index another one has or no one wants, then the least useful
    /// (`activePodsForRemoval`).
    fn unwanted(&self, at_least: usize) -> Vec<&'a Pod> {
        if self.indexed.is_none() && at_least == 0 {
            return Vec::new();
        }
        let mut kept = self.active.clone();
        kept.sort_by(|a, b| pods::removal_order(a, b));
        let mut unwanted = Vec::new();
        if let Some(indexed) = &self.indexed {
            // Backwards, so that the most useful pod of an index is met first and kept.
            let mut taken = BTreeSet::new();
            let mut is_kept =
                |pod: &&Pod| indexed.index_of(pod).is_some_and(|index| taken.insert(index));
            let (mut keep, surplus): (Vec<&Pod>, Vec<&Pod>) =
                kept.into_iter().rev().partition(|pod| is_kept(pod));
            keep.reverse();
            (kept, unwanted) = (keep, surplus);
        }
        let more = at_least.saturating_sub(unwanted.len());
        unwanted.extend(kept.into_iter().take(more));
        unwanted.truncate(PODS_PER_PLAN_MAX);
        unwanted
    }

    fn start(&mut self, missing: usize) {
        let per_index = self.spec.backoff_limit_per_index.is_some();
        if !per_index
            && let Some(at) = backoff::next_pod_at(&self.pods, self.deleted, self.spec, self.view)
        {
            self.backs_off = true;
            return self.plan.wake(at);
        }
        let indexes: Vec<Option<u32>> = match &self.indexed {
            Some(indexed) => {
                let pending = indexed.pending(self.spec, &self.pods, missing);
                pending.into_iter().map(Some).collect()
            }
            None => vec![None; missing],
        };
        for index in &indexes {
            if !self.start_one(*index) {
                return;
            }
        }
        self.backs_off = self.made == 0 && !indexes.is_empty();
    }

    /// Makes a pod, unless its index has to wait. False if admission refuses it: then it refuses
    /// all, which are of one template.
    fn start_one(&mut self, index: Option<u32>) -> bool {
        let waiting = self.indexed.as_ref().map(|indexed| &indexed.waiting);
        let replaced = index.and_then(|index| waiting?.get(&index).copied());
        if let Some(at) = replaced.and_then(|pod| backoff::next_try_at(pod, self.view)) {
            self.plan.wake(at);
            return true;
        }
        let name = create::free_name(self.job, index, self.made as u64, self.view);
        let message = format!("Created pod: {name}");
        let pod = Object::from(create::pod(self.job, index, replaced, name));
        if self.made == 0
            && let Err(why) = admitted(&pod)
        {
            self.refusals.note(&why, self.view, self.plan);
            return false;
        }
        self.plan.push(Action::Create(pod));
        self.plan.event(Severity::Normal, "SuccessfulCreate", message);
        self.made += 1;
        true
    }

    fn active_now(&self) -> i32 {
        self.active.len() as i32 - self.going.len() as i32 + self.made
    }

    fn terminating(&self) -> i32 {
        let before = self.pods.iter().filter(|pod| pods::is_terminating(pod)).count();
        (before + self.going.len()) as i32
    }

    fn is_complete(&self) -> bool {
        let wanted = self.spec.completions.unwrap_or(1);
        self.succeeded >= wanted && self.active_now() == 0
    }

    /// Takes the finalizer off every pod that is settled, and counts those that failed.
    fn count(&mut self, verdict: Option<&Verdict>) {
        let mut failed = self.status.failed.unwrap_or(0);
        for pod in self.pods.iter().filter(|pod| pods::is_tracked(pod)) {
            if verdict.is_none() && self.going.iter().any(|gone| std::ptr::eq(*gone, *pod)) {
                // What the Job has no use for is no failure.
                self.plan.push(Action::Put(pods::counted(pod).into()));
                continue;
            }
            let is_failed = pods::is_failed(pod, self.spec);
            let is_settled = verdict.is_some()
                || self.job.metadata.deletion_timestamp.is_some()
                || pods::succeeded(pod)
                || (is_failed && !self.is_waiting(pod));
            if !is_settled {
                continue;
            }
            // When the Job has failed, a pod that still runs has failed with it.
            let fails = is_failed || verdict.is_some_and(|verdict| !verdict.succeeded);
            let has_index = self.indexed.as_ref().is_none_or(|i| i.index_of(pod).is_some());
            if fails && !pods::succeeded(pod) && has_index && self.counts_as_failed(pod) {
                failed += 1;
                if pod.metadata.deletion_timestamp.is_some() {
                    self.deleted = Some(Tally::and(self.deleted, pods::finished_at(pod)));
                }
            }
            self.plan.push(Action::Put(pods::counted(pod).into()));
        }
        self.status.failed = nonzero(failed);
        self.status.succeeded = nonzero(self.succeeded);
        if let Some(indexed) = &self.indexed {
            let completed = indexed.succeeded.to_string();
            self.status.completed_indexes = Some(completed).filter(|text| !text.is_empty());
            self.status.failed_indexes = indexed.failed.as_ref().map(ToString::to_string);
        }
    }

    fn is_waiting(&self, pod: &Pod) -> bool {
        let waiting = self.indexed.iter().flat_map(|indexed| indexed.waiting.values());
        waiting.into_iter().any(|one| std::ptr::eq(*one, pod))
    }

    /// After `count`, whose writes of the same pods know nothing of their deletion.
    fn dismiss(&mut self) {
        for pod in &self.going {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            self.plan.event(Severity::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"));
            self.plan.push(Action::Delete(key(Kind::Pod, &pod.metadata)));
        }
    }

    fn note_suspension(&mut self) {
        let (is, reason, message, event) = match self.is_suspended() {
            true => (true, "JobSuspended", "Job suspended", "Suspended"),
            false => (false, "JobResumed", "Job resumed", "Resumed"),
        };
        if conditions::ensure(&mut self.status, "Suspended", is, reason, message, self.now) {
            self.plan.event(Severity::Normal, event, message);
        }
    }

    /// Announces the end, and declares it once no pod is left: `true` then.
    fn conclude(&mut self, verdict: &Verdict) -> bool {
        let (reason, message) = (verdict.reason, &verdict.message);
        conditions::ensure(&mut self.status, verdict.target(), true, reason, message, self.now);
        if self.terminating() > 0 {
            return false;
        }
        conditions::ensure(&mut self.status, verdict.end(), true, reason, message, self.now);
        if verdict.succeeded {
            self.status.completion_time = Some(Time(self.now));
        }
        true
    }

    /// Writes the status if it changed, and tells of the end.
    fn write(mut self, ended: Option<Verdict>) {
        let ready = self.active.iter().filter(|pod| {
            pods::is_ready(pod) && !self.going.iter().any(|gone| std::ptr::eq(*gone, **pod))
        });
        self.status.ready = Some(ready.count() as i32);
        // Kubernetes says that none is active while one that is missing has to wait, whatever runs.
        self.status.active = nonzero(if self.backs_off { 0 } else { self.active_now() });
        self.status.terminating = Some(self.terminating());
        self.status.uncounted_terminated_pods = Some(UncountedTerminatedPods::default());
        let before = self.job.status.as_ref();
        let mut metadata = self.refusals.written(&self.job.metadata);
        if let Some(deleted) = self.deleted.filter(|_| ended.is_none()) {
            deleted.write(metadata.to_mut(), backoff::DELETED);
        }
        if before == Some(&self.status) && *metadata == self.job.metadata {
            return;
        }
        let ready_before = before.and_then(|status| status.ready).unwrap_or(0);
        let rises = ready_before == 0 && self.status.ready > Some(0);
        let (metadata, spec) = (metadata.into_owned(), self.job.spec.clone());
        let job = Job { metadata, spec, status: Some(self.status) };
        if (ended.is_some() || rises)
            && let Some(run) = record::run(&job, &self.pods, self.view.now)
        {
            self.plan.push(Action::Record(run));
        }
        let too_many = job.status.as_ref().and_then(|status| status.succeeded)
            > self.spec.completions
            && self.spec.completions.is_some();
        self.plan.push(Action::Put(job.into()));
        // After the end, `ttlSecondsAfterFinished` is to be looked at.
        self.plan.is_settled = ended.is_none();
        if let Some(ended) = ended {
            tell(self.plan, &ended, too_many);
        }
    }
}

const TOO_MANY: &str = "Too many succeeded pods running after completion count reached";

/// `recordJobFinished`
fn tell(plan: &mut Plan, ended: &Verdict, too_many: bool) {
    if !ended.succeeded {
        return plan.event(Severity::Warning, ended.reason, ended.message.clone());
    }
    if too_many {
        plan.event(Severity::Warning, "TooManySucceededPods", TOO_MANY);
    }
    plan.event(Severity::Normal, "Completed", "Job completed");
}

/// The Job's pods from now on: it takes in what matches its selector and no one owns, and lets go
/// what no longer matches (`getPodsForJob`).
fn claimed(job: &Job, spec: &JobSpec, view: &View, plan: &mut Plan) -> Vec<Object> {
    let Some(selector) = &spec.selector else { return view.owned.to_vec() };
    let controller = Controller { kind: Kind::Job, meta: &job.metadata, selector };
    controller.claim(Kind::Pod, view, plan, |_| true)
}

fn pods_of<'a>(objects: &'a [Object]) -> Vec<&'a Pod> {
    let pod = |object: &'a Object| match object {
        Object::Pod(pod) => Some(pod.as_ref()),
        _ => None,
    };
    objects.iter().filter_map(pod).collect()
}

fn key(kind: Kind, meta: &ObjectMeta) -> Key {
    let of = |field: &Option<String>| field.clone().unwrap_or_default();
    Key::new(kind, &of(&meta.namespace), &of(&meta.name))
}

/// Kubernetes leaves a count of nothing away.
fn nonzero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}
