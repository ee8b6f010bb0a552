//! A number of a StatefulSet has one pod; they are made upwards and taken downwards, and a rollout
//! takes no more than it may: none under `OnDelete`, none below the partition, one after the other
//! unless `maxUnavailable` says more.

use super::{Member, Scene, pods};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};

pub(crate) fn check(set: &StatefulSet, scene: &Scene<'_>) -> Result<(), String> {
    let Some(spec) = &set.spec else { return Ok(()) };
    let order = Order { spec, scene, numbers: numbers(spec) };
    scene.turn.made.iter().filter_map(|pod| number(pod)).try_for_each(|one| order.made(one))?;
    let taken: Vec<i64> = scene.turn.taken.iter().filter_map(|one| number(&one.pod)).collect();
    taken.iter().try_for_each(|one| order.taken(*one))?;
    let rolled: Vec<i64> = taken.into_iter().filter(|one| order.numbers.contains(one)).collect();
    if rolled.is_empty() || scene.turn.resized { Ok(()) } else { order.rolled(&rolled) }
}

/// The numbers that a StatefulSet has.
pub(crate) fn numbers(spec: &StatefulSetSpec) -> std::ops::Range<i64> {
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0).into();
    start..start + i64::from(spec.replicas.unwrap_or(1))
}

/// The number of a pod, or of a claim.
pub(crate) fn number(name: &str) -> Option<i64> {
    name.rsplit_once('-')?.1.parse().ok()
}

struct Order<'a> {
    spec: &'a StatefulSetSpec,
    scene: &'a Scene<'a>,
    numbers: std::ops::Range<i64>,
}

impl Order<'_> {
    fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    fn pod(&self, number: i64) -> String {
        format!("{}-{number}", self.scene.name)
    }

    fn is_up(&self, number: i64) -> bool {
        let is_up = |one: &Member| self.scene.is_up(one, self.spec.min_ready_seconds);
        self.scene.pods.get(&self.pod(number)).is_some_and(is_up)
    }

    fn has_fallen(&self, number: i64) -> bool {
        self.scene.turn.fell.contains(&self.pod(number))
    }

    fn made(&self, made: i64) -> Result<(), String> {
        let (name, now) = (self.scene.name, self.scene.now);
        if !self.numbers.contains(&made) {
            return Err(format!("{name} has no number {made}"));
        }
        let mut lower = (self.numbers.start..made).filter(|_| self.is_ordered());
        match lower.find(|lower| !self.is_up(*lower)) {
            None => Ok(()),
            Some(lower) => Err(format!(
                "{name}-{made} was made before {name}-{lower} was up at {now}: {:?}",
                self.scene.pods
            )),
        }
    }

    fn taken(&self, taken: i64) -> Result<(), String> {
        let name = self.scene.name;
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|one| one.rolling_update.as_ref());
        let partition = rolling.and_then(|one| one.partition).unwrap_or(0);
        let is_on_delete = strategy.and_then(|one| one.type_.as_deref()) == Some("OnDelete");
        if self.numbers.contains(&taken) {
            return match taken < self.numbers.start + i64::from(partition) {
                _ if is_on_delete => Err(format!("{name}-{taken} was taken under OnDelete")),
                true => Err(format!("{name}-{taken} was taken below the partition")),
                false => Ok(()),
            };
        }
        let mut higher = self.scene.pods.keys().filter_map(|pod| number(pod));
        match higher
            .find(|higher| *higher > taken && self.is_ordered() && taken >= self.numbers.end)
        {
            Some(higher) => {
                Err(format!("{name}-{taken} was taken before {name}-{higher} was gone"))
            }
            None => Ok(()),
        }
    }

    /// A rollout took these, to make them anew.
    fn rolled(&self, taken: &[i64]) -> Result<(), String> {
        let name = self.scene.name;
        let is_down =
            |one: &i64| !self.is_up(*one) && (taken.contains(one) || !self.has_fallen(*one));
        let down: Vec<i64> = self.numbers.clone().filter(is_down).collect();
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|one| one.rolling_update.as_ref());
        let most = rolling.and_then(|one| one.max_unavailable.as_ref());
        let all = usize::try_from(self.numbers.end - self.numbers.start).unwrap_or(0);
        let may_be_down = most.map(|most| pods(Some(most), all, 0).max(1));
        if may_be_down.is_some_and(|most| down.len() > most) {
            return Err(format!(
                "{name} has {down:?} down of {may_be_down:?}: {taken:?} were taken"
            ));
        }
        let is_early = |down: &i64| match (self.is_ordered(), may_be_down) {
            (true, _) => !taken.contains(down),
            (false, None) => taken.iter().any(|taken| taken < down),
            (false, Some(_)) => false,
        };
        match down.iter().find(|down| is_early(down)) {
            Some(down) => {
                let (now, pods) = (self.scene.now, &self.scene.pods);
                Err(format!(
                    "{taken:?} of {name} were taken while {name}-{down} is down at {now}: {pods:?}"
                ))
            }
            None => Ok(()),
        }
    }
}
