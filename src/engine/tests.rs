//! What one turn does, and what it leaves to the next.

use super::*;
use crate::store::FileDisk;
use k8s_openapi::api::batch::v1::CronJob;

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

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

/// An engine with these objects, made half a minute before 00:01.
fn engine_with(objects: Vec<Object>) -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(FileDisk::new(&folder.path().join("state.redb"))).expect("opens");
    let engine = Engine::new(store, Settings::default(), Seed::new(1), Vec::new());
    let mut engine = engine.expect("a fresh engine");
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
