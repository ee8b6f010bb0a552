//! A world of objects in a map: scripts change it, plans answer, and the answers are written down.

use cronlet_api::cron_job::timing::keep_records;
use cronlet_api::job::defaults::prepare_create;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockStep, ClockSteps, Down, SignedDuration, Timestamp};
use cronlet_plan::controllers::controller::{adopts, is_orphan};
use cronlet_plan::controllers::{cron_job, job};
use cronlet_plan::plan::{Action, EventDraft, Lookup, Plan, Severity, View};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Runs the commands of a script and compares what the plans answered with the answers in it.
pub fn check(objects: &[Value], script: &str) {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    let script: Vec<&str> = lines.collect();
    let mut world = World::new("2026-11-23T11:07:02Z".parse().expect("an instant"));
    let mut told = Vec::new();
    for object in objects {
        world.add(object.clone());
    }
    world.settle();
    told.append(&mut world.told);
    for command in script.iter().filter(|line| !line.starts_with('>')) {
        told.push((*command).to_owned());
        world.obey(command);
        world.settle();
        told.append(&mut shortened(&mut world.told));
    }
    let (want, got) = (script.join("\n"), told.join("\n"));
    assert!(want == got, "wanted:\n{want}\n\ngot:\n{got}\n");
}

/// Many slots that are skipped alike are one line.
fn shortened(lines: &mut Vec<String>) -> Vec<String> {
    let skipped = |line: &str| {
        let (_, why) = line.strip_prefix("> run ")?.split_once(' ')?;
        why.starts_with("Skipped").then(|| why.to_owned())
    };
    let mut short: Vec<String> = Vec::new();
    let mut alike = 0;
    for line in std::mem::take(lines) {
        let same = skipped(&line).is_some()
            && short.last().map(|last| skipped(last)) == Some(skipped(&line));
        if same {
            alike += 1;
            continue;
        }
        if alike > 0 {
            short.push(format!("> and {alike} more"));
            alike = 0;
        }
        short.push(line);
    }
    short
}

pub struct World {
    pub objects: BTreeMap<Key, Object>,
    pub now: Timestamp,
    start: Timestamp,
    settings: Settings,
    steps: ClockSteps,
    stopping: bool,
    seed: Seed,
    dirty: BTreeSet<Key>,
    wakes: BTreeMap<Key, Timestamp>,
    /// Names of pods in the order of their making: a script calls them #1, #2, ...
    pods: Vec<String>,
    shown: BTreeMap<Key, String>,
    pub told: Vec<String>,
}

struct Map<'a>(&'a BTreeMap<Key, Object>);

impl Lookup for Map<'_> {
    fn get(&self, key: &Key) -> Option<Object> {
        self.0.get(key).cloned()
    }

    fn list(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }

    fn orphans(&self, kind: Kind, _: &str) -> Vec<Object> {
        self.0.values().filter(|one| one.kind() == kind && is_orphan(one)).cloned().collect()
    }
}

impl World {
    pub fn new(start: Timestamp) -> World {
        World {
            objects: BTreeMap::new(),
            now: start,
            start,
            settings: Settings::default(),
            steps: ClockSteps::default(),
            stopping: false,
            seed: Seed::new(1),
            dirty: BTreeSet::new(),
            wakes: BTreeMap::new(),
            pods: Vec::new(),
            shown: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// Creates an object as the API server would; the defaults that plans rely on are in the
    /// manifest or here.
    pub fn add(&mut self, mut object: Value) {
        let kind = Kind::from_name(object["kind"].as_str().expect("a kind")).expect("a known kind");
        object["metadata"]["namespace"] = json!("default");
        if kind == Kind::Job {
            let spec = object["spec"].as_object_mut().expect("a spec");
            if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
                spec.insert("completions".into(), json!(1));
            }
        }
        let json = serde_json::to_vec(&object).expect("JSON");
        self.create(kind.read_json(&json).expect("an object"));
    }

    fn create(&mut self, mut object: Object) {
        if self.objects.contains_key(&object.key()) {
            return;
        }
        if object.kind() == Kind::Pod {
            self.pods.push(object.name().to_owned());
        }
        let (uid, now) = (self.seed.uid(), self.now);
        let meta = object.meta_mut();
        meta.uid = Some(uid);
        meta.creation_timestamp = Some(Time(now));
        if let Object::Job(job) = &mut object {
            prepare_create(Arc::make_mut(job));
        }
        self.put(object);
    }

    pub fn put(&mut self, object: Object) {
        let key = object.key();
        self.touch(&object);
        if is_orphan(&object) {
            let jobs = self.objects.iter().filter(|(_, one)| adopts(one, &object));
            self.dirty.extend(jobs.map(|(key, _)| key.clone()));
        }
        self.dirty.insert(key.clone());
        self.objects.insert(key, object);
    }

    fn touch(&mut self, object: &Object) {
        for owner in object.meta().owner_references.iter().flatten() {
            let kind = Kind::from_name(&owner.kind).expect("a known kind");
            self.dirty.insert(Key::new(kind, "default", &owner.name));
        }
    }

    fn delete(&mut self, key: &Key) {
        let Some(mut object) = self.objects.get(key).cloned() else { return };
        if key.kind == Kind::Pod {
            let until = self.now + SignedDuration::from_secs(30);
            let meta = object.meta_mut();
            meta.deletion_timestamp = Some(Time(until));
            meta.deletion_grace_period_seconds = Some(30);
            return self.put(object);
        }
        self.touch(&object);
        self.objects.remove(key);
        self.wakes.remove(key);
        for owned in self.owned(&object) {
            self.objects.remove(&owned.key());
        }
    }

    fn owned(&self, owner: &Object) -> Vec<Object> {
        let owned = self.objects.values().filter(|one| one.controller_uid() == Some(owner.uid()));
        owned.cloned().collect()
    }

    fn plan(&self, object: &Object) -> Plan {
        let (owned, others) = (self.owned(object), Map(&self.objects));
        let view = View {
            now: self.now,
            steps: &self.steps,
            settings: &self.settings,
            owned: &owned,
            lookup: &others,
            stopping: self.stopping,
        };
        match object {
            Object::CronJob(cron_job) => cron_job::plan::plan(cron_job, &view),
            Object::Job(job) => job::plan::plan(job, &view),
            _ => Plan::default(),
        }
    }

    /// Plans until nothing changes, and once more: then no plan may ask for anything.
    pub fn settle(&mut self) {
        for round in 0.. {
            let Some(key) = self.dirty.pop_last() else { break };
            assert!(round < 1000, "plans go in circles at {key}");
            let Some(object) = self.objects.get(&key).cloned() else { continue };
            let plan = self.plan(&object);
            self.wakes.remove(&key);
            self.wakes.extend(plan.wake_at.map(|at| (key, at)));
            for action in plan.actions {
                self.carry_out(action);
            }
        }
        for object in self.objects.values() {
            let again = self.plan(object).actions;
            let is_noise = |action: &Action| match action {
                Action::Event(note) => ["UnexpectedJob", "UnparseableSchedule", "UnknownTimeZone"]
                    .contains(&note.reason),
                _ => false,
            };
            assert!(again.iter().all(is_noise), "{} again: {again:?}", object.key());
        }
        self.show();
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Create(object) => self.create(object),
            Action::Put(object) => {
                assert_ne!(
                    self.objects.get(&object.key()),
                    Some(&object),
                    "a Put that changes nothing"
                );
                self.put(object);
            }
            Action::Delete(key) => {
                self.tell(&format!("delete {}", key.name));
                self.delete(&key);
            }
            Action::DeleteAfterOwned(key) => {
                self.tell(&format!("delete {} after its pods", key.name));
                self.delete(&key);
            }
            Action::Event(EventDraft { severity, reason, message, .. }) => {
                let warning = if severity == Severity::Warning { "Warning " } else { "" };
                self.tell(&format!("{warning}{reason}: {message}"));
            }
            Action::Record(run) => {
                let manual = if run.manual { " by hand" } else { "" };
                let exit = run.exit_code.map(|code| format!(" exit {code}")).unwrap_or_default();
                let tries = match run.attempts {
                    0 => String::new(),
                    tries => format!(" tries {tries}"),
                };
                let why = if run.message.is_empty() { "" } else { ": " };
                let slot = run.scheduled.strftime("%H:%M:%S");
                self.tell(&format!(
                    "run {slot}{manual} {:?}{exit}{tries}{why}{}",
                    run.outcome, run.message
                ));
            }
            Action::Remove | Action::Order(_) => panic!("not for these kinds: {action:?}"),
        }
    }

    fn tell(&mut self, line: &str) {
        let mut line = format!("> {line}");
        for (index, name) in self.pods.iter().enumerate() {
            line = line.replace(name, &format!("#{}", index + 1));
        }
        // Created pods are told of before they are made, in order.
        if let Some(name) = line.strip_prefix("> SuccessfulCreate: Created pod: ")
            && !name.starts_with('#')
        {
            line = format!("> SuccessfulCreate: Created pod: #{}", self.pods.len() + 1);
        }
        // Long lines go on in the next.
        while let Some(at) = line.get(..80).and_then(|start| start.rfind(' ')) {
            let rest = line.split_off(at);
            self.told.push(std::mem::replace(&mut line, format!(">  {rest}")));
        }
        self.told.push(line);
    }

    /// Tells of each Job's and CronJob's status where it has changed.
    fn show(&mut self) {
        for (key, object) in self.objects.clone() {
            let text = match &object {
                Object::Job(job) => show_job(job, self.start),
                Object::CronJob(cron_job) => show_cron_job(cron_job),
                _ => continue,
            };
            if self.shown.get(&key) != Some(&text) {
                self.tell(&text);
                self.shown.insert(key, text);
            }
        }
    }

    /// One line of a script.
    pub fn obey(&mut self, command: &str) {
        let has_json = command.starts_with("set ") || command.starts_with("patch ");
        let words: Vec<&str> = match has_json {
            true => command.splitn(3, ' ').collect(),
            false => command.split(' ').collect(),
        };
        match words[..] {
            ["run", pod] => self.set_status(pod, running(self.now)),
            ["exit", pod, code] => {
                let code = code.parse().expect("an exit code");
                self.set_status(pod, exited(self.now, code));
            }
            ["restarts", pod, count] => {
                let mut status = running(self.now);
                let count: i32 = count.parse().expect("a count");
                status["containerStatuses"][0]["restartCount"] = json!(count);
                self.set_status(pod, status);
            }
            ["condition", pod, kind] => {
                let mut status = exited(self.now, 137);
                status["conditions"] = json!([{"type": kind, "status": "True"}]);
                self.set_status(pod, status);
            }
            ["owner", pod] => {
                let object = &self.objects[&self.pod_key(pod)];
                let owners = object.meta().owner_references.iter().flatten();
                let names: Vec<&str> = owners.map(|owner| owner.name.as_str()).collect();
                let finalizers = object.meta().finalizers.clone().unwrap_or_default();
                let line = format!("{pod} of [{}] {}", names.join(", "), finalizers.join(" "));
                self.tell(line.trim());
            }
            ["stopped", pod] => {
                let key = self.pod_key(pod);
                let pod = self.objects.remove(&key).expect("a pod");
                assert_eq!(pod.meta().finalizers, None, "an uncounted pod is held back");
                self.touch(&pod);
            }
            ["delete", "pod", pod] => self.delete(&self.pod_key(pod)),
            ["delete", "job", name] => self.delete(&Key::new(Kind::Job, "default", name)),
            ["create", "job", name, "--from", cron_job] => {
                let job = cron_job::jobs::manual(&self.cron_job(cron_job), name.to_owned());
                self.create(job.into());
            }
            ["trigger", name] => self.trigger(name, false),
            ["trigger", name, "--force"] => self.trigger(name, true),
            ["boot"] => {
                self.settings.booted_at = Some(self.now);
                self.settings.loaded_at = None;
                self.dirty.extend(self.objects.keys().cloned());
            }
            ["loaded"] => {
                self.settings.loaded_at = Some(self.now);
                self.dirty.extend(self.objects.keys().cloned());
            }
            ["stopping"] => self.stopping = true,
            ["wait", time] => self.wait(time),
            ["step", by] => self.step(by, true),
            ["step", by, "unseen"] => self.step(by, false),
            ["down", time] => self.down(time, true),
            ["crash", time] => self.down(time, false),
            ["set", target, patch] => self.set(target, patch),
            ["patch", target, patch] => self.edit(target, |json| merge(json, parse(patch))),
            _ => panic!("no such command: {command}"),
        }
    }

    fn trigger(&mut self, name: &str, force: bool) {
        let cron_job = self.cron_job(name);
        let object = Object::from(cron_job.clone());
        let (owned, others) = (self.owned(&object), Map(&self.objects));
        let view = View {
            now: self.now,
            steps: &self.steps,
            settings: &self.settings,
            owned: &owned,
            lookup: &others,
            stopping: self.stopping,
        };
        match cron_job::plan::trigger(&cron_job, &view, force) {
            Ok((_, actions)) => actions.into_iter().for_each(|action| self.carry_out(action)),
            Err(why) => self.tell(&format!("refused: {why}")),
        }
    }

    /// `wait 10s`: to then at once, as after a downtime. `wait due`: to the next wake of a plan.
    fn wait(&mut self, time: &str) {
        if time == "due" {
            let next = self.wakes.values().min().copied().expect("something is due");
            let waited = next.duration_since(self.now);
            self.tell(&format!("after {}s", waited.as_secs()));
            self.now = next;
        } else {
            // Who steps the clock, and does not only wait, makes the engine plan everything.
            if time.starts_with('-') {
                self.dirty.extend(self.objects.keys().cloned());
            }
            self.now += time.parse::<SignedDuration>().expect("a duration");
        }
        let due: Vec<Key> = self
            .wakes
            .iter()
            .filter(|(_, at)| **at <= self.now)
            .map(|(key, _)| key.clone())
            .collect();
        self.dirty.extend(due);
    }

    /// The clock is set; unseen, by a clock that began again elsewhere.
    fn step(&mut self, by: &str, is_seen: bool) {
        let by: SignedDuration = by.parse().expect("a duration");
        let by_milliseconds = by.as_millis().try_into().expect("it is short");
        if is_seen {
            self.steps.push(ClockStep { from: self.now, by_milliseconds });
        }
        self.now += by;
        if !is_seen {
            self.steps.set_back_unseen(self.now);
        }
        self.dirty.extend(self.objects.keys().cloned());
    }

    /// No daemon runs for so long.
    fn down(&mut self, time: &str, was_stopped: bool) {
        let from = self.now;
        self.now += time.parse::<SignedDuration>().expect("a duration");
        self.settings.down = Some(Down { from, to: self.now, was_stopped });
        self.dirty.extend(self.objects.keys().cloned());
    }

    /// `set job/x {"suspend":true}`: a patch of the spec; of the annotations where it begins with
    /// `@`.
    fn set(&mut self, target: &str, patch: &str) {
        let (part, patch) = match patch.strip_prefix('@') {
            Some(patch) => ("/metadata", json!({"annotations": parse(patch)})),
            None => ("/spec", parse(patch)),
        };
        self.edit(target, |json| {
            let part = json.pointer_mut(part).and_then(Value::as_object_mut).expect("an object");
            part.extend(patch.as_object().expect("an object").clone());
        });
    }

    /// `target` is `job/x`, or `pod/#1`.
    fn edit(&mut self, target: &str, change: impl FnOnce(&mut Value)) {
        let (kind, name) = target.split_once('/').expect("kind/name");
        let kind = Kind::from_name(kind).expect("a known kind");
        let key = match kind {
            Kind::Pod => self.pod_key(name),
            _ => Key::new(kind, "default", name),
        };
        let old = self.objects.get(&key).expect("an object").clone();
        let mut json = serde_json::to_value(&old).expect("JSON");
        change(&mut json);
        let mut new = kind.read_json(&serde_json::to_vec(&json).expect("JSON")).expect("an object");
        if let (Object::CronJob(old), Object::CronJob(new)) = (&old, &mut new) {
            keep_records(old, Arc::make_mut(new), self.now);
        }
        self.touch(&old);
        self.put(new);
    }

    fn pod_key(&self, pod: &str) -> Key {
        let nth: usize =
            pod.strip_prefix('#').and_then(|n| n.parse().ok()).expect("a pod's number");
        Key::new(Kind::Pod, "default", &self.pods[nth - 1])
    }

    pub fn cron_job(&self, name: &str) -> CronJob {
        match self.objects.get(&Key::new(Kind::CronJob, "default", name)) {
            Some(Object::CronJob(cron_job)) => (**cron_job).clone(),
            _ => panic!("no CronJob {name}"),
        }
    }

    fn set_status(&mut self, pod: &str, status: Value) {
        let key = self.pod_key(pod);
        let mut json = serde_json::to_value(&self.objects[&key]).expect("JSON");
        json["status"] = status;
        let json = serde_json::to_vec(&json).expect("JSON");
        self.put(Kind::Pod.read_json(&json).expect("a pod"));
    }
}

/// JSON Merge Patch: null takes a field away.
fn merge(value: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else { return *value = patch };
    for (name, patch) in fields {
        match patch {
            Value::Null => drop(value.as_object_mut().expect("an object").remove(&name)),
            patch => merge(&mut value[name], patch),
        }
    }
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

fn running(now: Timestamp) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [{
            "name": "main", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }],
    })
}

fn exited(now: Timestamp, code: i32) -> Value {
    json!({
        "phase": if code == 0 { "Succeeded" } else { "Failed" },
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": now}],
        "containerStatuses": [{
            "name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}},
        }],
    })
}

fn show_job(job: &Job, start: Timestamp) -> String {
    let name = job.metadata.name.as_deref().expect("a name");
    let Some(status) = &job.status else { return format!("job {name}:") };
    let JobStatus { active, ready, succeeded, failed, terminating, .. } = status;
    let mut text = format!("job {name}:");
    let counts = [
        ("active", *active),
        ("ready", ready.filter(|ready| *ready > 0)),
        ("terminating", terminating.filter(|terminating| *terminating > 0)),
        ("succeeded", *succeeded),
        ("failed", *failed),
    ];
    for (name, count) in counts {
        text += &count.map(|count| format!(" {name}={count}")).unwrap_or_default();
    }
    let texts = [
        ("completedIndexes", &status.completed_indexes),
        ("failedIndexes", &status.failed_indexes),
    ];
    for (name, value) in texts {
        text += &value.as_ref().map(|value| format!(" {name}={value}")).unwrap_or_default();
    }
    let times = [("start", &status.start_time), ("end", &status.completion_time)];
    for (name, time) in times {
        let since = |time: &Time| time.0.duration_since(start).as_secs();
        text += &time.as_ref().map(|time| format!(" {name}=+{}s", since(time))).unwrap_or_default();
    }
    for condition in status.conditions.iter().flatten() {
        let not = if condition.status == "True" { "" } else { "!" };
        text += &format!(" {not}{}:{}", condition.type_, condition.reason.as_deref().unwrap_or(""));
    }
    text
}

fn show_cron_job(cron_job: &CronJob) -> String {
    let name = cron_job.metadata.name.as_deref().expect("a name");
    let Some(status) = &cron_job.status else { return format!("cronjob {name}:") };
    let mut text = format!("cronjob {name}:");
    let active = status.active.iter().flatten().filter_map(|one| one.name.as_deref());
    let active: Vec<&str> = active.collect();
    if !active.is_empty() {
        text += &format!(" active={}", active.join(","));
    }
    let times = [("last", &status.last_schedule_time), ("success", &status.last_successful_time)];
    for (name, time) in times {
        let show = |time: &Time| format!(" {name}={}", time.0.strftime("%H:%M:%S"));
        text += &time.as_ref().map(show).unwrap_or_default();
    }
    text
}
