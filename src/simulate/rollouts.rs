//! What happens to services, turn by turn, and what must hold of each after it ([`super::rules`]).

use super::rules::backoff::Backoff;
use super::rules::claims::Claims;
use super::rules::owners::{Deleted, Owners};
use super::rules::proportion::Proportions;
use super::rules::{Member, Scene, Taken, Turn, daemon_set, deployment, stateful_set, volumes};
use super::runtime::Host;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_engine::Effects;
use cronlet_engine::store::{ChangeVerb, Gone, Reader};
use cronlet_plan::kubelet::availability;
use cronlet_plan::order::Order;
use std::collections::BTreeMap;

/// A program that failed its probe is asked to stop in the turn that hears of it.
const CONDEMNED_MILLISECONDS_MAX: i64 = 1000;

#[derive(Default)]
pub(super) struct Rollouts {
    pods: BTreeMap<String, BTreeMap<String, Member>>,
    services: BTreeMap<String, Object>,
    owners: Owners,
    proportions: Proportions,
    claims: Claims,
    backoff: Backoff,
    /// So many lines of the host's ledger were looked at for doubled numbers.
    looked_at: usize,
    /// Since when the daemon had nothing to be late for, in true milliseconds.
    disturbed_at: i64,
}

/// The service of a pod, by its name: `s7-0`, `s7-5d4f-xkcd2`.
fn service_of(pod: &str) -> Option<&str> {
    pod.split_once('-').map(|(service, _)| service).filter(|service| service.starts_with('s'))
}

impl Rollouts {
    /// Reads everything anew, as after a start.
    pub(crate) fn reload(&mut self, reader: &Reader, now: i64) {
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
        self.proportions.reload(reader);
        self.claims.reload(reader);
    }

    /// The daemon may be late for what is due by now: it was away, its disk failed.
    pub(crate) fn disturbed(&mut self, now: i64) {
        self.disturbed_at = now;
        self.backoff.disturbed(now);
    }

    /// `is_known`: the daemon was told. Else it takes the step for time that passed, or did not.
    pub(crate) fn clock_was_set(&mut self, milliseconds: i64, now: i64, is_known: bool) {
        self.backoff.clock_was_set(now);
        for member in self.pods.values_mut().flat_map(BTreeMap::values_mut).filter(|_| !is_known) {
            let (ready_at, known_at) = (&mut member.ready_at, &mut member.known_at);
            *ready_at = ready_at.map(|at| at - milliseconds.max(0));
            *known_at = known_at.map(|at| at - milliseconds.min(0));
        }
    }

    /// After a turn that was committed. `version`: before it; `deleted`: by users in it.
    pub(crate) fn check(
        &mut self,
        reader: &Reader,
        version: u64,
        deleted: &Deleted,
        effects: &Effects,
        host: &Host,
    ) -> Result<(), String> {
        self.owners.note(deleted);
        let Ok(turns) = self.follow(reader, version, host.now) else {
            self.reload(reader, host.now);
            return Ok(());
        };
        for (name, mut turn) in turns {
            turn.taken
                .retain(|one| !deleted.contains_key(&Key::new(Kind::Pod, "default", &one.pod)));
            self.check_one(&name, &turn, effects, host.now)?;
        }
        let (services, pods) = (&self.services, &self.pods);
        let held = self.claims.check(reader, version, deleted, &self.owners, services, pods);
        held.unwrap_or(Ok(()))?;
        volumes::check(reader, version).unwrap_or(Ok(()))?;
        let _ = self.proportions.follow(reader, version);
        self.backoff.check(host)?;
        self.check_condemned(host)?;
        self.check_starts(host)
    }

    fn check_one(
        &mut self,
        name: &str,
        turn: &Turn,
        effects: &Effects,
        now: i64,
    ) -> Result<(), String> {
        let nothing = BTreeMap::new();
        let pods = self.pods.get(name).unwrap_or(&nothing);
        let scene = Scene { name, turn, pods, now };
        let service = self.services.get(name);
        self.owners.check(&scene, service.is_some())?;
        match service {
            // What it owns goes before it, all at once.
            Some(going) if going.is_going() => Ok(()),
            Some(Object::Deployment(one)) => {
                deployment::check(one, &scene)?;
                deployment::check_pause(one, &scene)?;
                match &turn.before {
                    Some(Object::Deployment(before)) if turn.resized => {
                        self.proportions.check(before, one, &effects.notes)
                    }
                    _ => Ok(()),
                }
            }
            Some(Object::StatefulSet(one)) => {
                self.claims.note_set(one, &scene);
                stateful_set::check(one, &scene)
            }
            Some(Object::DaemonSet(one)) => daemon_set::check(one, &scene),
            _ => Ok(()),
        }
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
                self.follow_service(object, change.verb(), turn);
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
            let was_ready =
                before.as_ref().filter(is_same).is_some_and(|one| one.ready_at.is_some());
            if was_ready && after.as_ref().is_some_and(|one| one.ready_at.is_none()) {
                turn.fell.insert(name.clone());
            }
            if let Some(was) = before.as_ref().filter(|one| one.is_active)
                && !after.as_ref().is_some_and(|one| one.uid == was.uid && !one.is_going)
            {
                // It may have gone for what was heard of it in this very turn.
                let known_at = was.known_at.filter(|_| availability::is_ready(&pod));
                turn.taken.push(Taken { pod: name.clone(), known_at, made_at: was.made_at });
            }
            if after.is_some() && before.as_ref().filter(is_same).is_none() {
                turn.made.push(name.clone());
            }
            pods.extend(after.map(|member| (name, member)));
        }
        Ok(turns)
    }

    fn follow_service(&mut self, object: Object, verb: ChangeVerb, turn: &mut Turn) {
        let name = object.name().to_owned();
        let size = |object: &Object| match object {
            Object::Deployment(one) => one.spec.as_ref().and_then(|spec| spec.replicas),
            Object::StatefulSet(one) => one.spec.as_ref().and_then(|spec| spec.replicas),
            _ => None,
        };
        let after = size(&object);
        let before = match verb {
            ChangeVerb::Deleted => self.services.remove(&name),
            _ => self.services.insert(name, object),
        };
        let is_same = before.as_ref().is_some_and(|before| size(before) == after);
        turn.resized |= !is_same || verb == ChangeVerb::Deleted;
        turn.before = turn.before.take().or(before);
    }

    /// Two pods of one name never run at once, nor old and new under `Recreate`.
    fn check_starts(&mut self, host: &Host) -> Result<(), String> {
        let new = self.looked_at..host.ledger.len();
        self.looked_at = new.end;
        for started in new.map(|line| &host.ledger[line]) {
            let Some(service) = service_of(&started.pod) else { continue };
            let running = host.running_of.get(service).into_iter().flatten();
            let running = running.map(|line| &host.ledger[*line]);
            let mut others = running.clone();
            if others.any(|one| one.pod == started.pod && one.pod_uid != started.pod_uid) {
                return Err(format!("two pods {} run at once", started.pod));
            }
            if let Some(Object::Deployment(one)) = self.services.get(service)
                && one.spec.as_ref().is_some_and(deployment::keeps_apart)
            {
                deployment::check_start(started, running)?;
            }
        }
        Ok(())
    }

    /// A program that failed its liveness or startup probe is asked to stop.
    fn check_condemned(&self, host: &Host) -> Result<(), String> {
        let heard = host.now - CONDEMNED_MILLISECONDS_MAX;
        let mut left = host.condemned();
        match left.find(|(_, at)| (self.disturbed_at..heard).contains(at)) {
            Some((pod, _)) => Err(format!("{pod} failed its probe and runs on")),
            None => Ok(()),
        }
    }

    /// No program is stopped or cleaned away that is well and whose pod shall stay.
    pub(crate) fn check_orders(&self, orders: &[Order], host: &Host) -> Result<(), String> {
        for order in orders {
            let (uid, is_well) = match order {
                Order::Stop { pod_uid, container, attempt, .. } => {
                    (pod_uid, host.is_blameless(pod_uid, container, *attempt))
                }
                Order::Clean { pod_uid } => (pod_uid, true),
                _ => continue,
            };
            let mut all = self.pods.values().flatten();
            let stays = all.find(|(_, member)| member.uid == *uid && member.is_active);
            if let Some((name, _)) = stays.filter(|_| is_well) {
                return Err(format!("{name} is well and was stopped"));
            }
        }
        Ok(())
    }

    /// In calm times: claims that shall go are gone.
    pub(crate) fn check_claims(&self) -> Result<(), String> {
        self.claims.check_calm(&self.services, &self.owners)
    }
}
