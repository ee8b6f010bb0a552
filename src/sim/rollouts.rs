//! What must hold of services after every turn: no rollout has more pods than it may, none takes
//! away more than it may, a number has one pod, and order is kept.
//!
//! Programs crash and probes fail: what counts is what controllers do. A pod that a user deletes,
//! or whose service goes or shrinks, was not taken by a rollout.

use super::runtime::Host;
use crate::kinds::pod::observed::Order;
use crate::kinds::pod::standing;
use crate::kinds::{Key, Kind, Object};
use crate::store::{ChangeVerb, Gone, Reader};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::{BTreeMap, BTreeSet};

/// The store keeps whole seconds: a pod counts as ready for so much longer than was seen.
const SLACK_MILLISECONDS: i64 = 2000;

/// A pod of a service, as last committed.
#[derive(Debug)]
struct Member {
    uid: String,
    is_active: bool,
    is_going: bool,
    /// Since when it was seen ready, in true milliseconds.
    ready_at: Option<i64>,
}

/// What happened to a service in one turn.
#[derive(Debug, Default)]
struct Turn {
    /// Names of pods that are new.
    made: Vec<String>,
    /// Names of active pods that are asked to go, and since when they were ready.
    taken: Vec<(String, Option<i64>)>,
    /// `spec.replicas` or the rest of the bounds were edited.
    resized: bool,
}

#[derive(Default)]
pub(super) struct Rollouts {
    pods: BTreeMap<String, BTreeMap<String, Member>>,
    services: BTreeMap<String, Object>,
    /// So many lines of the host's ledger were looked at for doubled numbers.
    looked_at: usize,
}

/// The service of a pod, by its name: `s7-0`, `s7-5d4f-xkcd2`.
fn service_of(pod: &str) -> Option<&str> {
    pod.split_once('-').map(|(service, _)| service).filter(|service| service.starts_with('s'))
}

impl Rollouts {
    /// Reads everything anew, as after a start.
    pub fn reload(&mut self, reader: &Reader, now: i64) {
        let before = std::mem::take(&mut self.pods);
        self.services.clear();
        for pod in reader.list(Kind::Pod, None).0 {
            let Some(service) = service_of(pod.name()) else { continue };
            let old = before.get(service).and_then(|pods| pods.get(pod.name()));
            let Object::Pod(one) = &pod else { continue };
            let member = Member::of(one, old, now);
            self.pods.entry(service.to_owned()).or_default().insert(pod.name().to_owned(), member);
        }
        for kind in super::services::KINDS {
            let all = reader.list(kind, None).0;
            self.services.extend(all.into_iter().map(|one| (one.name().to_owned(), one)));
        }
    }

    /// The clock was set forward and the daemon does not know: what it takes for time that passed
    /// makes pods available.
    pub fn clock_was_set(&mut self, milliseconds: i64) {
        let ready = self.pods.values_mut().flatten().filter_map(|(_, one)| one.ready_at.as_mut());
        ready.for_each(|at| *at -= milliseconds.max(0));
    }

    /// After a turn that was committed. `version`: before it; `deleted`: by users in it.
    pub fn check(
        &mut self,
        reader: &Reader,
        version: u64,
        deleted: &BTreeSet<Key>,
        host: &Host,
    ) -> Result<(), String> {
        let Ok(turns) = self.follow(reader, version, host.now) else {
            self.reload(reader, host.now);
            return Ok(());
        };
        for (name, mut turn) in turns {
            turn.taken.retain(|(pod, _)| !deleted.contains(&Key::new(Kind::Pod, "default", pod)));
            match self.services.get(&name) {
                Some(Object::Deployment(one)) => self.check_deployment(one, &turn, host.now),
                Some(Object::StatefulSet(one)) => self.check_stateful_set(one, &turn, host.now),
                Some(Object::DaemonSet(_)) => self.check_at_most(&name, 1),
                _ => Ok(()),
            }?;
        }
        self.check_doubles(host)
    }

    fn follow(
        &mut self,
        reader: &Reader,
        version: u64,
        now: i64,
    ) -> Result<BTreeMap<String, Turn>, Gone> {
        let mut turns: BTreeMap<String, Turn> = BTreeMap::new();
        for kind in super::services::KINDS {
            for change in reader.changes_since(version, kind, None)?.0 {
                let object = change.object();
                let turn = turns.entry(object.name().to_owned()).or_default();
                turn.resized |= self.follow_service(object, change.verb());
            }
        }
        for change in reader.changes_since(version, Kind::Pod, None)?.0 {
            let Object::Pod(pod) = change.object() else { continue };
            let name = pod.metadata.name.clone().unwrap_or_default();
            let Some(service) = service_of(&name) else { continue };
            let turn = turns.entry(service.to_owned()).or_default();
            let pods = self.pods.entry(service.to_owned()).or_default();
            let before = pods.remove(&name);
            let is_there = change.verb() != ChangeVerb::Deleted;
            let after = is_there.then(|| Member::of(&pod, before.as_ref(), now));
            let is_same = |one: &&Member| after.as_ref().is_some_and(|two| two.uid == one.uid);
            if let Some(was) = before.as_ref().filter(|one| one.is_active)
                && !after.as_ref().is_some_and(|one| one.uid == was.uid && !one.is_going)
            {
                // It may have gone for what was heard of it in this very turn.
                let ready_at = was.ready_at.filter(|_| standing::is_ready(&pod));
                turn.taken.push((name.clone(), ready_at));
            }
            if after.is_some() && before.as_ref().filter(is_same).is_none() {
                turn.made.push(name.clone());
            }
            pods.extend(after.map(|member| (name, member)));
        }
        Ok(turns)
    }

    /// Says whether its size is another.
    fn follow_service(&mut self, object: Object, verb: ChangeVerb) -> bool {
        let name = object.name().to_owned();
        if verb == ChangeVerb::Deleted {
            return self.services.remove(&name).is_some();
        }
        let size = |object: &Object| match object {
            Object::Deployment(one) => one.spec.as_ref().and_then(|spec| spec.replicas),
            Object::StatefulSet(one) => one.spec.as_ref().and_then(|spec| spec.replicas),
            _ => None,
        };
        let after = size(&object);
        self.services.insert(name, object).is_none_or(|before| size(&before) != after)
    }

    fn members(&self, service: &str) -> impl Iterator<Item = (&String, &Member)> {
        self.pods.get(service).into_iter().flatten()
    }

    fn active(&self, service: &str) -> usize {
        self.members(service).filter(|(_, member)| member.is_active).count()
    }

    fn check_at_most(&self, service: &str, most: usize) -> Result<(), String> {
        match self.active(service) {
            active if active > most => Err(format!("{service} has {active} pods of {most}")),
            _ => Ok(()),
        }
    }

    fn check_deployment(
        &self,
        deployment: &Deployment,
        turn: &Turn,
        now: i64,
    ) -> Result<(), String> {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        let Some(allowed) = Allowed::of(deployment) else { return Ok(()) };
        self.check_at_most(name, allowed.pods_max)?;
        let says = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
        let active = self.active(name);
        if usize::try_from(says) != Ok(active) {
            return Err(format!("{name} says {says} pods, in truth {active}"));
        }
        let wait =
            i64::from(deployment.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0));
        let is_up = |ready_at: Option<i64>, slack: i64| {
            ready_at.is_some_and(|at| at + wait * 1000 <= now + slack)
        };
        let taken: Vec<&str> = turn
            .taken
            .iter()
            .filter(|(_, ready_at)| is_up(*ready_at, 0))
            .map(|(pod, _)| pod.as_str())
            .collect();
        let Some(least) = allowed.available_min.filter(|_| !turn.resized && !taken.is_empty())
        else {
            return Ok(());
        };
        let up = self
            .members(name)
            .filter(|(_, one)| one.is_active && is_up(one.ready_at, SLACK_MILLISECONDS))
            .count();
        if up < least {
            return Err(format!("{name} has {up} available of {least} after {taken:?} were taken"));
        }
        Ok(())
    }

    fn check_stateful_set(&self, set: &StatefulSet, turn: &Turn, now: i64) -> Result<(), String> {
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let Some(spec) = &set.spec else { return Ok(()) };
        let (start, end) = numbers(spec);
        let is_ordered = spec.pod_management_policy.as_deref() != Some("Parallel");
        let number = |pod: &str| pod.rsplit_once('-').and_then(|(_, n)| n.parse::<i64>().ok());
        let wait = i64::from(spec.min_ready_seconds.unwrap_or(0)) * 1000;
        let is_up = |pod: i64| {
            let one = self.pods.get(name).and_then(|pods| pods.get(&format!("{name}-{pod}")));
            one.is_some_and(|one| {
                one.is_active
                    && one.ready_at.is_some_and(|at| at + wait <= now + SLACK_MILLISECONDS)
            })
        };
        for made in turn.made.iter().filter_map(|pod| number(pod)) {
            if made < start || made >= end {
                return Err(format!("{name} has no number {made}"));
            }
            if let Some(lower) = (start..made).find(|lower| is_ordered && !is_up(*lower)) {
                let pods = self.pods.get(name);
                return Err(format!(
                    "{name}-{made} was made before {name}-{lower} was up at {now}: {pods:?}"
                ));
            }
        }
        let strategy = spec.update_strategy.as_ref().and_then(|one| one.rolling_update.as_ref());
        let first = start + i64::from(strategy.and_then(|one| one.partition).unwrap_or(0));
        for taken in turn.taken.iter().filter_map(|(pod, _)| number(pod)) {
            let higher = self.members(name).filter_map(|(pod, _)| number(pod)).find(|n| *n > taken);
            if let Some(higher) = higher.filter(|_| is_ordered && taken >= end) {
                return Err(format!("{name}-{taken} was taken before {name}-{higher} was gone"));
            }
            if taken >= start && taken < first.min(end) {
                return Err(format!("{name}-{taken} was taken below the partition"));
            }
        }
        Ok(())
    }

    /// Two pods of one name never run at once.
    fn check_doubles(&mut self, host: &Host) -> Result<(), String> {
        let new = self.looked_at..host.ledger.len();
        self.looked_at = new.end;
        for started in new.map(|line| &host.ledger[line]) {
            let Some(service) = service_of(&started.pod) else { continue };
            let running = host.running_of.get(service).into_iter().flatten();
            let mut others = running.map(|line| &host.ledger[*line]);
            if others.any(|one| one.pod == started.pod && one.pod_uid != started.pod_uid) {
                return Err(format!("two pods {} run at once", started.pod));
            }
        }
        Ok(())
    }

    /// No program is stopped that is well and whose pod shall stay.
    pub fn check_orders(&self, orders: &[Order], host: &Host) -> Result<(), String> {
        for order in orders {
            let Order::Stop { pod_uid, container, attempt, .. } = order else { continue };
            let mut all = self.pods.values().flatten();
            let stays = all.find(|(_, member)| member.uid == *pod_uid && member.is_active);
            if let Some((name, _)) = stays
                && host.is_blameless(pod_uid, container, *attempt)
            {
                return Err(format!("{name} is well and was stopped"));
            }
        }
        Ok(())
    }
}

impl Member {
    fn of(pod: &Pod, before: Option<&Member>, now: i64) -> Member {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let since = before.filter(|one| one.uid == uid).and_then(|one| one.ready_at);
        Member {
            uid,
            is_active: standing::is_active(pod),
            is_going: standing::is_going(pod),
            ready_at: standing::is_ready(pod).then(|| since.unwrap_or(now)),
        }
    }
}

/// The numbers of a StatefulSet: from, and up to but without.
fn numbers(spec: &StatefulSetSpec) -> (i64, i64) {
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
    (start.into(), i64::from(start) + i64::from(spec.replicas.unwrap_or(1)))
}

/// What the strategy of a Deployment allows, counted apart from the controller.
struct Allowed {
    pods_max: usize,
    /// `Recreate` promises none.
    available_min: Option<usize>,
}

impl Allowed {
    fn of(deployment: &Deployment) -> Option<Allowed> {
        let spec = deployment.spec.as_ref()?;
        let replicas = usize::try_from(spec.replicas.unwrap_or(1)).ok()?;
        let strategy = spec.strategy.as_ref()?;
        let Some(rolling) = &strategy.rolling_update else {
            return Some(Allowed { pods_max: replicas, available_min: None });
        };
        let pods = |value: &Option<IntOrString>, add: usize| match value {
            Some(IntOrString::Int(count)) => usize::try_from(*count).unwrap_or(0),
            Some(IntOrString::String(text)) => {
                let percent: usize = text.trim_end_matches('%').parse().unwrap_or(0);
                (percent * replicas + add) / 100
            }
            None => 0,
        };
        let surge = pods(&rolling.max_surge, 99);
        let missing = pods(&rolling.max_unavailable, 0);
        let missing = if surge + missing == 0 { 1 } else { missing };
        Some(Allowed {
            pods_max: replicas + surge,
            available_min: Some(replicas.saturating_sub(missing)),
        })
    }
}
