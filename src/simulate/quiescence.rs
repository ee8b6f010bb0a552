//! How a life with services ends: rollouts have ended or say that they are late, repairs succeed,
//! what is counted is what runs, and a rollback restores.

use super::services::{self, KINDS};
use super::world::{World, delete};
use super::{Broken, templates};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::time::Timestamp;
use cronlet_engine::Request;
use cronlet_engine::store::Reader;
use cronlet_plan::kubelet::availability;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use std::collections::BTreeMap;

pub(super) const HOUR: i64 = 3_600_000;

/// Tries to have a request taken while the last of the faults shows.
const TRIES_MAX: usize = 20;

/// All faults are over; the services are there still.
pub(super) fn check(world: &mut World) -> Result<(), Broken> {
    world.live_for(3 * HOUR)?;
    world.insist(resumed)?;
    world.live_for(2 * HOUR)?;
    world.demand_ended()?;
    world.insist(unowned)?;
    let before = templates_of(world);
    let version = world.new_version();
    world.insist(|reader| repaired(reader, &version))?;
    world.live_for(HOUR)?;
    // Pods of a StatefulSet that never got available hold up their repair, as in Kubernetes.
    let now = world.host.borrow().wall();
    let stuck = world.reader().map(|reader| stuck(&reader, now)).unwrap_or_default();
    world.turn(stuck)?;
    world.insist(|reader| outdated(reader, &version))?;
    world.live_for(2 * HOUR)?;
    world.demand(each_is_complete)?;
    world.demand_of_host()?;
    check_claims(world)?;
    world.insist(|reader| rolled_back(reader, &version))?;
    world.live_for(2 * HOUR)?;
    world.demand_ended()?;
    world.demand(|reader| each_is_restored(reader, &before))
}

/// Claims are there and gone as their policies say.
pub(super) fn check_claims(world: &World) -> Result<(), Broken> {
    world.rollouts.check_claims().map_err(|what| world.broken(&what))
}

impl World {
    pub(crate) fn live_for(&mut self, milliseconds: i64) -> Result<(), Broken> {
        let now = self.host.borrow().now;
        self.live_until(now + milliseconds)
    }

    /// Asks until there is nothing more to ask for: the last of the faults may still show.
    pub(crate) fn insist(&mut self, wants: impl Fn(&Reader) -> Vec<Request>) -> Result<(), Broken> {
        for _ in 0..TRIES_MAX {
            let Some(reader) = self.reader() else {
                self.live_for(HOUR / 4)?;
                continue;
            };
            let wanted = wants(&reader);
            if wanted.is_empty() {
                return Ok(());
            }
            self.turn(wanted)?;
            self.live_for(2000)?;
        }
        Err(self.broken("what was asked for in calm times was never done"))
    }

    fn demand(&self, holds: impl Fn(&Reader) -> Result<(), String>) -> Result<(), Broken> {
        let reader = self.reader().ok_or_else(|| self.broken("the daemon never came back"))?;
        holds(&reader).map_err(|what| self.broken(&what))
    }

    fn demand_ended(&self) -> Result<(), Broken> {
        let now = self.host.borrow().wall();
        self.demand(|reader| each_has_ended(reader, now))
    }

    /// As many programs serve as pods are there, and no others.
    fn demand_of_host(&self) -> Result<(), Broken> {
        let running = self.host.borrow().services().len();
        self.demand(|reader| {
            let services = all(reader);
            let pods: usize = services.iter().map(|one| pods_of(reader, one.name()).len()).sum();
            match pods == running {
                true => Ok(()),
                false => Err(format!("{running} programs serve {pods} pods")),
            }
        })
    }
}

/// Everything that is there of these kinds.
pub(super) fn all(reader: &Reader) -> Vec<Object> {
    KINDS.iter().flat_map(|kind| reader.list(*kind, None).0).collect()
}

/// Deletes what is there.
pub(super) fn deleted(reader: &Reader) -> Vec<Request> {
    deletions(&all(reader), |one| !one.is_going())
}

fn deletions(objects: &[Object], which: impl Fn(&Object) -> bool) -> Vec<Request> {
    let chosen = objects.iter().filter(|one| which(one));
    chosen.map(|one| delete(one.kind(), one.name())).collect()
}

/// Deletes the claims, which nobody uses any more.
pub(super) fn unclaimed(reader: &Reader) -> Vec<Request> {
    let claims = reader.list(Kind::PersistentVolumeClaim, None).0;
    deletions(&claims, |one| !one.is_going())
}

/// Deletes what services left behind.
fn unowned(reader: &Reader) -> Vec<Request> {
    let kinds = [Kind::ReplicaSet, Kind::ControllerRevision, Kind::Pod];
    let all = kinds.iter().flat_map(|kind| reader.list(*kind, None).0).collect::<Vec<_>>();
    deletions(&all, |one| one.meta().owner_references.is_none() && !one.is_going())
}

/// Deletes the CronJobs that are there, and with them their Jobs.
pub(super) fn unscheduled(reader: &Reader) -> Vec<Request> {
    deletions(&reader.list(Kind::CronJob, None).0, |_| true)
}

fn update(mut object: Object, change: impl FnOnce(&mut Object)) -> Request {
    object.meta_mut().resource_version = None;
    change(&mut object);
    Request::Update(object)
}

fn resumed(reader: &Reader) -> Vec<Request> {
    let is_paused = |object: &Object| match object {
        Object::Deployment(one) => one.spec.as_ref().is_some_and(|s| s.paused == Some(true)),
        _ => false,
    };
    let paused = all(reader).into_iter().filter(is_paused);
    paused.map(|one| update(one, |one| services::set_paused(one, false))).collect()
}

fn templates_of(world: &World) -> BTreeMap<String, PodTemplateSpec> {
    let all = world.reader().map(|reader| all(&reader)).unwrap_or_default();
    let template = |one: &Object| Some((one.name().to_owned(), services::template_of(one)?));
    all.iter().filter_map(template).collect()
}

/// Is the template the one of this version?
fn has_version(object: &Object, version: &str) -> bool {
    services::template_of(object).is_some_and(|one| templates::version_of(&one) == version)
}

fn repaired(reader: &Reader, version: &str) -> Vec<Request> {
    let old = all(reader).into_iter().filter(|one| !has_version(one, version));
    let repair = |object: &mut Object| {
        let template = templates::good(object.name(), version);
        services::set_template(object, template);
        services::set_partition(object, 0);
    };
    old.map(|one| update(one, repair)).collect()
}

fn stuck(reader: &Reader, now: Timestamp) -> Vec<Request> {
    let is_stuck = |pod: &Object| {
        let owner = pod.meta().owner_references.iter().flatten().next();
        let owner = owner.filter(|owner| owner.kind == "StatefulSet");
        let set = owner.map(|owner| Key::new(Kind::StatefulSet, "default", &owner.name));
        let (Object::Pod(pod), Some(Object::StatefulSet(set))) =
            (pod, set.and_then(|key| reader.get(&key)))
        else {
            return false;
        };
        let wait = set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
        let ready_for =
            availability::ready_since(pod).map(|since| now.duration_since(since).as_secs());
        ready_for.is_none_or(|seconds| seconds < i64::from(wait))
    };
    deletions(&reader.list(Kind::Pod, None).0, is_stuck)
}

/// Deletes pods of older templates that only users delete.
fn outdated(reader: &Reader, version: &str) -> Vec<Request> {
    let left = all(reader).into_iter().filter(services::is_on_delete);
    let pods: Vec<Object> = left.flat_map(|one| pods_of(reader, one.name())).collect();
    deletions(&pods, |pod| match pod {
        Object::Pod(one) => !pod.is_going() && templates::version(one.spec.as_ref()) != version,
        _ => false,
    })
}

fn rolled_back(reader: &Reader, version: &str) -> Vec<Request> {
    let deployments = reader.list(Kind::Deployment, None).0.into_iter();
    let new = deployments.filter(|one| has_version(one, version));
    new.map(|one| update(one, services::ask_rollback)).collect()
}

/// It was rolled out, or it says that it takes too long, or it went further just now: programs that
/// are ready for a while and then crash do so for ever, as in Kubernetes.
fn each_has_ended(reader: &Reader, now: Timestamp) -> Result<(), String> {
    for object in reader.list(Kind::Deployment, None).0 {
        let Object::Deployment(one) = &object else { continue };
        let Some(condition) = progressing(one) else {
            return Err(format!("{} says nothing of its rollout", object.name()));
        };
        let seconds = one.spec.as_ref().and_then(|spec| spec.progress_deadline_seconds);
        let since = condition.last_update_time.as_ref().map_or(now, |time| time.0);
        let is_late = now.duration_since(since).as_secs() > i64::from(seconds.unwrap_or(600)) + 2;
        let reason = condition.reason.as_deref().unwrap_or_default();
        match reason {
            "NewReplicaSetAvailable" | "ProgressDeadlineExceeded" => {}
            "ReplicaSetUpdated" if !is_late => {}
            _ => {
                return Err(format!(
                    "{} neither ends nor is late: {reason} since {since}",
                    object.name()
                ));
            }
        }
    }
    Ok(())
}

fn progressing(deployment: &Deployment) -> Option<&DeploymentCondition> {
    let mut conditions = deployment.status.iter().flat_map(|status| &status.conditions).flatten();
    conditions.find(|one| one.type_ == "Progressing")
}

fn each_is_complete(reader: &Reader) -> Result<(), String> {
    for object in all(reader) {
        let json = serde_json::to_value(&object).expect("plain data always serializes");
        let (spec, status) = (&json["spec"], &json["status"]);
        let counts = match object.kind() {
            Kind::DaemonSet => {
                ["desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"]
            }
            _ => ["replicas", "updatedReplicas", "availableReplicas"],
        };
        let wanted = if object.kind() == Kind::DaemonSet { 1 } else { number(&spec["replicas"]) };
        let done = counts.iter().all(|name| number(&status[*name]) == wanted);
        let pods = pods_of(reader, object.name());
        if !done || pods.len() as i64 != wanted {
            return Err(format!("{} is not complete, {} pods: {status}", object.key(), pods.len()));
        }
        if let Object::Deployment(one) = &object
            && let reason = progressing(one).and_then(|one| one.reason.as_deref())
            && reason != Some("NewReplicaSetAvailable")
        {
            return Err(format!("{} is complete and says {reason:?}", object.key()));
        }
    }
    Ok(())
}

fn number(value: &serde_json::Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// The pods of a service, whatever their state.
pub(super) fn pods_of(reader: &Reader, service: &str) -> Vec<Object> {
    let mut pods = reader.list(Kind::Pod, None).0;
    pods.retain(|pod| pod.name().split_once('-').is_some_and(|(name, _)| name == service));
    pods
}

fn each_is_restored(
    reader: &Reader,
    before: &BTreeMap<String, PodTemplateSpec>,
) -> Result<(), String> {
    for (name, template) in before {
        let key = Key::new(Kind::Deployment, "default", name);
        let Some(object) = reader.get(&key) else { continue };
        if services::template_of(&object).as_ref() != Some(template) {
            return Err(format!("{key} was rolled back to another template"));
        }
    }
    Ok(())
}
