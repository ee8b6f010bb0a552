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

#[test]
fn many_that_are_due_at_once_start_over_several_turns() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(FileDisk::new(&folder.path().join("state.redb"))).expect("opens");
    let engine = Engine::new(store, Settings::default(), Seed::new(1), Vec::new());
    let mut engine = engine.expect("a fresh engine");
    let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
    let slot = at("2026-01-15T00:01:00Z");
    let create = |number: usize| {
        let request = Request::Create(minutely(&format!("job-{number:03}")));
        Event::Request { id: number as u64, request }
    };
    let count = DUE_PER_TURN_MAX * 2 + 10;
    let made = engine.handle((0..count).map(create).collect(), at("2026-01-15T00:00:30Z"));
    assert_eq!(made.expect("a turn").wake_at, Some(slot));
    let mut started = Vec::new();
    for part in [DUE_PER_TURN_MAX, DUE_PER_TURN_MAX, 10] {
        let effects = engine.handle(Vec::new(), slot).expect("a turn");
        let pods = effects.orders.iter().filter_map(|order| match order {
            Order::Start(launch) => Some(launch.pod.clone()),
            _ => None,
        });
        let mut pods: Vec<String> = pods.collect();
        pods.sort();
        assert_eq!(pods.len(), part);
        started.extend(pods);
        assert_eq!(effects.wake_at == Some(slot), started.len() < count);
    }
    assert!(started.is_sorted() && started.len() == count, "{started:?}");
}
