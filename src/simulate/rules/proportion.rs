//! A Deployment that gets another size during a rollout gives it to its ReplicaSets in proportion
//! (`getReplicaSetFraction`): each in relation to what it has, the greatest also what is left over
//! by rounding.

use super::deployment::Allowed;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_engine::LoggedEvent;
use cronlet_engine::store::{ChangeVerb, Gone, Reader};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use std::collections::BTreeMap;

/// How many pods of all its sets a Deployment allowed when the set got its size.
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

#[derive(Clone, Copy)]
struct Set {
    size: i64,
    pods_max: i64,
}

/// The ReplicaSets of all Deployments, by their names.
#[derive(Default)]
pub(crate) struct Proportions(BTreeMap<String, Set>);

impl Proportions {
    pub(crate) fn reload(&mut self, reader: &Reader) {
        self.0.clear();
        reader.list(Kind::ReplicaSet, None).0.iter().for_each(|set| self.note(set));
    }

    fn note(&mut self, set: &Object) {
        let Object::ReplicaSet(set) = set else { return };
        let annotations = set.metadata.annotations.as_ref();
        let pods_max = annotations.and_then(|all| all.get(MAX_REPLICAS)?.parse().ok());
        let size = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).into();
        let name = set.metadata.name.clone().unwrap_or_default();
        self.0.insert(name, Set { size, pods_max: pods_max.unwrap_or(0) });
    }

    pub(crate) fn follow(&mut self, reader: &Reader, version: u64) -> Result<(), Gone> {
        for change in reader.changes_since(version, Kind::ReplicaSet, None)?.0 {
            let set = change.object();
            match change.verb() {
                ChangeVerb::Deleted => drop(self.0.remove(set.name())),
                _ => self.note(&set),
            }
        }
        Ok(())
    }

    /// After a turn in which it got another size, and before that turn is followed: `notes` tell
    /// which set was scaled, step by step.
    pub(crate) fn check(
        &self,
        before: &Deployment,
        after: &Deployment,
        notes: &[LoggedEvent],
    ) -> Result<(), String> {
        let name = after.metadata.name.as_deref().unwrap_or_default();
        let (Some(old), Some(spec)) = (&before.spec, &after.spec) else { return Ok(()) };
        if old.template != spec.template || super::deployment::is_recreated(spec) {
            return Ok(());
        }
        let prefix = format!("{name}-");
        let own = self.0.iter().filter(|(set, one)| set.starts_with(&prefix) && one.size > 0);
        let sets: BTreeMap<&str, Set> = own.map(|(set, one)| (set.as_str(), *one)).collect();
        // One set takes all; and where one has it all already, the others go.
        let all = i64::from(spec.replicas.unwrap_or(1));
        if sets.len() < 2 || sets.values().any(|one| one.size == all) {
            return Ok(());
        }
        let key = Key::new(Kind::Deployment, "default", name);
        let told = notes
            .iter()
            .filter(|told| told.about == key && told.note.reason == "ScalingReplicaSet");
        let wanted = wanted(spec) - sets.values().map(|one| one.size).sum::<i64>();
        let shares = shares(told.filter_map(|told| scaled(&told.note.message)), wanted);
        judge(&sets, &shares, wanted, self::wanted(spec))
            .map_err(|what| format!("{name} got {wanted} pods in steps {shares:?}: {what}"))
    }
}

/// So many pods are wanted of all sets together.
fn wanted(spec: &DeploymentSpec) -> i64 {
    let allowed = Allowed::of(spec).filter(|_| spec.replicas != Some(0));
    allowed.map_or(0, |allowed| i64::try_from(allowed.pods_max).unwrap_or(i64::MAX))
}

/// `Scaled up replica set s1-abc from 2 to 3`
fn scaled(message: &str) -> Option<(String, i64)> {
    let (set, sizes) = message.split_once("replica set ")?.1.split_once(" from ")?;
    let (from, to) = sizes.split_once(" to ")?;
    Some((set.to_owned(), to.parse::<i64>().ok()? - from.parse::<i64>().ok()?))
}

/// What each set got of the new size: the steps after these are the rollout's.
fn shares(told: impl Iterator<Item = (String, i64)>, wanted: i64) -> BTreeMap<String, i64> {
    let (mut shares, mut left) = (BTreeMap::new(), wanted);
    for (set, by) in told {
        if left == 0 || by.signum() != wanted.signum() {
            break;
        }
        left -= by;
        shares.entry(set).or_insert(by);
    }
    shares
}

fn judge(
    sets: &BTreeMap<&str, Set>,
    shares: &BTreeMap<String, i64>,
    wanted: i64,
    pods_max: i64,
) -> Result<(), String> {
    let given: i64 =
        shares.iter().filter(|(set, _)| sets.contains_key(set.as_str())).map(|(_, by)| by).sum();
    if given != wanted {
        return Err(format!("{given} of them"));
    }
    let ideal =
        |one: &Set| (one.size * pods_max) as f64 / one.pods_max.max(1) as f64 - one.size as f64;
    let all: f64 = sets.values().map(|one| ideal(one).round()).sum();
    let greatest = sets.values().map(|one| one.size).max().unwrap_or(0);
    for (set, one) in sets.iter().filter(|(_, one)| one.size < greatest) {
        let share = shares.get(*set).copied().unwrap_or(0) as f64;
        // Where less is to be given than all would take, the last in the row get less.
        let is_short = all.abs() > wanted.abs() as f64 && share.abs() < ideal(one).abs();
        if (share - ideal(one)).abs() > 0.5 && !is_short {
            return Err(format!("{set} got {share} in place of {}", ideal(one)));
        }
    }
    Ok(())
}
