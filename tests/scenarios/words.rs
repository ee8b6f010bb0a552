//! What is compared of an object, in words that are the same on every cluster: without times,
//! random names, uids, addresses and ids.

use cronlet_api::time::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Names and uids of one cluster, and what stands for each.
#[derive(Default)]
pub struct Names {
    /// The longest first, so that no name is cut in two.
    known: Vec<(String, String)>,
    /// How many have been met under each base.
    met: BTreeMap<String, usize>,
    first_minute: Option<i64>,
}

impl Names {
    /// Takes note of an object that is seen for the first time, in the order of their making.
    pub fn learn(&mut self, object: &Value) {
        let meta = &object["metadata"];
        let name = meta["name"].as_str().unwrap_or_default();
        let hashes =
            ["pod-template-hash", "controller-revision-hash", "controller.kubernetes.io/hash"];
        for hash in hashes.iter().filter_map(|label| meta["labels"][label].as_str()) {
            // A StatefulSet's has the name before it.
            let hash = hash.rsplit('-').next().unwrap_or_default();
            self.number(hash, "hash");
        }
        let is_numbered = meta["labels"]["apps.kubernetes.io/pod-index"].is_string();
        if let Some(base) = meta["generateName"].as_str().filter(|_| !is_numbered) {
            let base = self.plain(base);
            self.number(name, &base);
        } else if object["kind"] == "Job"
            && let Some((base, minute)) = name.rsplit_once('-')
            && let Ok(minute) = minute.parse::<i64>()
        {
            let slot = minute - *self.first_minute.get_or_insert(minute);
            self.add(name, format!("{base}-<slot {slot}>"));
        }
        if let Some(uid) = meta["uid"].as_str() {
            let plain = self.plain(name);
            self.add(uid, format!("<uid of {plain}>"));
        }
    }

    fn number(&mut self, text: &str, base: &str) {
        if self.known.iter().any(|(known, _)| known == text) {
            return;
        }
        let met = self.met.entry(base.to_owned()).or_default();
        *met += 1;
        let stands_for = format!("{base}<{met}>");
        self.add(text, stands_for);
    }

    fn add(&mut self, text: &str, stands_for: String) {
        if self.known.iter().all(|(known, _)| known != text) {
            self.known.push((text.to_owned(), stands_for));
            self.known.sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
        }
    }

    /// The text with what stands for each name.
    pub fn plain(&self, text: &str) -> String {
        let replaced = |text: String, (known, plain): &(String, String)| text.replace(known, plain);
        self.known.iter().fold(text.to_owned(), replaced)
    }
}

/// What an object is known by: `Pod/bad-<1>`.
pub fn title(object: &Value, names: &Names) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{kind}/{}", names.plain(name))
}

/// The state of an object that a controller writes.
pub fn state(object: &Value, names: &Names) -> String {
    let state = match object["kind"].as_str() {
        Some("Pod") => pod(object),
        _ => owner(object),
    };
    names.plain(&json!([state, metadata(object)]).to_string())
}

/// Metadata that controllers and the API server write, and whether the object is asked to go.
fn metadata(object: &Value) -> Value {
    let meta = &object["metadata"];
    let owners = items(&meta["ownerReferences"]).map(|owner| {
        let fields = ["apiVersion", "kind", "name", "controller", "blockOwnerDeletion"];
        json!(fields.map(|field| &owner[field]))
    });
    json!({
        "finalizers": meta["finalizers"],
        "generateName": meta["generateName"],
        "going": meta["deletionTimestamp"].is_string(),
        "grace": meta["deletionGracePeriodSeconds"],
        "labels": meta["labels"],
        "owners": owners.collect::<Vec<_>>(),
    })
}

/// The spec of an object that another made, in words that are the same on every cluster.
pub fn made_spec(object: &Value, names: &Names) -> Option<String> {
    object["metadata"]["ownerReferences"].as_array()?;
    let mut spec = object["spec"].clone();
    // A ReplicaSet's scale is a state.
    spec.as_object_mut()?.remove("replicas");
    Some(names.plain(&without_tmp(&spec).to_string()))
}

/// A spec without the `/tmp` that the replay gives each pod ([`crate::replay`]).
fn without_tmp(spec: &Value) -> Value {
    match spec {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(field, value)| (field.clone(), without_tmp(value)));
            kept.filter(|(_, value)| *value != json!([])).collect()
        }
        Value::Array(values) => {
            let kept = values.iter().filter(|value| value["name"] != "tmp");
            kept.map(without_tmp).collect()
        }
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "<time>".into(),
        other => other.clone(),
    }
}

fn pod(object: &Value) -> Value {
    let status = &object["status"];
    let phase = phase(status);
    let conditions = items(&status["conditions"]).map(|condition| {
        // Whether there is a sandbox is compared where containers run: around that, a kubelet
        // takes steps of its own.
        let is_sandbox = condition["type"] == "PodReadyToStartContainers";
        let masked = is_sandbox && phase != "Running";
        let value = if masked { "-" } else { condition["status"].as_str().unwrap_or_default() };
        let words = ["type", "reason", "message"].map(|field| condition[field].clone());
        json!([words, value, present(condition).collect::<Vec<_>>()])
    });
    // An address is given with the host here, and by a kubelet with the sandbox.
    let is_early = |field: &str| phase == "Pending" && ["podIP", "podIPs"].contains(&field);
    let is_stopped = object["metadata"]["deletionTimestamp"].is_string();
    let fields = ["initContainerStatuses", "containerStatuses"];
    let containers = fields
        .iter()
        .flat_map(|field| items(&status[*field]))
        .map(|one| container(one, is_stopped));
    json!({
        "phase": phase,
        "qosClass": status["qosClass"],
        "conditions": conditions.collect::<Vec<_>>(),
        "containers": containers.collect::<Vec<_>>(),
        "present": present(status).filter(|field| !is_early(field)).collect::<Vec<_>>(),
    })
}

/// The fields that are there, times among them.
fn present(object: &Value) -> impl Iterator<Item = &str> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(_, value)| !value.is_null()).map(|(field, _)| field.as_str())
}

/// A pod whose conditions say that it is over counts as over.
fn phase(status: &Value) -> String {
    let reasons = items(&status["conditions"]).filter(|one| one["type"] == "Ready");
    let over = reasons.filter_map(|one| match one["reason"].as_str() {
        Some("PodCompleted") => Some("Succeeded"),
        Some("PodFailed") => Some("Failed"),
        _ => None,
    });
    let phase = over.last().or(status["phase"].as_str());
    phase.unwrap_or_default().to_owned()
}

fn container(status: &Value, is_stopped: bool) -> Value {
    // TERM ends a program here; there it is PID 1 of its container, which ignores it by default.
    let code = |of: &Value| match of["exitCode"].as_i64() {
        Some(137 | 143) if is_stopped => "by a signal".into(),
        _ => of["exitCode"].clone(),
    };
    let state = |field: &str| match status[field].as_object().and_then(|of| of.iter().next()) {
        Some((word, of)) => {
            json!([word, of["reason"], code(of), of["signal"], present(of).collect::<Vec<_>>()])
        }
        None => Value::Null,
    };
    let fields = ["name", "ready", "started", "restartCount"];
    let mut words: Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), status[*field].clone())).collect();
    words.insert("state".into(), state("state"));
    words.insert("lastState".into(), state("lastState"));
    words.into()
}

fn owner(object: &Value) -> Value {
    let mut words = timeless(&object["status"]);
    // What a user asks for is no state; what a Deployment asks of its ReplicaSets is.
    let replicas = object["spec"].get("replicas").filter(|_| object["kind"] == "ReplicaSet");
    if let (Some(words), Some(replicas)) = (words.as_object_mut(), replicas) {
        words.insert("spec.replicas".into(), replicas.clone());
    }
    let revision = &object["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
    if let (Some(words), Some(revision)) = (words.as_object_mut(), revision.as_str()) {
        words.insert("revision".into(), revision.into());
    }
    words
}

/// A status without what hangs on the moment; that a time is there is kept.
fn timeless(status: &Value) -> Value {
    let is_moment = |field: &str| ["resourceVersion", "uncountedTerminatedPods"].contains(&field);
    match status {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(field, _)| !is_moment(field));
            let plain = |field: &str, value: &Value| match value {
                Value::String(_) if field.ends_with("Time") => "<time>".into(),
                value => timeless(value),
            };
            kept.map(|(field, value)| (field.clone(), plain(field, value))).collect()
        }
        Value::Array(values) => values.iter().map(timeless).collect(),
        other => other.clone(),
    }
}

/// Kubernetes announces the end of a Job in one write and declares it in the next.
pub fn announces_only(object: &Value) -> bool {
    let has = |names: [&str; 2]| {
        items(&object["status"]["conditions"])
            .any(|one| names.iter().any(|name| one["type"] == **name))
    };
    has(["SuccessCriteriaMet", "FailureTarget"]) && !has(["Complete", "Failed"])
}

pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// An event in words, and how often it came; `None` for those of the recorded cluster alone.
pub fn event(object: &Value, names: &Names) -> Option<(String, u64)> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    // Images are not pulled here; the recorded cluster's DNS and API server are its own.
    if ["Pulled", "MissingClusterDNS", "KubeAPIReadyz"].contains(&text("reason")) {
        return None;
    }
    let about = &object["involvedObject"];
    let part = |field: &str| about[field].as_str().unwrap_or_default();
    let about = format!("{}/{} {}", part("kind"), part("name"), part("fieldPath"));
    let mut message = text("message");
    if text("reason") == "Unhealthy" && message.contains(" probe errored ") {
        // It met a container on its way out.
        return None;
    }
    if text("reason") == "Unhealthy" {
        // What follows is the probe's own program's word.
        message = message.split_once(" probe failed").map_or(message, |(probe, _)| probe);
    }
    let words = format!("{about} {} {}: {message}", text("type"), text("reason"));
    let count = object["count"].as_u64().unwrap_or(1);
    // From the eleventh on, Kubernetes folds events of one reason into one that changes its words.
    Some(match words.split_once("(combined from similar events): ") {
        Some((before, after)) => (names.plain(&format!("{before}{after}")), 0),
        None => (names.plain(&words), count),
    })
}

/// The lines of a command's output, with one blank between words: the first, which heads a table,
/// and the others in order, as the names that they are sorted by are random.
pub fn output(text: &str, names: &Names) -> Vec<String> {
    let of_the_recorded = ["kube-root-ca.crt", "openshift-service-ca.crt", "Pulled ", "ClusterDNS"];
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let lines = names.plain(text);
    let lines = lines.lines().filter(|line| !of_the_recorded.iter().any(|its| line.contains(its)));
    let mut lines: Vec<String> = lines.map(line).collect();
    if let Some((_, rows)) = lines.split_first_mut() {
        rows.sort();
    }
    lines
}

/// A word, or what it is: an age, an address, an instant.
fn word(word: &str) -> String {
    let bare = word.trim_matches(['(', ')']);
    if is_age(bare) {
        return word.replace(bare, "<age>");
    }
    if bare.parse::<std::net::IpAddr>().is_ok() {
        return word.replace(bare, "<address>");
    }
    if bare.parse::<Timestamp>().is_ok() { "<time>".to_owned() } else { word.to_owned() }
}

/// `5s`, `2m29s`, `0s`
fn is_age(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(|c: char| "smhd".contains(c))
        && word.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c))
}

/// Is this state one that another cluster may be too fast to show? A pod that is not begun, one
/// whose container has ended and waits to be started again; a Job that nobody has looked at, whose
/// pods begin or end, or whose end is being written.
pub fn is_passing(object: &Value) -> bool {
    let status = &object["status"];
    match object["kind"].as_str() {
        Some("Pod") => {
            let phase = phase(status);
            let ended = |one: &Value| one["state"]["terminated"].is_object();
            let between = phase == "Running" && items(&status["containerStatuses"]).any(ended);
            // The last write before a pod is gone, and the end of one that its Job has not counted.
            let meta = &object["metadata"];
            let goes = meta["deletionGracePeriodSeconds"] == 0;
            let tracked = items(&meta["finalizers"]).next().is_some();
            let uncounted = tracked && ["Succeeded", "Failed"].contains(&&*phase);
            phase == "Pending" || between || goes || uncounted
        }
        Some("Job") => {
            let fresh = status.as_object().is_none_or(Map::is_empty);
            // Pods are counted in two writes.
            let uncounted = status["uncountedTerminatedPods"].as_object();
            let uncounted = uncounted.is_some_and(|pods| !pods.is_empty());
            let between = status["active"].as_i64() > Some(0) && status["ready"] == 0;
            fresh || uncounted || between || announces_only(object)
        }
        Some("DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") => is_count(object),
        _ => false,
    }
}

/// Does it count pods that come and go? Such counts follow each other as the news come in, and
/// another controller, which waits for more of them, shows others.
pub fn is_count(object: &Value) -> bool {
    let status = &object["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let all = |fields: &[&str]| fields.iter().all(|field| count(field) == wanted);
    // What was asked for last was not looked at yet.
    let lags = object["metadata"]["generation"].as_i64() > status["observedGeneration"].as_i64();
    match object["kind"].as_str() {
        Some("Job") => count("active") > 0,
        // One of a Deployment's, while pods move from one to the other.
        Some("ReplicaSet") => true,
        Some("DaemonSet") => {
            let wanted = count("desiredNumberScheduled");
            let counts = ["currentNumberScheduled", "updatedNumberScheduled", "numberReady"];
            lags || counts.iter().any(|field| count(field) != wanted)
        }
        Some("StatefulSet") => {
            let counts = ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"];
            lags || !all(&counts) || status["currentRevision"] != status["updateRevision"]
        }
        Some("Deployment") => {
            let at_rest = ["DeploymentPaused", "ProgressDeadlineExceeded"];
            let mut reasons = items(&status["conditions"]).filter_map(|one| one["reason"].as_str());
            let complete = all(&["replicas", "updatedReplicas", "availableReplicas"]);
            let rests = reasons.any(|reason| at_rest.contains(&reason));
            lags || !rests && (!complete || count("terminatingReplicas") > 0)
        }
        _ => false,
    }
}

/// Where a container of the pod has run for a second at most: how it looked while it did.
pub fn quick(object: &Value) -> Option<String> {
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    items(&object["status"]["containerStatuses"]).find_map(|one| {
        let ended = &one["state"]["terminated"];
        let (from, to) = (time(&ended["startedAt"])?, time(&ended["finishedAt"])?);
        let quick = to.duration_since(from) <= SignedDuration::from_secs(1);
        let running = json!(["running", null, null, null, ["startedAt"]]);
        let (name, count) = (&one["name"], &one["restartCount"]);
        let words = format!(
            r#""name":{name},"ready":true,"restartCount":{count},"started":true,"state":{running}"#
        );
        quick.then_some(words)
    })
}

/// Does an event's count say how often something happened? A kubelet and a controller repeat others
/// at each look.
pub fn is_counted(words: &str) -> bool {
    let repeated = [
        "BackOff",
        "Failed",
        "FailedMount",
        "JobAlreadyActive",
        "SawCompletedJob",
        "Unhealthy",
        "UnexpectedJob",
    ];
    !repeated.iter().any(|reason| words.contains(&format!(" {reason}: ")))
}
