//! What orders and reports leave in what is observed.

use crate::order::{
    ContainerEvent, ContainerState, Exit, HookState, Launch, Order, PodObserved, Report,
};
use cronlet_api::time::{SignedDuration, Timestamp};

fn report(observed: &mut PodObserved, attempt: u32, event: ContainerEvent) -> bool {
    let (pod_uid, container) = ("u".to_owned(), "main".to_owned());
    observed.apply_report(&Report { pod_uid, container, attempt, event })
}

fn exit(ran_seconds: i64) -> ContainerEvent {
    let started_at = Timestamp::UNIX_EPOCH;
    ContainerEvent::Exited(Exit {
        id: "cronlet://1".into(),
        code: 1,
        signal: None,
        left: 0,
        reason: "Error".into(),
        message: String::new(),
        started_at,
        finished_at: started_at + SignedDuration::from_secs(ran_seconds),
    })
}

fn started() -> ContainerEvent {
    let (id, at) = ("cronlet://1".to_owned(), Timestamp::UNIX_EPOCH);
    ContainerEvent::Started { id, pid: 7, at, post_start: HookState::Done }
}

fn start(attempt: u32) -> Order {
    let launch = serde_json::json!({"pod_uid": "u", "namespace": "", "pod": "", "container": "main",
        "attempt": attempt, "argv": [], "env": [], "working_dir": null, "user": null,
        "group": null, "groups": [], "fs_group": null, "mounts": [], "limits": {},
        "termination_message_path": "", "message_from_logs": false, "post_start": null,
        "pre_stop": null, "stop_signal": null, "read_only_root": false, "host_name": ""});
    let launch: Launch = serde_json::from_value(launch).expect("a launch");
    Order::Start(Box::new(launch))
}

#[test]
fn streaks_count_until_ten_minutes_of_running() {
    let mut observed = PodObserved::default();
    let mut streaks = Vec::new();
    for (attempt, ran_seconds) in [1, 1, 600, 601, 1].into_iter().enumerate() {
        observed.apply_order(&start(attempt as u32));
        assert!(report(&mut observed, attempt as u32, exit(ran_seconds)));
        streaks.push(observed.containers["main"].streak);
    }
    assert_eq!(streaks, [1, 2, 3, 1, 2]);
    assert!(observed.containers["main"].last.is_some());
}

#[test]
fn old_and_repeated_reports_are_no_news() {
    let mut observed = PodObserved::default();
    observed.apply_order(&start(0));
    assert!(report(&mut observed, 0, started()));
    assert!(!report(&mut observed, 0, started()));
    assert!(report(&mut observed, 0, exit(1)));
    assert!(!report(&mut observed, 0, exit(1)), "an end is an end");
    assert!(!report(&mut observed, 0, started()), "an end is an end");
    observed.apply_order(&start(1));
    assert!(!report(&mut observed, 0, exit(1)), "the attempt before");
    assert_eq!(observed.containers["main"].state, ContainerState::Starting);
    assert_eq!(observed.containers["main"].streak, 1);
    assert!(report(&mut observed, 0, ContainerEvent::Cleaned) && observed.cleaned);
    assert!(!report(&mut observed, 0, ContainerEvent::Cleaned));
}

#[test]
fn failures_count_until_another_attempt() {
    let mut observed = PodObserved::default();
    let failed = || ContainerEvent::Failed {
        reason: "RunContainerError".into(),
        message: String::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    for _ in 0..3 {
        observed.apply_order(&start(0));
        report(&mut observed, 0, failed());
    }
    assert_eq!(observed.containers["main"].failures, 3);
    report(&mut observed, 0, exit(1));
    observed.apply_order(&start(1));
    assert_eq!(observed.containers["main"].failures, 0);
}

#[test]
fn the_shortest_grace_counts() {
    let mut observed = PodObserved::default();
    let stop = |attempt, grace_seconds| Order::Stop {
        pod_uid: "u".into(),
        container: "main".into(),
        attempt,
        grace_seconds,
    };
    observed.apply_order(&start(0));
    let mut seen = Vec::new();
    for order in [stop(1, 1), stop(0, 30), stop(0, 5), stop(0, 9)] {
        observed.apply_order(&order);
        seen.push(observed.containers["main"].stopping);
    }
    assert_eq!(seen, [None, Some(30), Some(5), Some(5)]);
    report(&mut observed, 0, exit(1));
    observed.apply_order(&start(1));
    assert_eq!(observed.containers["main"].stopping, None);
}

#[test]
fn a_start_that_failed_is_counted_once_however_often_it_is_told() {
    let mut observed = PodObserved::default();
    let failed = |second| ContainerEvent::Failed {
        reason: "RunContainerError".into(),
        message: String::new(),
        at: Timestamp::from_second(second).expect("in range"),
    };
    observed.apply_order(&start(0));
    assert!(report(&mut observed, 0, failed(10)));
    assert!(!report(&mut observed, 0, failed(10)));
    assert_eq!(observed.containers["main"].failures, 1);
    observed.apply_order(&start(0));
    assert!(report(&mut observed, 0, failed(20)));
    assert_eq!(observed.containers["main"].failures, 2);
}
