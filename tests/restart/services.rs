//! `kill -9` of the daemon while services are rolled out, probed and scaled: it stops no container
//! that is well, starts none twice, and all ends as in a life without.

use crate::common::daemon::Daemon;
use cronlet_api::seed::Seed;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// So often the daemon dies after each step.
const KILLS_PER_STEP: usize = 3;

/// As long as a step takes, more or less, so that every part of it is met.
const BEFORE_KILL_MAX_MILLISECONDS: u64 = 400;

const STEPS: &[&[&str]] = &[
    &["set", "env", "deploy/web", "V=2"],
    &["scale", "deploy/web", "--replicas=5"],
    &["set", "env", "sts/db", "V=2"],
    &["scale", "sts/db", "--replicas=1"],
    &["rollout", "undo", "deploy/web"],
    &["scale", "deploy/web", "--replicas=2"],
    &["scale", "sts/db", "--replicas=3"],
    &["rollout", "restart", "ds/agent"],
];

/// A service whose containers write down that they start and that they are asked to stop. Its
/// probes fail for good at once: one that a death of the daemon made fail would be seen.
fn service(daemon: &Daemon, kind: &str, name: &str, replicas: i64) -> Value {
    let script = r#"
        say() { echo "$1 $NAME $UID_OF_POD" >> ledger; }
        say start; trap 'say stop; exit' TERM; while :; do sleep 0.05; done
    "#;
    let field = |name: &str, path: &str| {
        let from = json!({"fieldRef": {"fieldPath": path}});
        json!({"name": name, "valueFrom": from})
    };
    let probe = |words: &[&str]| {
        let exec = json!({"command": words});
        json!({"exec": exec, "periodSeconds": 1, "failureThreshold": 1})
    };
    let container = json!({
        "name": "main", "image": "none", "workingDir": daemon.path("home"),
        "command": ["/bin/bash", "-c", script],
        "env": [field("NAME", "metadata.labels['app']"), field("UID_OF_POD", "metadata.uid")],
        "readinessProbe": probe(&["true"]), "livenessProbe": probe(&["sleep", "0.1"]),
    });
    let mut service = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 20, "containers": [container]},
            },
        },
    });
    let spec = service["spec"].as_object_mut().expect("a map");
    match kind {
        "DaemonSet" => drop(spec.remove("replicas")),
        "StatefulSet" => drop(spec.insert("serviceName".to_owned(), json!(name))),
        _ => {}
    }
    service
}

/// What is the same in every life.
#[derive(Debug, PartialEq)]
struct End {
    /// Of each service: how many containers started and were asked to stop, ever.
    ledger: BTreeMap<String, usize>,
    /// Wanted pods of each revision of the Deployment.
    sizes: Vec<(String, i64)>,
    /// Numbers of the revisions of the others.
    revisions: Vec<(String, i64)>,
    statuses: Vec<Value>,
}

/// Lives through all steps, with the daemon killed at moments by the seed, if there is one.
fn live(seed: Option<u64>) -> End {
    let mut daemon = Daemon::prepare();
    daemon.start();
    let services = [("Deployment", "web", 3), ("Deployment", "calm", 2), ("StatefulSet", "db", 3)];
    for (kind, name, replicas) in services.into_iter().chain([("DaemonSet", "agent", 1)]) {
        let path = daemon.path("manifest.json");
        let manifest = service(&daemon, kind, name, replicas).to_string();
        std::fs::write(&path, manifest).expect("a file is written");
        daemon.tell(&["apply", "-f", path.to_str().expect("UTF-8")]);
    }
    settle(&daemon);
    let calm = pods(&daemon, "calm");
    let mut lot = seed.map(Seed::new);
    for step in STEPS {
        daemon.tell(step);
        for _ in 0..lot.as_ref().map_or(0, |_| KILLS_PER_STEP) {
            let lot = lot.as_mut().expect("there are kills by lot alone");
            std::thread::sleep(Duration::from_millis(lot.below(BEFORE_KILL_MAX_MILLISECONDS)));
            daemon.kill();
            daemon.start();
        }
        settle(&daemon);
    }
    assert_eq!(pods(&daemon, "calm"), calm, "nobody asked anything of these");
    end(&daemon)
}

/// What tells a pod, and its containers' lives, from others.
fn pods(daemon: &Daemon, app: &str) -> Vec<Value> {
    let list = daemon.get(&["pods", "-l", &format!("app={app}")]);
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let told = |pod: &Value| {
        let container = &pod["status"]["containerStatuses"][0];
        let (uid, count) = (&pod["metadata"]["uid"], &container["restartCount"]);
        json!([uid, count, container["containerID"], container["state"]])
    };
    items.iter().map(told).collect()
}

fn each(daemon: &Daemon, kind: &str) -> Vec<Value> {
    daemon.get(&[kind])["items"].as_array().cloned().unwrap_or_default()
}

/// Waits until every service has what is wanted of it and no pod goes any more.
fn settle(daemon: &Daemon) {
    let is_settled = |one: &Value| {
        let (spec, status) = (&one["spec"], &one["status"]);
        let counts: &[&str] = match one["kind"].as_str() {
            Some("DaemonSet") => {
                &["currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"]
            }
            _ => &["replicas", "updatedReplicas", "availableReplicas"],
        };
        let wanted = spec["replicas"].as_i64().unwrap_or(1);
        one["metadata"]["generation"] == status["observedGeneration"]
            && counts.iter().all(|count| status[count].as_i64() == Some(wanted))
            && status["currentRevision"] == status["updateRevision"]
    };
    daemon.until("all settles", || {
        let services: Vec<Value> =
            ["deploy", "sts", "ds"].iter().flat_map(|kind| each(daemon, kind)).collect();
        let wanted: i64 =
            services.iter().map(|one| one["spec"]["replicas"].as_i64().unwrap_or(1)).sum();
        let pods = each(daemon, "pods").len() as i64;
        (pods == wanted && services.iter().all(is_settled)).then_some(())
    });
}

fn end(daemon: &Daemon) -> End {
    let text = std::fs::read_to_string(daemon.path("home/ledger")).expect("a ledger");
    let mut lines: Vec<&str> = text.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "a container started or was stopped twice:\n{text}");
    let mut ledger = BTreeMap::new();
    for line in lines {
        let (words, _) = line.rsplit_once(' ').expect("three words");
        *ledger.entry(words.to_owned()).or_default() += 1;
    }
    let number = |value: &Value| value.as_i64().expect("a number");
    let size = |set: &Value| {
        let revision = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        let app = set["metadata"]["labels"]["app"].as_str().unwrap_or_default();
        (format!("{app} {revision}"), number(&set["spec"]["replicas"]))
    };
    let revision = |one: &Value| {
        let owner = one["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default();
        (owner.to_owned(), number(&one["revision"]))
    };
    let mut sizes: Vec<_> = each(daemon, "rs").iter().map(size).collect();
    let mut revisions: Vec<_> = each(daemon, "controllerrevisions").iter().map(revision).collect();
    sizes.sort();
    revisions.sort();
    let statuses = ["deploy", "sts", "ds"].iter().flat_map(|kind| each(daemon, kind));
    let statuses = statuses.map(|one| told(one["status"].clone())).collect();
    End { ledger, sizes, revisions, statuses }
}

/// A status without times and names, which are another life's own.
fn told(mut status: Value) -> Value {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        let fields = condition.as_object_mut().expect("a condition");
        fields.retain(|name, _| !name.ends_with("Time") && name != "message");
    }
    let fields = status.as_object_mut().expect("a status");
    fields.retain(|name, _| !name.ends_with("Revision"));
    // Conditions come in the order in which they changed last.
    if let Some(Value::Array(conditions)) = fields.get_mut("conditions") {
        conditions.sort_by_key(|one| one["type"].to_string());
    }
    status
}

/// `CRONLET_KILLS_SEED=N` lives one life.
#[test]
fn services_outlive_the_daemon() {
    let seed = std::env::var("CRONLET_KILLS_SEED").ok();
    let seeds: Vec<u64> = match seed {
        Some(seed) => vec![seed.parse().expect("a number")],
        None => vec![1, 2, 3],
    };
    let calm = std::thread::spawn(|| live(None));
    let lives: Vec<_> = seeds
        .into_iter()
        .map(|seed| (seed, std::thread::spawn(move || live(Some(seed)))))
        .collect();
    let calm = calm.join().expect("a life without kills");
    for (seed, life) in lives {
        let end = life.join().unwrap_or_else(|_| panic!("the life of seed {seed}"));
        assert_eq!(end, calm, "seed {seed}");
    }
}
