//! How many pods a Deployment may have too many and too few: `maxSurge` and `maxUnavailable`.

use cronlet_api::template::{Round, scaled};
use k8s_openapi::api::apps::v1::DeploymentSpec;

/// What the strategy allows, in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// `spec.replicas`
    pub replicas: i32,
    /// Pods beyond `replicas`; 0 under `Recreate`.
    pub surge_max: i32,
    /// Pods that may be missing; 0 under `Recreate`.
    pub unavailable_max: i32,
    pub is_rolling: bool,
}

impl Bounds {
    /// As `MaxSurge`, `MaxUnavailable` and `ResolveFenceposts`: a surge in percent is rounded up,
    /// the other down, and where both come to 0 one pod may be missing, or nothing could ever
    /// happen.
    pub fn of(spec: &DeploymentSpec) -> Bounds {
        let replicas = spec.replicas.unwrap_or(1);
        let strategy = spec.strategy.as_ref();
        let is_rolling = strategy.and_then(|one| one.type_.as_deref()) != Some("Recreate");
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        if !is_rolling {
            return Bounds { replicas, surge_max: 0, unavailable_max: 0, is_rolling };
        }
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        let surge_max = scaled(surge, replicas, Round::Up);
        let unavailable_max = match scaled(unavailable, replicas, Round::Down) {
            0 if surge_max == 0 => 1,
            count => count,
        };
        Bounds { replicas, surge_max, unavailable_max: unavailable_max.min(replicas), is_rolling }
    }

    /// Fewer available pods than this are too few.
    pub fn available_min(&self) -> i32 {
        self.replicas - self.unavailable_max
    }

    /// More pods than this are too many.
    pub fn pods_max(&self) -> i32 {
        self.replicas.saturating_add(self.surge_max)
    }

    /// How large the new ReplicaSet may be now (`NewRSNewReplicas`), where it has `size` of the
    /// `total` pods that are wanted of all ReplicaSets.
    pub fn new_size(&self, size: i32, total: i32) -> i32 {
        if !self.is_rolling {
            return self.replicas;
        }
        let room = self.pods_max().saturating_sub(total);
        if room <= 0 { size } else { size + room.min(self.replicas - size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn percents_are_rounded_up_for_surge_and_down_for_missing() {
        let check = |replicas: i32, surge: Value, unavailable: Value, want: (i32, i32)| {
            let spec = json!({
                "replicas": replicas, "selector": {}, "template": {},
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
                },
            });
            let bounds = Bounds::of(&serde_json::from_value(spec.clone()).expect("a spec"));
            assert_eq!((bounds.surge_max, bounds.unavailable_max), want, "{spec}");
        };
        check(3, json!("25%"), json!("25%"), (1, 0));
        check(10, json!("25%"), json!("25%"), (3, 2));
        check(1, json!("25%"), json!("25%"), (1, 0));
        check(4, json!(0), json!("10%"), (0, 1));
        check(4, json!(0), json!(0), (0, 1));
        check(4, json!("1%"), json!(0), (1, 0));
        check(2, json!(5), json!(5), (5, 2));
        check(0, json!("25%"), json!("25%"), (0, 0));
        check(10, json!("100%"), json!("100%"), (10, 10));
        check(i32::MAX, json!("100%"), json!("0%"), (i32::MAX, 0));
    }

    #[test]
    fn how_large_the_new_set_may_be() {
        let check = |bounds: (i32, i32, bool), size: i32, total: i32, want: i32| {
            let (replicas, surge_max, is_rolling) = bounds;
            let bounds = Bounds { replicas, surge_max, unavailable_max: 0, is_rolling };
            assert_eq!(bounds.new_size(size, total), want, "{bounds:?} {size} {total}");
        };
        check((3, 1, true), 0, 0, 3);
        check((3, 1, true), 0, 3, 1);
        check((3, 1, true), 1, 4, 1);
        check((3, 1, true), 1, 3, 2);
        check((3, 2, true), 0, 9, 0);
        check((3, 0, false), 0, 9, 3);
    }
}
