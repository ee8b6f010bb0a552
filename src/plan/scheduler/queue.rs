//! Who runs when: pods are bound to this host at once, but for the pods of Jobs over `limits.runs`,
//! which wait in the order of their slots.

use crate::kubelet::availability::has_ended;
use crate::kubelet::ports::Ports;
use crate::kubelet::status::{fresh, seconds};
use crate::kubelet::{conditions, volumes};
use crate::plan::{Action, EventDraft, Lookup, Plan, Severity};
use crate::scheduler::fit;
use cronlet_api::kind::{Key, Kind, Map, Object};
use cronlet_api::settings::Settings;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use std::collections::{BTreeMap, BTreeSet};

/// A pod that is not bound yet.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    pub pod: &'a Pod,
    /// Its place in the queue: see [`slot`].
    pub slot: Timestamp,
}

/// The annotation in which a CronJob's Job carries its slot.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// When the run of a pod was due: its Job's slot, or else when the pod was made.
pub fn slot(pod: &Pod, job: Option<&Job>) -> Timestamp {
    let annotated = |annotations: Option<&std::collections::BTreeMap<String, String>>| {
        annotations?.get(SCHEDULED)?.parse::<Timestamp>().ok()
    };
    let own = || annotated(pod.metadata.annotations.as_ref());
    let of_job = job.and_then(|job| annotated(job.metadata.annotations.as_ref()));
    let made = || pod.metadata.creation_timestamp.as_ref().map(|at| at.0);
    of_job.or_else(own).or_else(made).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Does the pod belong to a Job?
pub fn is_of_job(pod: &Pod) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.controller == Some(true) && owner.kind == "Job")
}

/// Is it bound to a host?
pub fn is_bound(pod: &Pod) -> bool {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    node.is_some_and(|node| !node.is_empty())
}

/// True if the pod is bound to another host. One that was taken in here stays here when the host
/// gets another name.
pub fn is_elsewhere(pod: &Pod, node_name: &str) -> bool {
    let is_known = pod.status.as_ref().is_some_and(|status| status.start_time.is_some());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    node.is_some_and(|node| !node.is_empty() && node != node_name) && !is_known
}

/// Does the pod take one of `limits.runs`? The engine counts these.
pub fn takes_run(pod: &Pod) -> bool {
    is_of_job(pod) && is_bound(pod) && !has_ended(pod)
}

/// Reason for which a pod waits, other than its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A change of the pod or of the node.
    Change,
    /// Something of another object: a port, a volume.
    Other,
}

/// `None` if it waits for nothing but its turn.
pub fn held(pod: &Pod, host: &Host, ports: &Ports) -> Option<Held> {
    if is_gated(pod) || fits_not(pod, host.node).is_some() {
        return Some(Held::Change);
    }
    let waits = !ports.host_conflicts(pod).is_empty()
        || lacks_volume(pod, host, &BTreeSet::new()).is_some();
    waits.then_some(Held::Other)
}

/// Resources that a pod is compared with.
pub struct Host<'a> {
    pub node: &'a Node,
    pub lookup: &'a dyn Lookup,
    pub settings: &'a Settings,
    pub now: Timestamp,
}

/// The pods that are bound and have not ended, and whose they are.
#[derive(Debug, Default)]
pub struct Taken {
    /// How many of them [`takes_run`].
    pub runs: u32,
    pods: Map<Key, String>,
    owners: Map<String, u32>,
}

impl Taken {
    pub fn insert(&mut self, key: &Key, pod: &Pod) {
        if self.pods.contains_key(key) {
            return;
        }
        let owner = owner_uid(pod);
        self.pods.insert(key.clone(), owner.to_owned());
        *self.owners.entry(owner.to_owned()).or_default() += 1;
    }

    pub fn remove(&mut self, key: &Key) {
        let Some(owner) = self.pods.remove(key) else { return };
        if let Some(count) = self.owners.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    pub fn pods(&self) -> u32 {
        u32::try_from(self.pods.len()).unwrap_or(u32::MAX)
    }

    fn of_owner(&self, owner: &str) -> u32 {
        self.owners.get(owner).copied().unwrap_or(0)
    }
}

/// The uid of its controller; empty for a pod without one.
fn owner_uid(pod: &Pod) -> &str {
    let owners = pod.metadata.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.controller == Some(true));
    owners.next().map_or("", |owner| owner.uid.as_str())
}

/// How many more pods the node takes. One owner's pods take at most nine tenths of the places, so
/// that a large one never keeps all others from running.
struct Places<'a> {
    taken: &'a Taken,
    pods_max: u32,
    bound: u32,
    of_owners: BTreeMap<&'a str, u32>,
}

impl<'a> Places<'a> {
    /// Takes a place for the pod, if there is one.
    fn take(&mut self, pod: &'a Pod) -> bool {
        let owner = owner_uid(pod);
        let more = self.of_owners.entry(owner).or_default();
        let share = self.pods_max - self.pods_max.div_ceil(10);
        let has_share = owner.is_empty() || self.taken.of_owner(owner) + *more < share;
        let is_free = has_share && self.taken.pods() + self.bound < self.pods_max;
        if is_free {
            *more += 1;
            self.bound += 1;
        }
        is_free
    }
}

/// Binds to the node what may run now, and tells the others why they wait; pods that stay as they
/// are are left out.
pub fn bind(pending: &[Pending], taken: &Taken, host: &Host, ports: &mut Ports) -> Vec<Decision> {
    let Host { node, settings, now, .. } = *host;
    let mut claimed = BTreeSet::new();
    let mut free = settings.limits.runs.map(|runs| runs.saturating_sub(taken.runs));
    let of_owners = BTreeMap::new();
    let mut places = Places { taken, pods_max: fit::pods_max(node), bound: 0, of_owners };
    let mut queue: Vec<&Pending> = pending.iter().filter(|one| may_bind(one.pod)).collect();
    queue.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let mut decisions = Vec::new();
    for Pending { pod, .. } in queue {
        if is_gated(pod) {
            decisions.extend(wait(pod, "SchedulingGated", GATED.to_owned(), now));
            continue;
        }
        let refused = fits_not(pod, node)
            .or_else(|| taken_port(pod, ports))
            .or_else(|| lacks_volume(pod, host, &claimed));
        if let Some(message) = refused {
            decisions.extend(unschedulable(pod, message, now));
            continue;
        }
        match free {
            Some(0) if is_of_job(pod) => {
                decisions.extend(wait(pod, "RunLimit", limited(settings), now));
                continue;
            }
            _ => {}
        }
        if !places.take(pod) {
            decisions.extend(unschedulable(pod, TOO_MANY.to_owned(), now));
            continue;
        }
        if is_of_job(pod) {
            free = free.map(|free| free - 1);
        }
        let decision = assign(pod, settings, now);
        // It holds nothing yet that another could wait for.
        ports.watch(&decision.pod);
        claimed.extend(claims(pod));
        decisions.push(decision);
    }
    decisions
}

/// A pending pod as it shall be, and the event that goes with it.
#[derive(Debug, Clone)]
pub struct Decision {
    pub pod: Pod,
    pub event: Option<EventDraft>,
}

impl Decision {
    /// As a plan of this pod.
    pub fn into_plan(self) -> Plan {
        let mut plan = Plan::default();
        plan.push(Action::Put(Object::from(self.pod)));
        self.event.into_iter().for_each(|event| plan.push(Action::Event(event)));
        plan
    }
}

const TOO_MANY: &str = "0/1 nodes are available: 1 Too many pods. no new claims to deallocate, \
                        preemption: 0/1 nodes are available: 1 No preemption victims found for \
                        incoming pod.";
const GATED: &str = "Scheduling is blocked due to non-empty scheduling gates";

fn limited(settings: &Settings) -> String {
    let runs = settings.limits.runs.unwrap_or_default();
    format!("waiting for one of the {runs} runs that limits.runs allows on this host")
}

fn may_bind(pod: &Pod) -> bool {
    !is_bound(pod) && !has_ended(pod) && pod.metadata.deletion_timestamp.is_none()
}

fn is_gated(pod: &Pod) -> bool {
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_deref());
    gates.is_some_and(|gates| !gates.is_empty())
}

fn rank<'a>(pending: &'a Pending) -> (Timestamp, Option<&'a str>, Option<&'a str>) {
    let meta = &pending.pod.metadata;
    (pending.slot, meta.namespace.as_deref(), meta.name.as_deref())
}

fn assign(pod: &Pod, settings: &Settings, now: Timestamp) -> Decision {
    let mut bound = pod.clone();
    let spec = bound.spec.get_or_insert_default();
    spec.node_name = Some(settings.node_name.clone());
    let scheduled = conditions::scheduled(pod, seconds(now));
    set_condition(&mut bound, scheduled);
    let meta = &pod.metadata;
    let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
    let event = EventDraft {
        severity: Severity::Normal,
        reason: "Scheduled",
        message: format!(
            "Successfully assigned {}/{} to {}",
            namespace.unwrap_or_default(),
            name.unwrap_or_default(),
            settings.node_name
        ),
        field_path: String::new(),
    };
    Decision { pod: bound, event: Some(event) }
}

/// Why the pod is not for this node, as the scheduler says it.
fn fits_not(pod: &Pod, node: &Node) -> Option<String> {
    let obstacles = fit::obstacles(pod.spec.as_ref()?, node);
    let each: Vec<String> = obstacles.iter().map(|obstacle| format!("1 {obstacle}")).collect();
    (!each.is_empty()).then(|| available_not(&each.join(", ")))
}

fn available_not(why: &str) -> String {
    let nodes = "0/1 nodes are available:";
    let rest = "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is \
                not helpful for scheduling.";
    format!("{nodes} {why}. {rest}")
}

fn claims(pod: &Pod) -> impl Iterator<Item = Key> {
    volumes::mounted(pod).filter(|key| key.kind == Kind::PersistentVolumeClaim)
}

/// Why the pod's claims keep it from this node, as the scheduler says it. `taken`: claims of pods
/// that were bound just now.
fn lacks_volume(pod: &Pod, host: &Host, taken: &BTreeSet<Key>) -> Option<String> {
    let why = claims(pod).find_map(|key| obstacle(pod, &key, host, taken))?;
    Some(available_not(&why))
}

fn obstacle(pod: &Pod, key: &Key, host: &Host, taken: &BTreeSet<Key>) -> Option<String> {
    let name = &key.name;
    let Some(Object::PersistentVolumeClaim(claim)) = host.lookup.get(key) else {
        return Some(format!("persistentvolumeclaim \"{name}\" not found"));
    };
    if claim.metadata.deletion_timestamp.is_some() {
        return Some(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    if let Some(why) = volumes::unbound(&claim) {
        return Some(why);
    }
    let is_used = || {
        let own = pod.metadata.name.as_deref().unwrap_or_default();
        let mut others = host.lookup.claim_users(key).into_iter();
        taken.contains(key) || others.any(|user| *user.name != *own && is_placed(&user, host))
    };
    if volumes::is_for_one_pod(&claim) && is_used() {
        let why = "1 node has pod using PersistentVolumeClaim with the same name and \
                   ReadWriteOncePod access mode";
        return Some(why.to_owned());
    }
    let volume = volumes::volume_of(&claim, host.lookup);
    let is_near = volume.is_none_or(|volume| volumes::is_reached(&volume, host.node));
    (!is_near).then(|| "1 node(s) didn't match PersistentVolume's node affinity".to_owned())
}

fn is_placed(pod: &Key, host: &Host) -> bool {
    matches!(host.lookup.get(pod), Some(Object::Pod(pod)) if is_bound(&pod) && !has_ended(&pod))
}

fn taken_port(pod: &Pod, ports: &Ports) -> Option<String> {
    let (number, holder) = *ports.host_conflicts(pod).first()?;
    Some(format!(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. \
         hostPort {number} is pod {}/{}'s",
        holder.namespace, holder.name
    ))
}

/// As the scheduler, which says so in an event too.
fn unschedulable(pod: &Pod, message: String, now: Timestamp) -> Option<Decision> {
    let mut decision = wait(pod, "Unschedulable", message.clone(), now)?;
    decision.event = Some(EventDraft {
        severity: Severity::Warning,
        reason: "FailedScheduling",
        message,
        field_path: String::new(),
    });
    Some(decision)
}

/// Says why the pod waits, if it does not say so already.
fn wait(pod: &Pod, reason: &'static str, message: String, now: Timestamp) -> Option<Decision> {
    let condition = conditions::unscheduled(pod, reason, message, seconds(now));
    let old = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    if old.is_some_and(|old| old.contains(&condition)) {
        return None;
    }
    let mut waiting = pod.clone();
    set_condition(&mut waiting, condition);
    Some(Decision { pod: waiting, event: None })
}

fn set_condition(pod: &mut Pod, condition: PodCondition) {
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.get_or_insert_with(|| fresh(&spec));
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|old| old.type_ != condition.type_);
    conditions.push(condition);
}
