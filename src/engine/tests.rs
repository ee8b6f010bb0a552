//! What one turn does, and what it leaves to the next.

use super::*;
use crate::store::{Disk, FileDisk};
use cronlet_api::settings::Limits;
use cronlet_api::time::Down;
use cronlet_plan::plan::{EventDraft, Severity};
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn minutely(name: &str) -> Object {
    let text = serde_json::json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]
        }}}}}
    });
    serde_json::from_value::<CronJob>(text).expect("a CronJob").into()
}

fn of_twenty_pods(name: &str) -> Object {
    let Object::CronJob(mut cron_job) = minutely(name) else { unreachable!("it is a CronJob") };
    let spec = &mut Arc::make_mut(&mut cron_job).spec.job_template.spec;
    let spec = spec.as_mut().expect("a template");
    (spec.parallelism, spec.completions) = (Some(20), Some(20));
    Object::CronJob(cron_job)
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub(super) fn engine_in(folder: &tempfile::TempDir) -> Engine {
    let store = Store::open(FileDisk::new(&folder.path().join("state.redb"))).expect("opens");
    let engine = Engine::new(store, Settings::default(), Seed::new(1), Vec::new());
    engine.expect("an engine")
}

/// An engine with these objects, made half a minute before 00:01.
fn engine_with(objects: Vec<Object>) -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = engine_in(&folder);
    let create = |object| Event::Request { id: 0, request: Request::Create(object) };
    let made = engine.handle(objects.into_iter().map(create).collect(), at("2026-01-15T00:00:30Z"));
    assert_eq!(made.expect("a turn").wake_at, Some(at("2026-01-15T00:01:00Z")));
    (folder, engine)
}

/// The CronJobs whose pods are started.
fn started(effects: &Effects) -> Vec<String> {
    let pods = effects.orders.iter().filter_map(|order| match order {
        Order::Start(launch) => launch.pod.rsplitn(3, '-').nth(2).map(str::to_owned),
        _ => None,
    });
    let mut pods: Vec<String> = pods.collect();
    pods.sort();
    pods
}

/// A disk that can be taken away: nothing is written, and it cannot be opened again.
#[derive(Clone)]
struct Removable {
    path: std::path::PathBuf,
    is_away: Arc<std::sync::atomic::AtomicBool>,
}

impl Removable {
    fn is_away(&self) -> std::io::Result<()> {
        match self.is_away.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(std::io::Error::from_raw_os_error(5)),
            false => Ok(()),
        }
    }

    fn take_away(&self, is_away: bool) {
        self.is_away.store(is_away, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Disk for Removable {
    fn open(&self) -> Result<redb::Database, redb::DatabaseError> {
        self.is_away().map_err(redb::StorageError::Io)?;
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&self.path);
        let file = redb::backends::FileBackend::new(file.map_err(redb::StorageError::Io)?)?;
        crate::store::builder().create_with_backend(Watched { file, disk: self.clone() })
    }
}

/// An open file on it.
struct Watched {
    file: redb::backends::FileBackend,
    disk: Removable,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl redb::StorageBackend for Watched {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.disk.is_away().and_then(|()| self.file.read(offset, out))
    }
    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.disk.is_away().and_then(|()| self.file.set_len(length))
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.disk.is_away().and_then(|()| self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.disk.is_away().and_then(|()| self.file.write(offset, data))
    }
}

#[test]
fn no_turn_is_taken_until_the_store_is_open_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Removable { path: folder.path().join("s"), is_away: Arc::default() };
    let store = Store::open(disk.clone()).expect("opens");
    let engine = Engine::new(store, Settings::default(), Seed::new(1), Vec::new());
    let mut engine = engine.expect("an engine");
    let create = Event::Request { id: 0, request: Request::Create(minutely("c")) };
    engine.handle(vec![create.clone()], at("2026-01-15T00:00:30Z")).expect("a turn");
    disk.take_away(true);
    let (slot, later) = (at("2026-01-15T00:01:00Z"), at("2026-01-15T00:01:03Z"));
    assert!(engine.handle(Vec::new(), slot).is_err(), "the run cannot be committed");
    // None of these has anything to write: each would succeed, and wait for nothing.
    let step = ClockStep { from: slot, by_milliseconds: 2000 };
    assert!(engine.handle(vec![Event::ClockStepped(step)], later).is_err());
    assert!(engine.handle(Vec::new(), later).is_err());
    assert!(engine.handle_ahead(later).expect("it is not tried").is_none());
    disk.take_away(false);
    let effects = engine.handle(Vec::new(), later).expect("a turn");
    assert_eq!(started(&effects), ["c"]);
    assert_eq!(effects.wake_at, Some(at("2026-01-15T00:02:00Z")));
    assert_ne!(engine.steps, ClockSteps::default(), "what happened meanwhile was kept");
}

#[test]
fn many_that_are_due_at_once_start_over_several_turns() {
    let name = |number: usize| format!("job-{number:03}");
    let names: Vec<String> = (0..DUE_PER_TURN_MAX * 2 + 10).map(name).collect();
    let (_folder, mut engine) = engine_with(names.iter().map(|name| minutely(name)).collect());
    let slot = at("2026-01-15T00:01:00Z");
    for part in names.chunks(DUE_PER_TURN_MAX) {
        let effects = engine.handle(Vec::new(), slot).expect("a turn");
        assert_eq!(started(&effects), part);
        assert_eq!(effects.wake_at == Some(slot), part.last() != names.last());
    }
}

#[test]
fn what_is_certain_is_decided_ahead_and_once() {
    let forbids = |name: &str| match minutely(name) {
        Object::CronJob(mut cron_job) => {
            Arc::make_mut(&mut cron_job).spec.concurrency_policy = Some("Forbid".into());
            Object::CronJob(cron_job)
        }
        other => other,
    };
    let (_folder, mut engine) = engine_with(vec![minutely("allows"), forbids("forbids")]);
    let (first, second) = (at("2026-01-15T00:01:00Z"), at("2026-01-15T00:02:00Z"));
    let mut check = |slot: Timestamp, ahead: &[&str], wake: Timestamp| {
        let effects = engine.handle_ahead(slot).expect("a turn").expect("something is certain");
        assert_eq!(started(&effects), ahead);
        assert_eq!(effects.wake_at, Some(wake));
        assert!(engine.handle_ahead(slot).expect("a turn").is_none(), "{slot}");
        started(&engine.handle(Vec::new(), slot).expect("a turn"))
    };
    assert_eq!(check(first, &["allows", "forbids"], second), [""; 0]);
    // The runs go on. Whether the one ends until the slot is not known before, so its plan waits.
    assert_eq!(check(second, &["allows"], second), [""; 0]);
}

#[test]
fn who_makes_others_is_planned_once_for_all_of_them() {
    let (_folder, mut engine) = engine_with(vec![of_twenty_pods("many")]);
    let effects = engine.handle(Vec::new(), at("2026-01-15T00:01:00Z")).expect("a turn");
    assert_eq!(effects.orders.len(), 20);
    let plans = |kind| {
        let of_kind = engine.turn.plans.iter().filter(|(key, _)| key.kind == kind);
        of_kind.map(|(_, plans)| *plans).collect::<Vec<u32>>()
    };
    assert_eq!(plans(Kind::CronJob), [2]);
    assert_eq!(plans(Kind::Job), [2]);
    assert_eq!(plans(Kind::Pod), [3; 20]);
}

/// What the Events of each object say, as they are listed.
fn told(engine: &Engine) -> BTreeMap<String, Vec<(String, i32)>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for object in engine.reader().list(Kind::Event, None).0 {
        let Object::Event(event) = object else { unreachable!("Events were listed") };
        let about = event.involved_object.name.clone().unwrap_or_default();
        let message = event.message.clone().unwrap_or_default();
        told.entry(about).or_default().push((message, event.count.unwrap_or(0)));
    }
    told
}

#[test]
fn events_of_an_object_are_listed_as_they_were_said() {
    let (_folder, mut engine) = engine_with(vec![of_twenty_pods("many")]);
    let effects = engine.handle(Vec::new(), at("2026-01-15T00:01:00Z")).expect("a turn");
    let mut said: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for LoggedEvent { about, note, count } in effects.notes {
        said.entry(about.name.to_string()).or_default().push((note.message.clone(), count));
    }
    assert!(said.values().any(|notes| notes.len() >= 20), "the Job tells of each pod");
    assert_eq!(told(&engine), said);
}

#[test]
fn a_warning_that_is_said_again_is_counted_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let warn = |engine: &mut Engine, message: &str, now: &str| {
        engine.begin_turn(at(now));
        let about = minutely("a");
        let (severity, reason) = (Severity::Warning, "FailedCreate");
        let (message, field_path) = (message.to_owned(), String::new());
        let note = EventDraft { severity, reason, message, field_path };
        engine.note(&about.key(), &about, note);
        engine.decide(false).expect("a turn");
    };
    let mut engine = engine_in(&folder);
    warn(&mut engine, "z", "2026-01-15T00:00:00Z");
    warn(&mut engine, "a", "2026-01-15T00:00:00Z");
    warn(&mut engine, "z", "2026-01-15T00:00:01Z");
    engine.begin_turn(at("2026-01-15T00:00:01Z"));
    let theirs = serde_json::json!({"metadata": {"name": "b.ffffffffffffffff", "namespace": "x"}});
    engine.store.put(serde_json::from_value::<core::Event>(theirs).expect("an Event").into());
    engine.decide(false).expect("a turn");
    drop(engine);
    // The clock was set back meanwhile: what is new is told after what was.
    let mut engine = engine_in(&folder);
    warn(&mut engine, "a", "2026-01-14T00:00:02Z");
    warn(&mut engine, "b", "2026-01-14T00:00:02Z");
    let want = [("z", 2), ("a", 2), ("b", 1)].map(|(message, count)| (message.to_owned(), count));
    assert_eq!(told(&engine)["a"], want);
}

#[test]
fn a_clock_that_was_set_back_while_nobody_looked_has_no_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    let passed = |engine: &Engine| {
        engine.steps.elapsed(at("2026-01-15T00:00:50Z"), at("2026-01-15T00:01:30Z")).as_secs()
    };
    let step = ClockStep { from: at("2026-01-15T00:01:00Z"), by_milliseconds: -2000 };
    let events = vec![Event::ClockStepped(step)];
    let starts = [
        (at("2026-01-15T00:00:58Z"), events, 42),
        (at("2026-01-15T00:01:10Z"), Vec::new(), 42),
        (at("2026-01-15T00:00:10Z"), Vec::new(), 40),
        // It reads that time once more.
        (at("2026-01-15T00:01:10Z"), Vec::new(), 40),
    ];
    for (now, events, want) in starts {
        let mut engine = engine_in(&folder);
        engine.handle(events, now).expect("a turn");
        assert_eq!(passed(&engine), want, "{now}");
    }
}

#[test]
fn a_host_that_is_called_otherwise_is_another_node() {
    let (_folder, mut engine) = engine_with(vec![minutely("a")]);
    let mut ready_as = |name: &str, now: &str| {
        let settings = Settings { node_name: name.to_owned(), ..Settings::default() };
        engine.handle(vec![Event::Settings(Box::new(settings))], at(now)).expect("a turn");
        let nodes = engine.reader().list(Kind::Node, None).0.into_iter().map(|object| {
            let Object::Node(node) = object else { unreachable!("Nodes were listed") };
            let conditions = node.status.as_ref().and_then(|status| status.conditions.clone());
            let [ready] = &conditions.unwrap_or_default()[..] else { panic!("one condition") };
            let since = ready.last_transition_time.as_ref().map(|time| time.0);
            (node.metadata.name.clone().unwrap_or_default(), ready.status.clone(), since)
        });
        nodes.collect::<Vec<_>>()
    };
    let node =
        |name: &str, status: &str, since: &str| (name.into(), status.into(), Some(at(since)));
    let (made, home, away) =
        ("2026-01-15T00:00:30Z", "2026-01-15T00:00:31Z", "2026-01-15T00:00:32Z");
    let first = Settings::default().node_name;
    assert_eq!(ready_as(&first, home), [node(&first, "True", made)]);
    let both = [node("away", "True", away), node(&first, "Unknown", away)];
    assert_eq!(ready_as("away", away), both);
    let back = "2026-01-15T00:00:33Z";
    let again = [node("away", "Unknown", back), node(&first, "True", back)];
    assert_eq!(ready_as(&first, back), again);
}

#[test]
fn a_changed_config_map_concerns_the_pods_that_mount_it() {
    let (folder, _) = engine_with(vec![minutely("a")]);
    let mut engine = engine_in(&folder);
    let map = |value: &str| -> Object {
        let json = serde_json::json!({"metadata": {"name": "cm", "namespace": "default"},
            "data": {"a": value}});
        serde_json::from_value::<core::ConfigMap>(json).expect("a ConfigMap").into()
    };
    let pod = |name: &str, volume: serde_json::Value| -> Object {
        let json = serde_json::json!({
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"volumes": [volume], "containers": [{"name": "main", "image": "x",
                "command": ["run"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}});
        serde_json::from_value::<core::Pod>(json).expect("a Pod").into()
    };
    let waits = pod("mounts", serde_json::json!({"name": "v", "configMap": {"name": "cm"}}));
    let other = pod("other", serde_json::json!({"name": "v", "emptyDir": {}}));
    let turn = |engine: &mut Engine, requests: Vec<Request>, reports: Vec<Report>| {
        let asked = requests.into_iter().map(|request| Event::Request { id: 0, request });
        let events = asked.chain(reports.into_iter().map(Event::Report)).collect();
        let effects = engine.handle(events, at("2026-01-15T00:00:31Z")).expect("a turn");
        let refused = effects.replies.iter().find_map(|(_, reply)| reply.as_ref().err());
        assert!(refused.is_none(), "{refused:?}");
        let planned = engine.turn.plans.keys().filter(|key| key.kind == Kind::Pod);
        let mut planned: Vec<String> = planned.map(|key| key.name.to_string()).collect();
        planned.sort();
        (planned, effects.orders)
    };
    let started = |order: &Order| match order {
        Order::Start(launch) => Some(Report {
            pod_uid: launch.pod_uid.clone(),
            container: launch.container.clone(),
            attempt: 0,
            event: cronlet_plan::order::ContainerEvent::Started {
                id: "cronlet://1".into(),
                pid: 1,
                at: at("2026-01-15T00:00:31Z"),
                post_start: cronlet_plan::order::HookState::Done,
            },
        }),
        _ => None,
    };
    let both = vec![Request::Create(waits), Request::Create(other)];
    let (_, orders) = turn(&mut engine, both, Vec::new());
    let others: Vec<Report> = orders.iter().filter_map(started).collect();
    assert_eq!(others.len(), 1, "one waits for its map");
    turn(&mut engine, Vec::new(), others);
    let (planned, orders) = turn(&mut engine, vec![Request::Create(map("1"))], Vec::new());
    let reports: Vec<Report> = orders.iter().filter_map(started).collect();
    assert_eq!((&planned[..], reports.len()), (&["mounts".to_owned()][..], 1));
    turn(&mut engine, Vec::new(), reports);
    let (planned, orders) = turn(&mut engine, vec![Request::Update(map("2"))], Vec::new());
    assert_eq!(planned, ["mounts"]);
    assert!(matches!(&orders[..], [Order::Refresh { .. }]), "{orders:?}");
}

fn labelled(object: &Object, label: &str) -> Object {
    let mut object = object.clone();
    object.meta_mut().labels = Some([(label.to_owned(), String::new())].into());
    object
}

/// Carries out the requests in one turn and those that it asks for at once: the numbers of those
/// that each turn granted, and of those that it refused.
fn granted(engine: &mut Engine, requests: Vec<Request>) -> Vec<(Vec<u64>, Vec<u64>)> {
    let now = at("2026-01-15T00:00:31Z");
    let mut events: Vec<Event> =
        (0..).zip(requests).map(|(id, request)| Event::Request { id, request }).collect();
    let mut turns = Vec::new();
    loop {
        let effects = engine.handle(std::mem::take(&mut events), now).expect("a turn");
        for (_, reply) in &effects.replies {
            let Ok(object) = reply else { continue };
            let committed = engine.reader().get(&object.key());
            assert!(committed.is_none_or(|committed| committed == *object));
        }
        let (yes, no): (Vec<_>, Vec<_>) = effects.replies.iter().partition(|(_, r)| r.is_ok());
        let ids = |replies: Vec<&(u64, _)>| replies.into_iter().map(|(id, _)| *id).collect();
        turns.push((ids(yes), ids(no)));
        if effects.wake_at != Some(now) {
            return turns;
        }
    }
}

#[test]
fn requests_see_the_versions_of_those_before_them() {
    let (_folder, mut engine) = engine_with(vec![minutely("a"), minutely("b")]);
    let [a, b] = ["a", "b"].map(|name| engine.reader().get(&minutely(name).key()).expect("it is"));
    let free = |object: &Object, label: &str| {
        let mut object = labelled(object, label);
        object.meta_mut().resource_version = None;
        object
    };
    let status = |object: &Object| {
        let Object::CronJob(mut cron_job) = object.clone() else { unreachable!("it is one") };
        let status = Arc::make_mut(&mut cron_job).status.get_or_insert_default();
        status.last_successful_time = Some(Time(at("2026-01-15T00:00:00Z")));
        Object::CronJob(cron_job)
    };
    let delete = |object: &Object| {
        let resource_version = object.meta().resource_version.clone();
        let options = DeleteOptions { resource_version, ..DeleteOptions::default() };
        Request::Delete { key: object.key(), options }
    };
    let requests = vec![
        Request::Update(labelled(&a, "first")),
        Request::Update(labelled(&a, "second")),
        Request::UpdateStatus(status(&a)),
        Request::Update(labelled(&b, "first")),
        Request::Apply { object: free(&a, "third"), dry_run: false },
        delete(&a),
        Request::Update(free(&a, "fourth")),
        Request::Update(b.clone()),
    ];
    let turns = granted(&mut engine, requests);
    let want = [(vec![0, 3], vec![]), (vec![4], vec![1, 2, 7]), (vec![6], vec![5])];
    assert_eq!(turns, want);
    // What a turn decided and did not write yet counts, too; and what changes nothing is no change.
    let a = engine.reader().get(&a.key()).expect("it is there");
    engine.store.put(labelled(&a, "plan"));
    assert_eq!(granted(&mut engine, vec![delete(&a)]), [(vec![], vec![]), (vec![], vec![0])]);
    let a = engine.reader().get(&a.key()).expect("it is there");
    let same = vec![Request::Update(a.clone()), Request::Update(a.clone())];
    assert_eq!(granted(&mut engine, same), [(vec![0, 1], vec![])]);
}

#[test]
fn a_start_finds_out_how_long_no_daemon_ran_and_how_the_clock_was_set() {
    let clock = |id: &str, wall_minus_boot_seconds: i64| BootClock {
        id: id.to_owned(),
        wall_minus_boot_milliseconds: wall_minus_boot_seconds * 1000,
    };
    // A life of the daemon: its boot, its first turn, its last one; then what it finds: since when
    // none had run, whether that one was stopped, and how far the clock was set, in seconds.
    type Life<'a> = (BootClock, &'a str, &'a str, Option<(&'a str, bool)>, i64);
    let check = |lives: &[Life]| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sum = 0;
        for (boot_clock, first, last, down, step) in lives {
            let mut engine = engine_in(&folder);
            engine.settings.boot_clock = Some(boot_clock.clone());
            engine.handle(Vec::new(), at(first)).expect("a turn");
            let want =
                down.map(|(from, was_stopped)| Down { from: at(from), to: at(first), was_stopped });
            assert_eq!(engine.settings.down, want, "{first}");
            let steps = serde_json::to_value(&engine.steps).expect("plain data");
            let all = steps["steps"].as_array().expect("an array").iter();
            let by: i64 = all.filter_map(|step| step["by_milliseconds"].as_i64()).sum();
            assert_eq!(by - sum, step * 1000, "{first}");
            sum = by;
            if !last.is_empty() {
                engine.handle(vec![Event::Quiesce], at(last)).expect("a turn");
            }
        }
    };
    let day = "2026-12-01T10:00:00Z";
    let stopped = "2026-12-01T10:05:00Z";
    check(&[
        (clock("a", 0), day, stopped, None, 0),
        (clock("a", 0), "2026-12-01T10:07:00Z", "", Some((stopped, true)), 0),
        // Killed, and another boot of the host.
        (clock("b", 500), "2026-12-01T11:00:00Z", "", Some(("2026-12-01T10:07:00Z", false)), 0),
    ]);
    // Within one boot: the clock was set by an hour, which is no time that passed.
    check(&[
        (clock("a", 0), day, stopped, None, 0),
        (clock("a", 3600), "2026-12-01T11:07:00Z", "", Some(("2026-12-01T11:05:00Z", true)), 3600),
    ]);
    // A year in which this program was not written yet, and another boot.
    check(&[
        (clock("a", 0), "2020-01-01T00:00:00Z", "", None, 0),
        (
            clock("b", 0),
            "2026-12-01T00:00:00Z",
            "",
            Some(("2026-12-01T00:00:00Z", false)),
            218_246_400,
        ),
    ]);
    // Set back over a boot: nobody can know by how much.
    check(&[
        (clock("a", 0), day, stopped, None, 0),
        (clock("b", 0), "2026-12-01T09:00:00Z", "", None, 0),
    ]);
}

/// Each start of the daemon is another engine on the same disk.
#[test]
fn a_boot_is_due_once_however_often_the_daemon_starts_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let at_boot = |name: &str| {
        let Object::CronJob(mut cron_job) = minutely(name) else { unreachable!("it is a CronJob") };
        let annotations = &mut Arc::make_mut(&mut cron_job).metadata.annotations;
        let schedule = ("cronlet.dev/schedule".to_owned(), "@reboot".to_owned());
        annotations.get_or_insert_default().extend([schedule]);
        let request = Request::Create(Object::CronJob(cron_job));
        Event::Request { id: 0, request }
    };
    let start = |booted_at: &str, now: &str, events: Vec<Event>, want: &[&str]| {
        let settings = Settings { booted_at: Some(at(booted_at)), ..Settings::default() };
        let store = Store::open(FileDisk::new(&folder.path().join("state.redb"))).expect("opens");
        let mut engine =
            Engine::new(store, settings.clone(), Seed::new(1), Vec::new()).expect("an engine");
        let later = at(now) + SignedDuration::from_secs(1);
        let loaded = vec![Event::Loaded, Event::Settings(Box::new(settings))];
        for (events, now) in [(events, at(now)), (loaded, at(now)), (vec![at_boot("late")], later)]
        {
            engine.handle(events, now).expect("a turn");
        }
        let jobs = engine.reader().list(Kind::Job, None).0;
        let names = jobs.iter().map(|job| job.meta().name.clone().unwrap_or_default());
        let runs: Vec<String> =
            names.filter_map(|name| Some(name.rsplit_once('-')?.0.to_owned())).collect();
        assert_eq!(runs, want, "{now}");
    };
    let first = "2026-01-15T00:00:00Z";
    start(first, "2026-01-15T00:06:00Z", vec![at_boot("a")], &["a"]);
    start(first, "2026-01-15T00:07:00Z", vec![at_boot("b")], &["a"]);
    start("2026-01-15T01:00:00Z", "2026-01-15T01:06:00Z", Vec::new(), &["a", "a", "b", "late"]);
}

#[test]
fn the_history_holds_its_limits_at_every_moment() {
    let (_folder, mut engine) = engine_with(vec![minutely("a"), minutely("b")]);
    let limits = |runs: u32, days: u32| {
        let history = cronlet_api::settings::HistorySettings { runs, days };
        Event::Settings(Box::new(Settings { history, ..Settings::default() }))
    };
    let runs = |engine: &Engine, of: &str| engine.reader().runs(None, Some(of)).len();
    engine.handle(vec![limits(3, 90)], at("2026-01-15T00:00:40Z")).expect("a turn");
    for minute in 1..12 {
        let slot = at("2026-01-15T00:00:00Z") + SignedDuration::from_mins(minute);
        engine.handle(Vec::new(), slot).expect("a turn");
        let want = usize::try_from(minute).expect("it is small").min(3);
        assert_eq!(["a", "b"].map(|name| runs(&engine, name)), [want; 2], "{slot}");
    }
    // Smaller limits are in force a few turns later, also for what runs no more.
    let later = at("2026-01-15T00:11:30Z");
    let delete = Request::Delete { key: minutely("b").key(), options: DeleteOptions::default() };
    let events = vec![limits(2, 90), Event::Request { id: 0, request: delete }];
    let mut wake = engine.handle(events, later).expect("a turn").wake_at;
    while wake == Some(later) {
        wake = engine.handle(Vec::new(), later).expect("a turn").wake_at;
    }
    assert_eq!(["a", "b"].map(|name| runs(&engine, name)), [2, 2]);
    // The age counts, too.
    let much_later = at("2026-01-17T00:00:30Z");
    let mut wake = engine.handle(vec![limits(2, 1)], much_later).expect("a turn").wake_at;
    while wake == Some(much_later) {
        wake = engine.handle(Vec::new(), much_later).expect("a turn").wake_at;
    }
    assert_eq!(runs(&engine, "b"), 0);
    assert!(runs(&engine, "a") <= 2);
}

/// A pod as a manifest has it, with these fields in its spec.
fn pod(name: &str, more: &[(&str, &str)]) -> Object {
    let mut text = serde_json::json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "busybox", "command": ["true"]}]},
    });
    more.iter().for_each(|(field, value)| text["spec"][*field] = (*value).into());
    serde_json::from_value::<core::Pod>(text).expect("a pod").into()
}

fn asked(engine: &mut Engine, request: Request, now: &str) -> Effects {
    engine.handle(vec![Event::Request { id: 0, request }], at(now)).expect("a turn")
}

fn found(engine: &Engine, name: &str) -> Option<Arc<core::Pod>> {
    match engine.reader().get(&Key::new(Kind::Pod, "default", name))? {
        Object::Pod(pod) => Some(pod),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_of_another_host_waits_and_holds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = engine_in(&folder);
    let other = pod("other", &[("nodeName", "some-other-host")]);
    let effects = asked(&mut engine, Request::Create(other.clone()), "2026-01-15T00:00:00Z");
    assert!(effects.orders.is_empty(), "{:?}", effects.orders);
    let status = found(&engine, "other").expect("it is there").status.clone().expect("a status");
    assert_eq!((status.phase.as_deref(), status.pod_ip), (Some("Pending"), None));
    let why = "spec.nodeName is \"some-other-host\", and this host is \"localhost\"";
    assert_eq!(status.message.as_deref(), Some(why));
    assert_eq!(told(&engine)["other"], [(why.to_owned(), 1)]);
    // Nothing of it has to end first.
    let options = DeleteOptions::default();
    let delete = Request::Delete { key: other.key(), options };
    let effects = asked(&mut engine, delete, "2026-01-15T00:00:01Z");
    assert!(found(&engine, "other").is_none() && effects.orders.is_empty());
}

#[test]
fn a_host_that_is_called_otherwise_keeps_its_pods() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = engine_in(&folder);
    asked(&mut engine, Request::Create(pod("first", &[])), "2026-01-15T00:00:00Z");
    let settings = Settings { node_name: "away".to_owned(), ..Settings::default() };
    let events = vec![Event::Settings(Box::new(settings))];
    engine.handle(events, at("2026-01-15T00:00:01Z")).expect("a turn");
    asked(&mut engine, Request::Create(pod("second", &[])), "2026-01-15T00:00:02Z");
    let here = |name| found(&engine, name).expect("it is there").status.clone().expect("a status");
    for name in ["first", "second"] {
        assert!(here(name).start_time.is_some() && here(name).message.is_none(), "{name}");
    }
}

fn engine_that_keeps(folder: &tempfile::TempDir, terminated_pods: u32) -> Engine {
    let store = Store::open(FileDisk::new(&folder.path().join("state.redb"))).expect("opens");
    let limits = Limits { terminated_pods: Some(terminated_pods), ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    Engine::new(store, settings, Seed::new(1), Vec::new()).expect("an engine")
}

/// The runtime says nothing of it: its status is written by hand.
fn end(engine: &mut Engine, name: &str, phase: &str, reason: &str, now: &str) {
    let mut ended = found(engine, name).expect("it is there");
    let status = Arc::make_mut(&mut ended).status.get_or_insert_default();
    status.phase = Some(phase.to_owned());
    status.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    asked(engine, Request::UpdateStatus(Object::Pod(ended)), now);
}

/// Evicted pods go first, then the oldest.
#[test]
fn ended_pods_are_kept_up_to_a_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = engine_that_keeps(&folder, 2);
    let mut make = |name: &str, second: u32, reason: &str| {
        let now = format!("2026-01-15T00:00:{second:02}Z");
        asked(&mut engine, Request::Create(pod(name, &[])), &now);
        end(&mut engine, name, "Failed", reason, &now);
        let pods = engine.reader().list(Kind::Pod, None).0;
        let kept = pods.iter().filter(|pod| !pod.is_going()).map(|pod| pod.name().to_owned());
        kept.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(make("a", 1, ""), "a");
    assert_eq!(make("b", 2, "Evicted"), "a b");
    assert_eq!(make("c", 3, ""), "a c");
    assert_eq!(make("d", 4, ""), "c d");
    assert_eq!(make("e", 5, "Evicted"), "c d");
}

/// A Job counts its pod before it is collected; what the history limits of a CronJob keep is not.
#[test]
fn ended_pods_of_cron_jobs_are_kept_by_their_history() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut engine = engine_that_keeps(&folder, 0);
    let job = serde_json::json!({
        "metadata": {"name": "bare", "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]}}},
    });
    let job: Object = serde_json::from_value::<batch::Job>(job).expect("a Job").into();
    let made = "2026-01-15T00:00:30Z";
    asked(&mut engine, Request::Create(job.clone()), made);
    asked(&mut engine, Request::Create(minutely("daily")), made);
    engine.handle(Vec::new(), at("2026-01-15T00:01:00Z")).expect("a turn");
    let pods = engine.reader().list(Kind::Pod, None).0;
    let names: Vec<String> = pods.iter().map(|pod| pod.name().to_owned()).collect();
    assert_eq!(names.len(), 2);
    names.iter().for_each(|name| end(&mut engine, name, "Succeeded", "", "2026-01-15T00:01:01Z"));
    let going = |name: &String| {
        found(&engine, name).expect("it is there").metadata.deletion_timestamp.is_some()
    };
    assert_eq!(names.iter().map(going).collect::<Vec<bool>>(), [true, false], "{names:?}");
    let Some(Object::Job(job)) = engine.reader().get(&job.key()) else { panic!("no Job") };
    assert_eq!(job.status.as_ref().and_then(|status| status.succeeded), Some(1));
}
