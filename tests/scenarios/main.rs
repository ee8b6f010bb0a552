//! The recorded scenarios of a real Kubernetes, replayed end to end: kubectl's commands against a
//! real daemon whose containers are programs of this host.
//!
//! Compared are the order of states of each object, its conditions, counts and revisions, the
//! events, and what commands answer. A difference is named with its reason, or fails the test.

mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod history;
mod recording;
mod replay;
mod words;

use replay::check;

fn has_kubectl() -> bool {
    common::has(&[("kubectl", common::program("kubectl"))])
}

/// Name of the scenario, and differences by a part of their words, each with its reason.
type Scenario = (&'static str, &'static [(&'static str, &'static str)]);

const SCENARIOS: &[Scenario] = &[
    ("job-complete", &[]),
    ("job-fail-never", &[]),
    ("job-indexed", &[]),
    ("job-suspend-resume", &[]),
    (
        "pod-crashloop",
        &[
            (
                "kubectl get pods: says",
                "the kubelet shows for seconds as Error what waits; here it waits at once",
            ),
            (
                r#""restartCount":3,"started":false,"state":["waiting","CrashLoopBackOff""#,
                "the recording ends before this wait is seen",
            ),
            (
                "kubectl logs crash --previous: says",
                "the container runtime of the recording had removed the log; here it is kept",
            ),
        ],
    ),
    ("pod-init-sidecar", &[]),
    ("cron-forbid", &[]),
    ("cron-history", &[]),
    (
        "kubectl-misc",
        &[
            ("kubectl exec one", "exec is not served yet"),
            ("kubectl create -f -: says", "unchecked by kubectl, the manifest fails as a pod"),
        ],
    ),
];

/// Recordings that are not replayed, and what they wait for.
const NOT_YET: &[(&str, &str)] = &[
    ("deploy-pause", "the Deployment's and the ReplicaSet's plan"),
    ("deploy-rolling", "the Deployment's and the ReplicaSet's plan"),
    ("deploy-stuck", "the Deployment's and the ReplicaSet's plan, and probes"),
    ("probe-liveness", "probes"),
    ("sts-rolling", "the StatefulSet's plan"),
    ("svc-endpoints", "Services"),
];

#[test]
fn every_recording_is_replayed_or_named() {
    let Some(folder) = common::oracle("scenarios") else { return };
    let files = std::fs::read_dir(folder).expect("a readable folder").flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut recorded: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".jsonl")?.to_owned())).collect();
    recorded.sort();
    let mut known: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
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
    let play =
        |(name, named): &'static Scenario| (*name, std::thread::spawn(|| check(name, named)));
    let wanted = std::env::var("CRONLET_SCENARIO").ok();
    let is_wanted = |(name, _): &&Scenario| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let played: Vec<_> = SCENARIOS.iter().filter(is_wanted).map(play).collect();
    assert!(!played.is_empty(), "there is no scenario {wanted:?}");
    let failed = played.into_iter().filter_map(|(name, thread)| thread.join().err().map(|_| name));
    let failed: Vec<&str> = failed.collect();
    assert!(failed.is_empty(), "{failed:?}");
}
