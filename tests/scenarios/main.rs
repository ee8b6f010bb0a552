//! The recorded scenarios of a real Kubernetes, replayed end to end: kubectl's commands against a
//! real daemon whose containers are programs of this host.
//!
//! Compared are the order of states of each object, its conditions, counts and revisions, the
//! events, and what commands answer. A difference is named with its reason, or fails the test.

mod cluster;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod history;
mod recording;
mod replay;
mod words;

use replay::{EXACT, Known, check};

fn has_kubectl() -> bool {
    common::has(&[("kubectl", common::program("kubectl"))])
}

/// What is known to differ, by recording; all others are replayed exactly.
const DIFFERENT: &[(&str, Known)] = &[
    (
        "pod-crashloop",
        Known { differs: &[("kubectl logs crash --previous: says", LOG_KEPT)], may_differ: &[] },
    ),
    (
        "resize-restart",
        Known {
            differs: &[
                ("kubectl logs p --previous: says", LOG_KEPT),
                ("-o jsonpath={.status}: says", "its times; as a state it is compared"),
            ],
            may_differ: &[],
        },
    ),
    (
        "watch-kubectl",
        Known {
            differs: &[(
                "timeout 14 kubectl get pods -w",
                "a pod is made and bound in one commit, and its watchers see one state of it",
            )],
            may_differ: &[],
        },
    ),
    (
        "hostport",
        Known {
            differs: &[
                (
                    "didn't have free ports for the requested pod ports.",
                    "what follows names the pod that has the port",
                ),
                (
                    "hostPort: has no effect",
                    "it leads to no other port here, and a warning says so",
                ),
            ],
            may_differ: &[],
        },
    ),
    (
        "ds-rolling",
        Known { differs: &[("ControllerRevision/", "they were not watched")], may_differ: &[] },
    ),
    (
        "grace",
        Known {
            differs: &[(
                "Pod/q: was",
                "a forced deletion keeps the name until the program has ended",
            )],
            may_differ: &[],
        },
    ),
    (
        "probe-liveness",
        Known {
            differs: &[],
            may_differ: &[
                (
                    r#""state":["waiting","CrashLoopBackOff""#,
                    "the kills come as often as the first wait is long, ten seconds: whether one \
                     of them waits hangs on milliseconds",
                ),
                (" BackOff: ", "goes with that wait"),
                ("kubectl get pods: says", "goes with that wait"),
            ],
        },
    ),
    (
        "deploy-rolling",
        Known {
            differs: &[],
            may_differ: &[
                ("/web-hash<1>-<4>", AGES),
                ("/web-hash<1>-<5>", AGES),
                ("/web-hash<1>-<6>", AGES),
                ("Deleted pod: web-hash<1>-<", AGES),
            ],
        },
    ),
    (
        "kubectl-misc",
        Known {
            differs: &[
                ("kubectl exec one", "exec is not served yet"),
                (
                    "kubectl top pod",
                    "what pods use is served here; the recorded cluster had no metrics",
                ),
            ],
            may_differ: &[],
        },
    ),
];

/// Recordings whose Pods all listen on one port of the host here.
const NEEDS_NETWORKS: &str = "networks of pods, in which many listen on one port; EndpointSlices";

const LOG_KEPT: &str =
    "the container runtime of the recording had removed the log; here it is kept";

const AGES: &str = "which of like pods goes first hangs on their ages, in powers of two, and \
                    then on their uids; the recorded ones had grown older";

/// Recordings that are not replayed, and what they wait for.
const NOT_YET: &[(&str, &str)] = &[
    ("hpa", "HorizontalPodAutoscaler"),
    ("readiness-gate", "EndpointSlices"),
    ("server-side", "server-side apply with owners of fields"),
    ("sts-headless", NEEDS_NETWORKS),
    ("svc-endpoints", "EndpointSlices, and exec, by which its one change is made"),
    ("svc-flap", "exec, and EndpointSlices"),
    ("svc-rolling", NEEDS_NETWORKS),
];

#[test]
fn what_is_named_is_recorded() {
    let recorded = common::recorded_scenarios();
    let named = DIFFERENT.iter().map(|(name, _)| name).chain(NOT_YET.iter().map(|(name, _)| name));
    named.for_each(|name| assert!(recorded.iter().any(|one| one == name), "{name}"));
    NOT_YET.iter().for_each(|(name, why)| println!("{name} is not replayed: it waits for {why}"));
}

/// All at once, each on a daemon of its own: they mostly wait, `cron-history` for four minutes.
/// `CRONLET_SCENARIO=NAME` replays one.
#[test]
fn scenarios_are_as_recorded() {
    if !has_kubectl() {
        return;
    }
    let mut names = common::recorded_scenarios();
    match std::env::var("CRONLET_SCENARIO") {
        Ok(wanted) => names.retain(|name| *name == wanted),
        Err(_) => names.retain(|name| NOT_YET.iter().all(|(not_yet, _)| name != not_yet)),
    }
    assert!(!names.is_empty(), "there is no such scenario");
    let play = |name: String| {
        let known = DIFFERENT.iter().find(|(different, _)| *different == name);
        let known = known.map_or(&EXACT, |(_, known)| known);
        (name.clone(), std::thread::spawn(move || check(&name, known)))
    };
    let played: Vec<_> = names.into_iter().map(play).collect();
    let failed = played.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name));
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// What the daemon makes by itself is there when it says that it is ready.
#[test]
fn a_ready_daemon_shows_its_node() {
    for _ in 0..5 {
        let mut daemon = common::daemon::Daemon::prepare();
        daemon.start();
        let nodes = daemon.get(&["nodes"]);
        assert_eq!(nodes["items"].as_array().map(Vec::len), Some(1), "{nodes}");
    }
}
