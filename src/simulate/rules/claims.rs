//! Claims of StatefulSets: one for each number, kept or gone as the retention policy says. None is
//! ever lost that must stay.

use super::owners::{Deleted, Owners};
use super::stateful_set::{number, numbers};
use super::{Member, Scene};
use cronlet_api::kind::{Kind, Object};
use cronlet_engine::store::{ChangeVerb, Gone, Reader};
use k8s_openapi::api::apps::v1::StatefulSet;
use std::collections::{BTreeMap, BTreeSet};

/// When the claims of a set go.
#[derive(Clone, Copy)]
struct Policy {
    with_set: bool,
    when_scaled: bool,
}

#[derive(Default)]
pub(crate) struct Claims {
    /// Of each StatefulSet with claims that ever was.
    policies: BTreeMap<String, Policy>,
    /// Those that are there and not asked to go, by name; of each the uid.
    kept: BTreeMap<String, String>,
    /// Those whose number was one too many since they were made.
    surplus: BTreeSet<String>,
    /// Those whose number is one too many now; and whether a pod had it when it became so, for the
    /// set to take. Without one nothing takes the claim along, as in Kubernetes; also where a user
    /// takes the pod, maybe before the set comes to it.
    outside: BTreeMap<String, bool>,
}

/// The set and the pod of a claim: `data-s1-0` is that of `s1-0`.
fn pod_of(claim: &str) -> Option<(&str, &str)> {
    let pod = claim.strip_prefix("data-")?;
    Some((pod.rsplit_once('-')?.0, pod))
}

/// It goes with a pod that was one too many, though there is another one of the name by now.
fn was_of_another(claim: &Object, pod: &Member) -> bool {
    let owners = claim.meta().owner_references.iter().flatten();
    owners.into_iter().any(|owner| owner.kind == "Pod" && owner.uid != pod.uid)
}

impl Claims {
    pub(crate) fn reload(&mut self, reader: &Reader) {
        let all = reader.list(Kind::PersistentVolumeClaim, None).0;
        let kept = all.iter().filter(|claim| !claim.is_going());
        self.kept = kept.map(|claim| (claim.name().to_owned(), claim.uid().to_owned())).collect();
    }

    /// After a turn that changed something of the set.
    pub(crate) fn note_set(&mut self, set: &StatefulSet, scene: &Scene<'_>) {
        let (name, Some(spec)) = (set.metadata.name.clone().unwrap_or_default(), &set.spec) else {
            return;
        };
        if spec.volume_claim_templates.is_none() {
            return;
        }
        let policy = spec.persistent_volume_claim_retention_policy.clone().unwrap_or_default();
        let is_delete = |when: Option<String>| when.as_deref() == Some("Delete");
        let policy = Policy {
            with_set: is_delete(policy.when_deleted),
            when_scaled: is_delete(policy.when_scaled),
        };
        let has = numbers(spec);
        for claim in self.kept.keys() {
            let Some((_, pod)) = pod_of(claim).filter(|(set, _)| *set == name) else { continue };
            if number(claim).is_some_and(|number| has.contains(&number)) {
                self.outside.remove(claim);
            } else {
                self.surplus.insert(claim.clone());
                let stays = scene.pods.get(pod).is_some_and(|one| !one.is_going);
                let for_set = stays || scene.turn.taken.iter().any(|one| one.pod == pod);
                self.outside.entry(claim.clone()).or_insert(for_set);
            }
        }
        self.policies.insert(name, policy);
    }

    /// After a turn. `services` and `pods` as they are then.
    pub(crate) fn check(
        &mut self,
        reader: &Reader,
        version: u64,
        deleted: &Deleted,
        owners: &Owners,
        services: &BTreeMap<String, Object>,
        pods: &BTreeMap<String, BTreeMap<String, Member>>,
    ) -> Result<Result<(), String>, Gone> {
        for pod in deleted.keys().filter(|key| key.kind == Kind::Pod) {
            let claim = format!("data-{}", pod.name);
            self.outside.entry(claim).and_modify(|for_set| *for_set = false);
        }
        for change in reader.changes_since(version, Kind::PersistentVolumeClaim, None)?.0 {
            let claim = change.object();
            let stays = change.verb() != ChangeVerb::Deleted && !claim.is_going();
            let had = self.kept.get(claim.name()).cloned();
            if had.is_some_and(|uid| !stays || uid != claim.uid()) {
                let may_go = deleted.contains_key(&claim.key())
                    || self.may_go(&claim, owners, services, pods);
                if !may_go {
                    return Ok(Err(format!("{} is lost", claim.key())));
                }
                self.kept.remove(claim.name());
            }
            if stays && self.kept.insert(claim.name().to_owned(), claim.uid().to_owned()).is_none()
            {
                self.surplus.remove(claim.name());
            }
        }
        Ok(self.check_mounted(services, pods))
    }

    fn may_go(
        &self,
        claim: &Object,
        owners: &Owners,
        services: &BTreeMap<String, Object>,
        pods: &BTreeMap<String, BTreeMap<String, Member>>,
    ) -> bool {
        let Some((set, pod)) = pod_of(claim.name()) else { return true };
        let Some(policy) = self.policies.get(set) else { return false };
        let set_goes = services.get(set).is_none_or(Object::is_going);
        if policy.with_set && set_goes && !owners.is_orphaning(set) {
            return true;
        }
        let one = pods.get(set).and_then(|all| all.get(pod));
        let is_used = one.is_some_and(|one| one.is_active && !was_of_another(claim, one));
        policy.when_scaled && self.surplus.contains(claim.name()) && !is_used
    }

    /// A pod that is wanted has its claim.
    fn check_mounted(
        &self,
        services: &BTreeMap<String, Object>,
        pods: &BTreeMap<String, BTreeMap<String, Member>>,
    ) -> Result<(), String> {
        let sets = self.policies.keys().filter(|set| services.contains_key(*set));
        let members = sets.filter_map(|set| pods.get(set)).flatten();
        let mut active = members.filter(|(_, one)| one.is_active);
        match active.find(|(pod, _)| !self.kept.contains_key(&format!("data-{pod}"))) {
            Some((pod, _)) => Err(format!("{pod} has no claim")),
            None => Ok(()),
        }
    }

    /// In calm times: claims that the policy lets go are gone.
    pub(crate) fn check_calm(
        &self,
        services: &BTreeMap<String, Object>,
        owners: &Owners,
    ) -> Result<(), String> {
        for claim in self.kept.keys() {
            let Some((set, _)) = pod_of(claim) else { continue };
            let Some(policy) = self.policies.get(set) else { continue };
            let is_left = match services.get(set) {
                None => policy.with_set && !owners.is_orphaning(set),
                Some(Object::StatefulSet(one)) => {
                    let has = one.spec.as_ref().map(numbers).unwrap_or_default();
                    let for_set = self.outside.get(claim) == Some(&true);
                    policy.when_scaled
                        && for_set
                        && number(claim).is_some_and(|n| !has.contains(&n))
                }
                Some(_) => false,
            };
            if is_left {
                return Err(format!("{claim} is left over"));
            }
        }
        Ok(())
    }
}
