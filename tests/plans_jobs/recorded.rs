//! The recorded scenarios of a real Kubernetes, replayed: the pods (or Jobs) do what they did
//! there, the plans of their owner answer here, and the owner's statuses and events are those that
//! Kubernetes wrote.

use crate::common;
use cronlet_api::cron_job::timing::keep_records;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, SignedDuration, Timestamp};
use cronlet_plan::controllers::{cron_job, job};
use cronlet_plan::plan::{Action, Lookup, View};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[test]
fn jobs_are_as_recorded() {
    for scenario in ["job-complete", "job-fail-never", "job-indexed", "job-suspend-resume"] {
        check(scenario, Kind::Job, Kind::Pod);
    }
}

#[test]
fn cron_jobs_are_as_recorded() {
    for scenario in ["cron-forbid", "cron-history"] {
        check(scenario, Kind::CronJob, Kind::Job);
    }
}

/// Every status that Kubernetes wrote is one that the plans wrote, in the same order, and the last
/// is the last. Here there are more of them: Kubernetes waits a second for more news. And the
/// events are the same ones.
fn check(scenario: &str, owner: Kind, owned: Kind) {
    let lines: Vec<Value> = common::recording(&format!("scenarios/{scenario}.jsonl"));
    let mut replay = Replay::new(&lines, owner, owned);
    replay.run();
    let mut ours = replay.statuses.iter();
    for status in &replay.recorded {
        let found = ours.any(|one| one == status);
        assert!(found, "{scenario}: {status:#} is not in {:#?}", replay.statuses);
    }
    assert_eq!(replay.statuses.last(), replay.recorded.last(), "{scenario}: the end");
    assert!(replay.recorded.len() > 1, "{scenario} has statuses to compare");
    assert_eq!(replay.events, recorded_events(&lines, owner), "{scenario}");
}

/// Reasons and messages about the owner, each once.
fn recorded_events(lines: &[Value], owner: Kind) -> BTreeSet<String> {
    let events = lines.iter().map(|line| &line["object"]).filter(|object| {
        object["kind"] == "Event" && object["involvedObject"]["kind"] == owner.info().kind
    });
    let text = |event: &Value| {
        let word = |field: &str| event[field].as_str().expect("a text").to_owned();
        format!("{} {}: {}", word("type"), word("reason"), word("message"))
    };
    events.map(text).collect()
}

struct Replay<'a> {
    lines: &'a [Value],
    owner_kind: Kind,
    owned_kind: Kind,
    owner: Option<Object>,
    owned: BTreeMap<String, Object>,
    /// Pods that our plan has counted, Jobs that it has deleted.
    counted: BTreeSet<String>,
    deleted: BTreeSet<String>,
    wake_at: Option<Timestamp>,
    statuses: Vec<Value>,
    recorded: Vec<Value>,
    events: BTreeSet<String>,
}

struct Nothing;

impl Lookup for Nothing {
    fn get(&self, _: &Key) -> Option<Object> {
        None
    }

    fn list(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }

    fn orphans(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }
}

impl<'a> Replay<'a> {
    fn new(lines: &'a [Value], owner_kind: Kind, owned_kind: Kind) -> Replay<'a> {
        Replay {
            lines,
            owner_kind,
            owned_kind,
            owner: None,
            owned: BTreeMap::new(),
            counted: BTreeSet::new(),
            deleted: BTreeSet::new(),
            wake_at: None,
            statuses: Vec::new(),
            recorded: Vec::new(),
            events: BTreeSet::new(),
        }
    }

    fn run(&mut self) {
        for line in self.lines {
            let now = self.wall(line);
            while let Some(wake_at) = self.wake_at.filter(|wake_at| *wake_at <= now) {
                self.wake_at = None;
                self.plan(wake_at);
            }
            let object = &line["object"];
            let Some(kind) = object["kind"].as_str().and_then(Kind::from_name) else { continue };
            if kind == self.owner_kind {
                if line["type"] == "DELETED" {
                    return;
                }
                self.follow_owner(object, now);
            } else if kind == self.owned_kind && self.owner.is_some() {
                self.follow_owned(line["type"] == "DELETED", object);
            } else {
                continue;
            }
            self.plan(now);
        }
    }

    /// The wall time of a line, at most a second late: the owner was made in this second.
    fn wall(&self, line: &Value) -> Timestamp {
        let kind = self.owner_kind.info().kind;
        let made =
            self.lines.iter().find(|line| line["object"]["kind"] == kind).expect("the owner");
        let created = made["object"]["metadata"]["creationTimestamp"].as_str().expect("a time");
        let created: Timestamp = created.parse().expect("a time");
        let since = line["t"].as_f64().expect("seconds") - made["t"].as_f64().expect("seconds");
        created + SignedDuration::from_secs_f64(since + 1.0)
    }

    /// The user's changes are taken over; the status is ours, and the recorded one is noted.
    fn follow_owner(&mut self, object: &Value, now: Timestamp) {
        let read = |object: &Value| {
            let json = serde_json::to_vec(object).expect("JSON");
            self.owner_kind.read_json(&json).expect("an object")
        };
        let Some(ours) = &self.owner else {
            self.owner = Some(read(object));
            return;
        };
        let status = plain(&object["status"]);
        let is_between = object["status"]["uncountedTerminatedPods"] != json!({})
            && self.owner_kind == Kind::Job
            || announces_only(&status);
        if !is_between && self.recorded.last() != Some(&status) {
            self.recorded.push(status);
        }
        let mut edited = object.clone();
        edited["status"] = serde_json::to_value(ours).expect("JSON")["status"].clone();
        let mut edited = read(&edited);
        if let (Object::CronJob(old), Object::CronJob(new)) = (ours, &mut edited) {
            keep_records(old, Arc::make_mut(new), now);
        }
        self.owner = Some(edited);
    }

    fn follow_owned(&mut self, is_deleted: bool, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().expect("a uid").to_owned();
        let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
        if is_deleted || self.deleted.contains(&uid) {
            self.owned.remove(&name);
            return;
        }
        let mut object = object.clone();
        if self.counted.contains(&uid) {
            object["metadata"]["finalizers"] = Value::Null;
        }
        let json = serde_json::to_vec(&object).expect("JSON");
        self.owned.insert(name, self.owned_kind.read_json(&json).expect("an object"));
    }

    fn plan(&mut self, now: Timestamp) {
        for _ in 0..20 {
            let Some(owner) = self.owner.clone() else { return };
            let owned: Vec<Object> = self.owned.values().cloned().collect();
            let (steps, settings) = (ClockSteps::default(), Settings::default());
            let view = View {
                now,
                steps: &steps,
                settings: &settings,
                owned: &owned,
                lookup: &Nothing,
                stopping: false,
            };
            let plan = match &owner {
                Object::CronJob(cron_job) => cron_job::plan::plan(cron_job, &view),
                Object::Job(job) => job::plan::plan(job, &view),
                _ => unreachable!("an owner is one of these"),
            };
            self.wake_at = plan.wake_at;
            if plan.actions.is_empty() {
                return;
            }
            let mut names = BTreeMap::new();
            for action in plan.actions {
                self.carry_out(action, &mut names);
            }
        }
    }

    fn carry_out(&mut self, action: Action, names: &mut BTreeMap<String, String>) {
        match action {
            Action::Create(object) => self.bring(&object, names),
            Action::Put(object) if object.kind() == self.owner_kind => {
                let status = plain(&serde_json::to_value(&object).expect("JSON")["status"]);
                self.statuses.push(status);
                self.owner = Some(object);
            }
            Action::Put(object) => {
                self.counted.insert(object.uid().to_owned());
                self.owned.insert(object.name().to_owned(), object);
            }
            Action::Delete(key) | Action::DeleteAfterOwned(key) => {
                let gone = self.owned.remove(&*key.name).expect("what is deleted is there");
                self.deleted.insert(gone.uid().to_owned());
            }
            Action::Event(note) => {
                let mut text = format!("{:?} {}: {}", note.severity, note.reason, note.message);
                for (ours, theirs) in &*names {
                    text = text.replace(ours, theirs);
                }
                self.events.insert(text);
            }
            Action::Record(_) => {}
            Action::Remove | Action::Order(_) => panic!("not for these kinds: {action:?}"),
        }
    }

    /// What the plan makes is, but for its name, what Kubernetes made next.
    fn bring(&mut self, object: &Object, names: &mut BTreeMap<String, String>) {
        let kind = self.owned_kind.info().kind;
        let ours = serde_json::to_value(object).expect("JSON");
        let base = |object: &Value| {
            let generated = object["metadata"]["generateName"].as_str().map(str::to_owned);
            generated.unwrap_or_else(|| object["metadata"]["name"].as_str().expect("a name").into())
        };
        let is_next = |one: &&Value| {
            let uid = one["object"]["metadata"]["uid"].as_str().unwrap_or_default();
            one["type"] == "ADDED"
                && one["object"]["kind"] == kind
                && base(&one["object"]) == base(&ours)
                && !self.counted.contains(uid)
                && !self.owned.values().any(|known| known.uid() == uid)
        };
        let theirs =
            &self.lines.iter().find(is_next).expect("Kubernetes made it as well")["object"];
        compare_made(&ours, theirs);
        let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
        names.insert(name(&ours), name(theirs));
        self.follow_owned(false, theirs);
    }
}

/// Metadata that a controller sets, and a spec before admission fills it.
fn compare_made(ours: &Value, theirs: &Value) {
    let theirs_meta = &theirs["metadata"];
    for field in ["annotations", "finalizers", "generateName", "ownerReferences"] {
        assert_eq!(ours["metadata"][field], theirs_meta[field], "metadata.{field}");
    }
    if theirs["kind"] == "Pod" {
        assert_eq!(ours["metadata"]["labels"], theirs_meta["labels"], "metadata.labels");
    }
    for (field, value) in ours["spec"].as_object().expect("a spec") {
        let theirs = &theirs["spec"][field];
        if field == "template" {
            assert_eq!(value["spec"], theirs["spec"], "spec.template.spec");
        } else {
            assert_eq!(value, theirs, "spec.{field}");
        }
    }
}

/// A status without times and what hangs on the moment.
fn plain(status: &Value) -> Value {
    match status {
        Value::Object(fields) => {
            let keep = |field: &String| {
                !["resourceVersion", "uncountedTerminatedPods"].contains(&field.as_str())
            };
            let fields = fields.iter().filter(|(field, _)| keep(field));
            let value = |field: &String, value: &Value| {
                let is_moment = field.ends_with("Time") && !field.starts_with("lastSchedule");
                if is_moment { json!("a time") } else { plain(value) }
            };
            fields.map(|(field, one)| (field.clone(), value(field, one))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// Kubernetes announces the end in one write and declares it in the next.
fn announces_only(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |names: [&str; 2]| {
        conditions.iter().any(|one| names.iter().any(|name| one["type"] == **name))
    };
    has(["SuccessCriteriaMet", "FailureTarget"]) && !has(["Complete", "Failed"])
}
