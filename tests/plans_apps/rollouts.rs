//! Rollouts drawn by lot: whatever users and pods do, the plans keep their promises. Never too few
//! available pods by a plan's doing, never too many in all; every rollout ends, or says that it is
//! late; a rollback restores; no pod is left over.

use crate::world::{World, key, name_of};
use cronlet_api::kind::Kind;
use cronlet_api::seed::Seed;
use cronlet_plan::controllers::deployment::bounds::Bounds;
use cronlet_plan::kubelet::availability;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const SEEDS: u64 = 150;
const STEPS: u64 = 60;

/// Pods of this version never become ready.
const BROKEN: &str = "x:broken";

struct Rollout {
    world: World,
    seed: Seed,
    /// The size was changed, and not everything has followed yet: then there may be too many pods.
    is_resizing: bool,
    is_recreate: bool,
}

#[test]
fn rollouts_keep_their_promises() {
    for seed in 0..SEEDS {
        let mut rollout = Rollout::begin(seed);
        for _ in 0..STEPS {
            rollout.step();
        }
        rollout.conclude(seed);
    }
}

impl Rollout {
    fn begin(seed: u64) -> Rollout {
        let mut draw = Seed::new(seed);
        let amount = |draw: &mut Seed| match draw.below(2) {
            0 => json!(draw.below(4)),
            _ => json!(format!("{}%", draw.below(7) * 15)),
        };
        let (surge, mut unavailable) = (amount(&mut draw), amount(&mut draw));
        let is_zero = |value: &Value| *value == json!(0) || *value == json!("0%");
        if is_zero(&surge) && is_zero(&unavailable) {
            unavailable = json!(1);
        }
        let is_recreate = draw.below(5) == 0;
        let strategy = match is_recreate {
            true => json!({"type": "Recreate"}),
            false => {
                let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
                json!({"type": "RollingUpdate", "rollingUpdate": rolling})
            }
        };
        let mut world = World::new(seed);
        world.add(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "replicas": draw.below(9), "selector": {"matchLabels": {"app": "web"}},
                "strategy": strategy, "minReadySeconds": draw.below(3) / 2 * 3,
                "progressDeadlineSeconds": 60, "revisionHistoryLimit": draw.below(4),
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"name": "main", "image": "x:1"}]},
                },
            },
        }));
        let mut rollout = Rollout { world, seed: draw, is_resizing: false, is_recreate };
        rollout.settle();
        rollout
    }

    fn pods(&self) -> Vec<Arc<Pod>> {
        let mut pods = self.world.pods();
        pods.retain(|pod| availability::is_active(pod));
        pods
    }

    fn bounds(&self) -> Bounds {
        Bounds::of(self.world.deployment("web").spec.as_ref().expect("a spec"))
    }

    /// Pods that are available now, and whether all that will be so is.
    fn available(&self) -> i32 {
        let spec = self.world.deployment("web").spec.clone().expect("a spec");
        let wait = i64::from(spec.min_ready_seconds.unwrap_or(0));
        let is_available = |pod: &&Arc<Pod>| {
            let since = availability::ready_since(pod);
            since.is_some_and(|since| self.world.now.duration_since(since).as_secs() >= wait)
        };
        self.pods().iter().filter(is_available).count() as i32
    }

    /// Lets the plans answer, and holds them to their promises.
    fn settle(&mut self) {
        let (before, pods_before) = (self.available(), self.pods().len() as i32);
        self.world.settle();
        let (bounds, pods) = (self.bounds(), self.pods().len() as i32);
        let spec = self.world.deployment("web").spec.clone().expect("a spec");
        // A pause makes no promise, and Recreate takes all away at once.
        if !self.is_recreate && !self.is_resizing && spec.paused != Some(true) {
            let (least, now) = (bounds.available_min().min(before), self.available());
            assert!(now >= least, "{now} available, {before} before: {bounds:?}");
        }
        let most = bounds.pods_max().max(pods_before);
        assert!(pods <= most, "{pods} pods, {pods_before} before: {bounds:?}");
        if pods <= bounds.pods_max() {
            self.is_resizing = false;
        }
        if self.is_recreate && spec.paused != Some(true) {
            let versions: BTreeSet<String> = self
                .world
                .pods()
                .iter()
                .filter(|pod| !availability::has_ended(pod))
                .map(|pod| version(pod))
                .collect();
            assert!(versions.len() <= 1, "old and new pods at once: {versions:?}");
        }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        self.world.edit(&key(Kind::Deployment, "web"), change);
        self.settle();
    }

    fn step(&mut self) {
        match self.seed.below(24) {
            0 | 1 => {
                let versions = ["x:1", "x:2", "x:3", "x:4", BROKEN];
                let version = versions[self.seed.below(5) as usize];
                self.set_version(version);
            }
            2 => {
                self.is_resizing = true;
                let replicas = self.seed.below(12);
                self.edit(|web| web["spec"]["replicas"] = json!(replicas));
            }
            // A new size during a pause goes to the newest set at once, also under Recreate.
            3 if !self.is_recreate => {
                let paused = self.seed.below(3) == 0;
                self.edit(|web| web["spec"]["paused"] = json!(paused));
            }
            4 => self.harm_one(),
            5 => {
                let seconds = self.seed.below(20) as i64;
                self.world.wait(seconds);
                self.settle();
            }
            _ => self.pods_go_on(),
        }
    }

    fn set_version(&mut self, version: &str) {
        self.edit(|web| {
            web["spec"]["template"]["spec"]["containers"][0]["image"] = json!(version);
        });
    }

    /// A pod fails, is deleted, or is not ready any more.
    fn harm_one(&mut self) {
        let pods = self.pods();
        if pods.is_empty() {
            return;
        }
        let pod = &pods[self.seed.below(pods.len() as u64) as usize];
        match self.seed.below(3) {
            0 => self.world.set_pod(name_of(pod), "Failed", false),
            1 => self.world.set_pod(name_of(pod), "Running", false),
            _ => self.world.delete(&key(Kind::Pod, name_of(pod))),
        }
        self.settle();
    }

    /// Half of the pods do what they are about to.
    fn pods_go_on(&mut self) {
        for pod in self.world.pods() {
            if self.seed.below(2) == 0 {
                self.pod_goes_on(&pod);
            }
        }
        self.world.wait(1);
        self.settle();
    }

    fn pod_goes_on(&mut self, pod: &Pod) {
        if availability::is_going(pod) {
            self.world.gone(&key(Kind::Pod, name_of(pod)));
        } else if !availability::has_ended(pod) {
            self.world.set_pod(name_of(pod), "Running", version(pod) != BROKEN);
        }
    }

    /// Left alone, a broken rollout says that it is late; a good one ends.
    fn conclude(&mut self, seed: u64) {
        self.edit(|web| web["spec"]["paused"] = json!(false));
        // What was rolled out while nothing was wanted is not rolled out again by a new size.
        self.set_version("x:1");
        self.rest();
        // As in Kubernetes, nothing is told of a way back to a set that is there when all old pods
        // go before the first of its own comes.
        let comes_back = self.world.sets().iter().any(|set| has_version(set, BROKEN));
        let bounds = self.bounds();
        let goes_first =
            self.is_recreate || bounds.surge_max == 0 && bounds.unavailable_max >= bounds.replicas;
        let is_untold = comes_back && goes_first;
        self.set_version(BROKEN);
        self.rest();
        if self.bounds().replicas > 0 {
            let told = match is_untold {
                true => "NewReplicaSetAvailable",
                false => "ProgressDeadlineExceeded",
            };
            assert_eq!(self.progress(), told, "seed {seed}");
        }
        self.set_version("x:1");
        self.rest();
        assert_eq!(self.progress(), "NewReplicaSetAvailable", "seed {seed}");
        let spec = self.world.deployment("web").spec.clone().expect("a spec");
        let pods = self.pods();
        assert_eq!(pods.len() as i32, spec.replicas.expect("a number"), "seed {seed}");
        assert!(pods.iter().all(|pod| version(pod) == "x:1"), "seed {seed}");
        assert_eq!(self.available(), spec.replicas.expect("a number"), "seed {seed}");
        let old = self.world.sets().len() as i32 - 1;
        assert!(old <= spec.revision_history_limit.expect("a number"), "seed {seed}: {old} old");
        let status = self.world.deployment("web").status.clone().expect("a status");
        assert_eq!(status.terminating_replicas, Some(0), "seed {seed}");
        assert_eq!(status.unavailable_replicas, None, "seed {seed}");
    }

    fn rest(&mut self) {
        for _ in 0..100 {
            for pod in self.world.pods() {
                self.pod_goes_on(&pod);
            }
            self.settle();
            self.world.wait(2);
            self.settle();
        }
    }

    fn progress(&self) -> String {
        let status = self.world.deployment("web").status.clone().expect("a status");
        let found = status.conditions.into_iter().flatten().find(|one| one.type_ == "Progressing");
        found.and_then(|one| one.reason).expect("a reason")
    }
}

fn has_version(set: &ReplicaSet, version: &str) -> bool {
    let spec = set.spec.as_ref().and_then(|spec| spec.template.as_ref()?.spec.as_ref());
    spec.is_some_and(|spec| spec.containers[0].image.as_deref() == Some(version))
}

fn version(pod: &Pod) -> String {
    let spec = pod.spec.as_ref().expect("a spec");
    spec.containers[0].image.clone().expect("an image")
}
