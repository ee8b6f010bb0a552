//! A pod's plan against a world in small: scripts of what happens, and what the plan makes of it.
//!
//! A script has a line a step: seconds, a word and its arguments (see [`World::step`]). The answer
//! has a line for all that was decided: `start main#0`, `stop main#0 30s`, `clean`, `remove`, `wake
//! 12`, events as `Started{main}`, and each status as phase, conditions (upper case: true;
//! `P`odReadyToStartContainers, `I`nitialized, `R`eady, `C`ontainersReady, `S`cheduled) and
//! containers (`run*` ready, `run~` not started by its probe, `end(code reason)`, `wait(reason)`,
//! `#` restarts, `<` the last exit code). `probe` names all probes that shall run.

use super::ports::Ports;
use super::probe::{Probe, ProbeKind, ProbeTrouble, Probed};
use super::{plan, status};
use crate::order::{ContainerEvent, Exit, HookState, Order, PodObserved, Report};
use crate::plan::{Action, Lookup, Plan, View};
use crate::scheduler::queue;
use cronlet_api::kind::{Key, Object};
use cronlet_api::settings::Settings;
use cronlet_api::time::{ClockSteps, SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

mod ending;

mod folding;

mod launching;

mod probing;

mod queueing;

mod refreshing;

mod restarting;

mod starting;

mod statuses;

mod whatever;

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

pub struct World {
    pub pod: Pod,
    pub observed: PodObserved,
    now: Timestamp,
    settings: Settings,
    steps: ClockSteps,
    stopping: bool,
    answer: Vec<String>,
}

const START: i64 = 1_800_000_000;

impl World {
    fn new(spec: Value) -> World {
        let meta = json!({"name": "p", "namespace": "default", "uid": "u", "generation": 1});
        let pod = json!({"metadata": meta, "spec": spec});
        let mut pod: Pod = serde_json::from_value(pod).expect("a pod");
        pod.status = Some(status::fresh(pod.spec.as_ref().expect("a spec")));
        World {
            pod,
            observed: PodObserved::default(),
            now: Timestamp::from_second(START).expect("in range"),
            settings: Settings::default(),
            steps: ClockSteps::default(),
            stopping: false,
            answer: Vec::new(),
        }
    }

    /// One line of a script: `seconds word [container] [more …]`.
    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seconds: f64 = words[0].parse().expect("seconds");
        let offset = SignedDuration::from_millis((seconds * 1000.0) as i64);
        self.now = Timestamp::from_second(START).expect("in range") + offset;
        self.happen(&words[1..]);
        self.settle();
    }

    fn happen(&mut self, words: &[&str]) {
        match *words {
            ["look"] => {}
            ["bind"] => self.bind(),
            ["started", name] => self.started(name, HookState::Done),
            ["hooked", name] => self.started(name, HookState::Running),
            ["hook-done", name] => self.report(name, ContainerEvent::PostStart(Ok(()))),
            ["hook-failed", name] => {
                self.report(name, ContainerEvent::PostStart(Err("exit 1".into())))
            }
            ["exit", name, "0"] => self.exit(name, 0, "Completed"),
            ["exit", name, code] => self.exit(name, code.parse().expect("a code"), "Error"),
            ["exit", name, code, "leaving", left] => {
                let left = left.parse().expect("a count");
                self.exit_leaving(name, code.parse().expect("a code"), "Completed", left);
            }
            ["unstartable", name] => self.exit(name, 128, "StartError"),
            ["failed", name, reason] => {
                let (reason, message) = (reason.to_owned(), "cannot".to_owned());
                self.report(name, ContainerEvent::Failed { reason, message, at: self.now });
            }
            ["delete", grace] => self.delete(grace.parse().expect("seconds")),
            ["stopping"] => self.stopping = true,
            ["passes", name, kind] => self.probed(name, kind, true),
            ["fails", name, kind] => self.probed(name, kind, false),
            ["cleaned"] => self.report("", ContainerEvent::Cleaned),
            ["forget-last"] => {
                self.observed.containers.values_mut().for_each(|seen| seen.last = None);
            }
            ["lost"] => self.observed = PodObserved::default(),
            _ => panic!("no such step: {words:?}"),
        }
    }

    fn phase(&self) -> Option<String> {
        self.pod.status.as_ref()?.phase.clone()
    }

    fn bind(&mut self) {
        let slot = queue::slot(&self.pod, None);
        let pending = [queue::Pending { pod: &self.pod, slot }];
        let node = Node::default();
        let mut ports = Ports::default();
        let (settings, now) = (&self.settings, self.now);
        let host = queue::Host { node: &node, lookup: &Nothing, settings, now };
        for decision in queue::bind(&pending, &queue::Taken::default(), &host, &mut ports) {
            self.carry_out(decision.into_plan());
        }
    }

    fn report(&mut self, name: &str, event: ContainerEvent) {
        let attempt = self.observed.containers.get(name).map_or(0, |seen| seen.attempt);
        let (pod_uid, container) = ("u".to_owned(), name.to_owned());
        self.observed.apply_report(&Report { pod_uid, container, attempt, event });
    }

    /// A probe came to its verdict.
    fn probed(&mut self, name: &str, kind: &str, passed: bool) {
        let of_kind = |one: &ProbeKind| one.name().eq_ignore_ascii_case(kind);
        let kind = ProbeKind::ALL.into_iter().find(of_kind).expect("a kind");
        let told = (!passed).then(|| ProbeTrouble::Failed("no".into()));
        self.report(name, ContainerEvent::Probed(Probed { kind, verdict: Some(passed), told }));
    }

    fn id(&self, name: &str) -> String {
        format!("cronlet://{name}-{}", self.observed.containers[name].attempt)
    }

    fn started(&mut self, name: &str, post_start: HookState) {
        self.report(
            name,
            ContainerEvent::Started { id: self.id(name), pid: 1, at: self.now, post_start },
        );
    }

    fn exit(&mut self, name: &str, code: i32, reason: &str) {
        self.exit_leaving(name, code, reason, 0);
    }

    fn exit_leaving(&mut self, name: &str, code: i32, reason: &str, left: u32) {
        use crate::order::ContainerState::Running;
        let started_at = match &self.observed.containers[name].state {
            Running { started_at, .. } => *started_at,
            _ => self.now,
        };
        let message = if reason == "StartError" { "cannot" } else { "" }.to_owned();
        let (id, reason) = (self.id(name), reason.to_owned());
        let finished_at = self.now;
        let signal = None;
        let exit = Exit { id, code, signal, left, reason, message, started_at, finished_at };
        self.report(name, ContainerEvent::Exited(exit));
    }

    fn delete(&mut self, grace_seconds: i64) {
        let at = self.now + SignedDuration::from_secs(grace_seconds);
        self.pod.metadata.deletion_timestamp = Some(Time(status::seconds(at)));
        self.pod.metadata.deletion_grace_period_seconds = Some(grace_seconds);
    }

    fn plan(&self) -> Plan {
        let view = View {
            now: self.now,
            steps: &self.steps,
            settings: &self.settings,
            owned: &[],
            lookup: &Nothing,
            stopping: self.stopping,
        };
        plan::plan(&self.pod, &self.observed, &view)
    }

    /// Plans until nothing changes any more, which must be soon.
    fn settle(&mut self) {
        for _ in 0..4 {
            let plan = self.plan();
            let wake_at = plan.wake_at;
            let settled = plan.actions.iter().all(|action| !matches!(action, Action::Put(_)));
            let ordered = plan.actions.iter().any(|action| matches!(action, Action::Order(_)));
            assert!(settled || !ordered, "writes and orders: {:?}", plan.actions);
            let removed = plan.actions.iter().any(|action| matches!(action, Action::Remove));
            self.carry_out(plan);
            if settled {
                if let Some(at) = wake_at.filter(|_| !removed) {
                    self.answer.push(format!("wake {}", self.seconds(at)));
                }
                let again = self.plan().actions;
                let ends = [Action::Remove, self.clean()].map(|action| format!("{action:?}"));
                let more = again.iter().find(|action| !ends.contains(&format!("{action:?}")));
                assert!(more.is_none(), "planned twice: {more:?} after {:#?}", self.answer);
                return;
            }
        }
        panic!("never settles: {:#?}", self.answer);
    }

    fn clean(&self) -> Action {
        Action::Order(Order::Clean { pod_uid: "u".into() })
    }

    fn seconds(&self, at: Timestamp) -> f64 {
        (at.as_millisecond() - START * 1000) as f64 / 1000.0
    }

    fn carry_out(&mut self, plan: Plan) {
        for action in plan.actions {
            let line = match action {
                Action::Put(Object::Pod(pod)) => {
                    self.pod = (*pod).clone();
                    show(&self.pod)
                }
                Action::Event(note) => {
                    let part = note.field_path.split_once('{').map_or("", |(_, part)| part);
                    let name = part.trim_end_matches('}');
                    format!("{}{{{name}}} {}", note.reason, note.message)
                }
                Action::Order(order) => {
                    self.observed.apply_order(&order);
                    match order {
                        Order::Start(launch) => {
                            format!("start {}#{}", launch.container, launch.attempt)
                        }
                        Order::Stop { container, attempt, grace_seconds, .. } => {
                            format!("stop {container}#{attempt} {grace_seconds}s")
                        }
                        Order::Clean { .. } => "clean".to_owned(),
                        Order::Reclaim { .. } => "reclaim".to_owned(),
                        Order::Refresh { .. } => "refresh".to_owned(),
                        Order::Probe { probes, .. } => show_probes(&probes),
                    }
                }
                Action::Remove => "remove".to_owned(),
                other => panic!("no action of a pod: {other:?}"),
            };
            self.answer.push(line);
        }
    }
}

fn show_probes(probes: &[Probe]) -> String {
    let one = |probe: &Probe| {
        format!(" {} {}#{}", probe.kind.name().to_lowercase(), probe.container, probe.attempt)
    };
    let all: Vec<String> = probes.iter().map(one).collect();
    format!("probe{}", all.join(","))
}

fn show(pod: &Pod) -> String {
    let status = pod.status.as_ref().expect("a status");
    let conditions: String = status
        .conditions
        .iter()
        .flatten()
        .map(|condition| {
            let letter = match condition.type_.as_str() {
                "PodReadyToStartContainers" => 'p',
                "PodScheduled" => 's',
                other => other.chars().next().expect("a name").to_ascii_lowercase(),
            };
            if condition.status == "True" { letter.to_ascii_uppercase() } else { letter }
        })
        .collect();
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    let containers: Vec<String> = all.map(show_container).collect();
    let phase = status.phase.as_deref().unwrap_or("?");
    let reason = status.reason.as_deref().map(|reason| format!("({reason})")).unwrap_or_default();
    format!("{phase}{reason} {conditions} {}", containers.join(" ")).trim_end().to_owned()
}

fn show_container(status: &ContainerStatus) -> String {
    let state = status.state.clone().unwrap_or_default();
    let mut text = match (&state.waiting, &state.running, &state.terminated) {
        (Some(waiting), None, None) => {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            let short = [("PodInitializing", "init"), ("ContainerCreating", "creating")];
            let found = short.iter().find(|(long, _)| *long == reason);
            format!("wait({})", found.map_or(reason, |(_, short)| short))
        }
        (None, Some(_), None) => "run".to_owned(),
        (None, None, Some(ended)) => {
            format!("end({} {})", ended.exit_code, ended.reason.as_deref().unwrap_or_default())
        }
        _ => panic!("not one state: {state:?}"),
    };
    if state.running.is_some() && status.started != Some(true) {
        text.push('~');
    }
    if status.ready {
        text.push('*');
    }
    if status.restart_count > 0 {
        text.push_str(&format!("#{}", status.restart_count));
    }
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    if let Some(last) = last {
        text.push_str(&format!("<{}", last.exit_code));
    }
    format!("{}:{text}", status.name)
}

/// Plays a script with a pod of that spec, and compares all that was decided.
#[track_caller]
fn check(spec: Value, script: &str, want: &str) {
    let mut world = World::new(spec);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.answer.push(format!("-- {line}"));
        world.step(line);
    }
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let got = &world.answer;
    assert!(*got == want, "got:\n{}\n\nwant:\n{}\n", got.join("\n"), want.join("\n"));
}

fn simple(restart_policy: &str) -> Value {
    json!({"restartPolicy": restart_policy, "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "main", "image": "x", "command": ["run"]}]})
}

/// One init container, one sidecar, one main.
fn staged(restart_policy: &str) -> Value {
    json!({"restartPolicy": restart_policy, "terminationGracePeriodSeconds": 30,
        "initContainers": [
            {"name": "first", "image": "x", "command": ["run"]},
            {"name": "side", "image": "x", "command": ["run"], "restartPolicy": "Always"}],
        "containers": [{"name": "main", "image": "x", "command": ["run"]}]})
}
