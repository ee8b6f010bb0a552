//! Every Pod of the recorded scenarios, played again through the pod's plan: the statuses must
//! follow each other as they did in a real Kubernetes, in phase, conditions, reasons, messages,
//! container states and counts, and so must the events.

mod common;

use cronlet_api::kind::{Key, Object};
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, Timestamp};
use cronlet_plan::kubelet::ports::Ports;
use cronlet_plan::kubelet::probe::{ProbeKind, ProbeTrouble, Probed};
use cronlet_plan::kubelet::{events, plan, status};
use cronlet_plan::order::{ContainerEvent, ContainerState, Exit, HookState, PodObserved, Report};
use cronlet_plan::plan::{Action, Lookup, View};
use cronlet_plan::scheduler::queue;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Node, Pod, PodStatus};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const SCENARIOS: [&str; 15] = [
    "cron-forbid",
    "cron-history",
    "deploy-pause",
    "deploy-rolling",
    "deploy-stuck",
    "job-complete",
    "job-fail-never",
    "job-indexed",
    "job-suspend-resume",
    "kubectl-misc",
    "pod-crashloop",
    "pod-init-sidecar",
    "probe-liveness",
    "sts-rolling",
    "svc-endpoints",
];

/// What a recording says of one pod.
#[derive(Default)]
struct Recorded {
    /// What happened, in order.
    steps: Vec<Step>,
    /// Reason and message, in order, each as often as it was counted.
    events: Vec<(String, String)>,
}

enum Step {
    /// The pod as it was then.
    Version(Box<Pod>),
    /// A container was asked, and what its probe came to: a verdict, or a failure to be told.
    Probed { container: String, probed: Probed },
}

/// What the prober must have said, by the event that followed.
fn probed(event: &Value) -> Option<Step> {
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let message = text(&event["message"]);
    let path = text(&event["involvedObject"]["fieldPath"]);
    let container = path.split(['{', '}']).nth(1)?.to_owned();
    let (failed, killed) = (|kind: &str| format!("{kind} probe failed: "), "failed liveness probe");
    let (kind, verdict, told) = match event["reason"].as_str()? {
        "Unhealthy" => ProbeKind::ALL.into_iter().find_map(|kind| {
            let why = message.strip_prefix(&failed(kind.name()))?;
            Some((kind, None, Some(ProbeTrouble::Failed(why.to_owned()))))
        })?,
        "Killing" if message.contains(killed) => (ProbeKind::Liveness, Some(false), None),
        _ => return None,
    };
    Some(Step::Probed { container, probed: Probed { kind, verdict, told } })
}

fn read(scenario: &str) -> BTreeMap<String, Recorded> {
    let mut pods: BTreeMap<String, Recorded> = BTreeMap::new();
    for line in common::recording::<Value>(&format!("scenarios/{scenario}.jsonl")) {
        let object = &line["object"];
        let name = |value: &Value| {
            let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("name"), text("uid"))
        };
        if object["kind"] == "Pod" && line["type"] != "DELETED" {
            let pod = serde_json::from_value(object.clone()).expect("a pod");
            let steps = &mut pods.entry(name(&object["metadata"])).or_default().steps;
            steps.push(Step::Version(Box::new(pod)));
        } else if object["kind"] == "Event" && object["involvedObject"]["kind"] == "Pod" {
            let words = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
            let event = (words("reason"), words("message"));
            // Images are not pulled, the recorded cluster's DNS is its own, and so is its way to
            // ask a container that has just ended.
            let own = ["Pulled", "MissingClusterDNS"].contains(&&*event.0)
                || event.1.contains("probe errored and resulted in unknown state");
            let recorded = pods.entry(name(&object["involvedObject"])).or_default();
            recorded.steps.extend(probed(object));
            recorded.events.extend((!own).then_some(event));
        }
    }
    pods
}

struct Nothing;

impl Lookup for Nothing {
    fn get(&self, _: &Key) -> Option<Object> {
        None
    }

    fn list(&self, _: cronlet_api::kind::Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }

    fn orphans(&self, _: cronlet_api::kind::Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }
}

/// The pod, played again.
struct World {
    pod: Pod,
    observed: PodObserved,
    now: Timestamp,
    statuses: Vec<String>,
    events: Vec<(String, String)>,
}

impl World {
    /// The pod as it was posted.
    fn new(first: &Pod) -> World {
        let mut pod = first.clone();
        let spec = pod.spec.as_mut().expect("a spec");
        spec.node_name = None;
        pod.status = Some(status::fresh(spec));
        let now = pod.metadata.creation_timestamp.as_ref().expect("a creation time").0;
        let observed = PodObserved::default();
        let mut world = World { pod, observed, now, statuses: Vec::new(), events: Vec::new() };
        world.show();
        world
    }

    fn settings() -> Settings {
        Settings { node_name: "node1".into(), ..Settings::default() }
    }

    fn bind(&mut self) {
        let pending = [queue::Pending { pod: &self.pod, slot: self.now }];
        let (node, settings) = (Node::default(), World::settings());
        let mut ports = Ports::default();
        let host =
            queue::Host { node: &node, lookup: &Nothing, settings: &settings, now: self.now };
        for decision in queue::bind(&pending, &queue::Taken::default(), &host, &mut ports) {
            self.carry_out(decision.into_plan().actions);
        }
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..4 {
            let steps = ClockSteps::default();
            let settings = World::settings();
            let (now, lookup) = (self.now, &Nothing);
            let view = View {
                now,
                steps: &steps,
                settings: &settings,
                owned: &[],
                lookup,
                stopping: false,
            };
            let plan = plan::plan(&self.pod, &self.observed, &view);
            if !self.carry_out(plan.actions) {
                return;
            }
        }
        panic!("never settles");
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> bool {
        let mut changed = false;
        for action in actions {
            match action {
                Action::Put(Object::Pod(pod)) => {
                    self.pod = (*pod).clone();
                    self.show();
                    changed = true;
                }
                Action::Event(note) => self.events.push((note.reason.to_owned(), note.message)),
                Action::Order(order) => self.observed.apply_order(&order),
                _ => {}
            }
        }
        changed
    }

    fn show(&mut self) {
        let status = self.pod.status.clone().unwrap_or_default();
        self.statuses.push(words(&status));
        self.statuses.dedup();
    }

    /// Lets happen what a recorded version shows for the first time.
    fn follow(&mut self, recorded: &Pod) {
        let status = recorded.status.clone().unwrap_or_default();
        if recorded.metadata.deletion_timestamp.is_some() {
            self.pod.metadata.deletion_timestamp = recorded.metadata.deletion_timestamp.clone();
            self.pod.metadata.deletion_grace_period_seconds =
                recorded.metadata.deletion_grace_period_seconds;
            self.pod.metadata.generation = recorded.metadata.generation;
            self.settle();
        }
        let init = status.init_container_statuses.into_iter().flatten();
        for container in init.chain(status.container_statuses.into_iter().flatten()) {
            self.follow_container(&container);
        }
    }

    fn follow_container(&mut self, recorded: &ContainerStatus) {
        let state = recorded.state.clone().unwrap_or_default();
        if let Some(running) = state.running {
            let at = running.started_at.expect("a start").0;
            self.end_last(recorded);
            self.start(recorded, at);
            self.ready(recorded);
        } else if state.waiting.is_some() {
            self.end_last(recorded);
        }
        if let Some(ended) = state.terminated {
            let started_at = ended.started_at.clone().expect("a start").0;
            self.start(recorded, started_at);
            self.exit(recorded, recorded.restart_count as u32, ended);
        }
    }

    /// The end of the attempt before the one that a recorded status speaks of, if it was not seen.
    fn end_last(&mut self, recorded: &ContainerStatus) {
        let Some(ended) = recorded.last_state.clone().and_then(|last| last.terminated) else {
            return;
        };
        let Some(seen) = self.observed.containers.get(&recorded.name) else { return };
        let ContainerState::Running { id, .. } = &seen.state else { return };
        if *id == ended.container_id.clone().unwrap_or_default() {
            self.exit(recorded, seen.attempt, ended);
        }
    }

    fn exit(&mut self, recorded: &ContainerStatus, attempt: u32, ended: ContainerStateTerminated) {
        let finished_at = ended.finished_at.expect("an end").0;
        let exit = Exit {
            id: ended.container_id.unwrap_or_default(),
            code: ended.exit_code,
            signal: None,
            left: 0,
            reason: ended.reason.unwrap_or_default(),
            message: ended.message.unwrap_or_default(),
            started_at: ended.started_at.expect("a start").0,
            finished_at,
        };
        self.report(&recorded.name, attempt, finished_at, ContainerEvent::Exited(exit));
    }

    /// The readiness probe's verdict, as the recorded status shows it.
    fn ready(&mut self, recorded: &ContainerStatus) {
        let spec = self.pod.spec.as_ref().expect("a spec");
        let mut all = spec.containers.iter();
        let has_probe = all.any(|c| c.name == recorded.name && c.readiness_probe.is_some());
        let seen = &self.observed.containers[&recorded.name].verdicts;
        if has_probe && recorded.ready != (seen.readiness == Some(true)) {
            let verdict = Some(recorded.ready);
            let probed = Probed { kind: ProbeKind::Readiness, verdict, told: None };
            self.probed(&recorded.name, probed);
        }
    }

    fn probed(&mut self, container: &str, probed: Probed) {
        let attempt = self.observed.containers[container].attempt;
        self.report(container, attempt, self.now, ContainerEvent::Probed(probed));
    }

    fn start(&mut self, recorded: &ContainerStatus, at: Timestamp) {
        // The backoff of a restart may be over only by the second.
        self.now = self.now.max(at);
        self.settle();
        let seen = &self.observed.containers[&recorded.name];
        let (pid, post_start) = (1, HookState::Done);
        if matches!(seen.state, ContainerState::Starting) {
            let id = recorded.container_id.clone().expect("an id");
            let attempt = recorded.restart_count as u32;
            self.report(
                &recorded.name,
                attempt,
                at,
                ContainerEvent::Started { id, pid, at, post_start },
            );
        }
    }

    fn report(&mut self, container: &str, attempt: u32, at: Timestamp, event: ContainerEvent) {
        let (pod_uid, container) = (String::new(), container.to_owned());
        self.now = self.now.max(at);
        let report = Report { pod_uid, container, attempt, event };
        self.observed.apply_report(&report);
        if let Some(note) = events::of_report(&self.pod, &self.observed, &report) {
            self.events.push((note.reason.to_owned(), note.message));
        }
        self.settle();
    }
}

/// What is compared of a status. A pod whose conditions say that it is over counts as over, and
/// whether there is a sandbox is compared where containers run or the pod is over: in between, a
/// real kubelet takes steps of its own.
fn words(status: &PodStatus) -> String {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let over = conditions.iter().filter(|condition| condition.type_ == "Ready");
    let over = over.filter_map(|condition| condition.reason.as_deref()).find_map(|reason| {
        [("PodCompleted", "Succeeded"), ("PodFailed", "Failed")]
            .into_iter()
            .find_map(|(over, phase)| (over == reason).then_some(phase))
    });
    let phase = over.or(status.phase.as_deref()).unwrap_or_default();
    let mut words = format!("{phase} {:?}", status.qos_class);
    for condition in conditions {
        let sandbox = condition.type_ == "PodReadyToStartContainers";
        let value = if sandbox && phase != "Running" { "-" } else { condition.status.as_str() };
        let (reason, message) = (&condition.reason, &condition.message);
        words += &format!("\n  {} {value} {reason:?} {message:?}", condition.type_);
        words += &format!(" of {:?}", condition.observed_generation);
    }
    let init = status.init_container_statuses.iter().flatten();
    for container in init.chain(status.container_statuses.iter().flatten()) {
        words += &container_words(container);
    }
    words
}

fn container_words(container: &ContainerStatus) -> String {
    let mut container = container.clone();
    container.image = container.image.replace("docker.io/library/", "");
    container.image_id = String::new();
    format!("\n  {}", serde_json::to_string(&container).expect("JSON"))
}

#[test]
fn pods_go_through_the_same_states() {
    let mut played = 0;
    for scenario in SCENARIOS {
        for (name, recorded) in read(scenario) {
            let mut steps = recorded.steps.iter();
            let Some(Step::Version(first)) = steps.next() else { panic!("no first version") };
            let mut world = World::new(first);
            let mut want = vec![words(&first.status.clone().unwrap_or_default())];
            for step in steps {
                match step {
                    Step::Version(version) => {
                        want.push(words(&version.status.clone().unwrap_or_default()));
                        if want.len() == 2 {
                            world.bind();
                        }
                        world.follow(version);
                    }
                    Step::Probed { container, probed } => world.probed(container, probed.clone()),
                }
            }
            want.dedup();
            let (got, want) = (&world.statuses, &want);
            for (step, (got, want)) in got.iter().zip(want).enumerate() {
                assert_eq!(got, want, "{scenario}: {name}: status {step}");
            }
            // A recording may end before the wait for a restart is seen.
            let more = got.get(want.len()..).expect("as many statuses as were recorded");
            let early = more.iter().all(|status| status.contains("CrashLoopBackOff"));
            assert!(more.len() <= usize::from(early), "{scenario}: {name}: {more:#?}");
            check_events(scenario, &name, &world, &recorded);
            played += 1;
        }
    }
    assert!(played >= 15, "played {played}");
    println!("{played} pods played");
}

/// The same events; how often a kubelet repeats them while a pod waits is its own.
fn check_events(scenario: &str, name: &str, world: &World, recorded: &Recorded) {
    let set = |events: &[(String, String)]| -> BTreeSet<String> {
        let uid = world.pod.metadata.uid.clone().unwrap_or_default();
        events
            .iter()
            .map(|(reason, text)| format!("{reason} {}", text.replace(&uid, "U")))
            .collect()
    };
    assert_eq!(set(&world.events), set(&recorded.events), "{scenario}: {name}");
}
