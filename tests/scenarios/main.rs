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

use replay::{Scenario, check};

fn has_kubectl() -> bool {
    common::has(&[("kubectl", common::program("kubectl"))])
}

const SCENARIOS: &[Scenario] = &[
    as_recorded("job-complete"),
    as_recorded("job-fail-never"),
    as_recorded("job-indexed"),
    as_recorded("job-suspend-resume"),
    as_recorded("pod-init-sidecar"),
    as_recorded("cron-forbid"),
    as_recorded("cron-history"),
    as_recorded("deploy-pause"),
    as_recorded("deploy-stuck"),
    Scenario {
        name: "pod-crashloop",
        differs: &[(
            "kubectl logs crash --previous: says",
            "the container runtime of the recording had removed the log; here it is kept",
        )],
        may_differ: &[],
    },
    Scenario {
        name: "probe-liveness",
        differs: &[],
        may_differ: &[
            (
                r#""state":["waiting","CrashLoopBackOff""#,
                "the kills come as often as the first wait is long, ten seconds: whether one of \
                 them waits hangs on milliseconds",
            ),
            (" BackOff: ", "goes with that wait"),
            ("kubectl get pods: says", "goes with that wait"),
        ],
    },
    Scenario {
        name: "deploy-rolling",
        differs: &[],
        may_differ: &[
            ("/web-hash<1>-<4>", AGES),
            ("/web-hash<1>-<5>", AGES),
            ("/web-hash<1>-<6>", AGES),
            ("Deleted pod: web-hash<1>-<", AGES),
        ],
    },
    as_recorded("sts-rolling"),
    Scenario {
        name: "kubectl-misc",
        differs: &[
            ("kubectl exec one", "exec is not served yet"),
            (
                "kubectl top pod",
                "what pods use is served here; the recorded cluster had no metrics",
            ),
        ],
        may_differ: &[],
    },
];

const AGES: &str = "which of like pods goes first hangs on their ages, in powers of two, and \
                    then on their uids; the recorded ones had grown older";

const fn as_recorded(name: &'static str) -> Scenario {
    Scenario { name, differs: &[], may_differ: &[] }
}

/// Recordings that are not replayed, and what they wait for.
const NOT_YET: &[(&str, &str)] = &[(
    "svc-endpoints",
    "EndpointSlices, and exec, by which its one change is made; how its Deployment rises is \
         replayed in deploy-rolling",
)];

#[test]
fn every_recording_is_replayed_or_named() {
    let Some(folder) = common::oracle("scenarios") else { return };
    let files = std::fs::read_dir(folder).expect("a readable folder").flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut recorded: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
    recorded.sort();
    let mut known: Vec<&str> = SCENARIOS.iter().map(|one| one.name).collect();
    known.extend(NOT_YET.iter().map(|(name, _)| name));
    known.sort();
    assert_eq!(recorded, known);
    NOT_YET.iter().for_each(|(name, why)| println!("{name} is not replayed: it waits for {why}"));
}

/// All at once, each on a daemon of its own: they mostly wait, `cron-history` for four minutes.
/// `CRONLET_SCENARIO=NAME` replays one.
#[test]
fn scenarios_are_as_recorded() {
    if !has_kubectl() {
        return;
    }
    let play = |one: &'static Scenario| (one.name, std::thread::spawn(|| check(one)));
    let wanted = std::env::var("CRONLET_SCENARIO").ok();
    let is_wanted = |one: &&Scenario| wanted.as_deref().is_none_or(|name| name == one.name);
    let played: Vec<_> = SCENARIOS.iter().filter(is_wanted).map(play).collect();
    assert!(!played.is_empty(), "there is no scenario {wanted:?}");
    let failed = played.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name));
    let failed: Vec<&str> = failed.collect();
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
