//! Templates of a simulated life: programs that are fine most of the time.

use super::services::one_of;
use cronlet_api::seed::Seed;
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};
use serde_json::{Value, json};

/// True milliseconds in which a program that runs for good does not end.
const FOR_GOOD: i64 = 100 * 365 * 86_400_000;

/// A program that is fine most of the time, and sometimes slow, never ready or soon dead.
pub(super) fn drawn(seed: &mut Seed, app: &str, version: &str) -> Value {
    let soon = seed.below(20_000) as i64;
    let (lives, ready_after) = match seed.below(8) {
        0 => (FOR_GOOD, FOR_GOOD),
        1 => (seed.below(30_000) as i64, soon),
        2 => (600_000 + seed.below(7_200_000) as i64, soon),
        3 => (FOR_GOOD, 10 * soon),
        _ => (FOR_GOOD, soon),
    };
    let stops_in = one_of(seed, &[1, 3000, 40_000]);
    let stops_in = seed.below(stops_in) as i64;
    let mut template = program(app, version, [lives, 1, ready_after, stops_in]);
    template["spec"]["terminationGracePeriodSeconds"] = one_of(seed, &[5, 30]).into();
    let container = &mut template["spec"]["containers"][0];
    for (name, out_of) in [("readinessProbe", 4), ("livenessProbe", 2), ("startupProbe", 3)] {
        if seed.below(4) < out_of {
            container[name] = probe(seed, name == "startupProbe");
        }
    }
    template
}

fn probe(seed: &mut Seed, is_startup: bool) -> Value {
    json!({
        "exec": {"command": ["ask"]},
        "initialDelaySeconds": one_of(seed, &[0, 0, 5]),
        "periodSeconds": one_of(seed, &[5, 10, 20]),
        "failureThreshold": if is_startup { 6 } else { seed.below(3) + 1 },
    })
}

/// `version` tells templates apart that are alike.
fn program(app: &str, version: &str, numbers: [i64; 4]) -> Value {
    let mut command = vec!["sim".to_owned()];
    command.extend(numbers.iter().map(i64::to_string));
    command.push(version.to_owned());
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": "sim", "command": command}]},
    })
}

/// A template of which nothing bad can be said.
pub(super) fn good(app: &str, version: &str) -> PodTemplateSpec {
    let mut template = program(app, version, [FOR_GOOD, 1, 3000, 500]);
    template["spec"]["containers"][0]["readinessProbe"] =
        json!({"exec": {"command": ["ask"]}, "periodSeconds": 5});
    serde_json::from_value(template).expect("a template by construction")
}

/// What tells a template from others that are alike.
pub(super) fn version_of(template: &PodTemplateSpec) -> String {
    version(template.spec.as_ref())
}

pub(super) fn version(spec: Option<&PodSpec>) -> String {
    let container = spec.and_then(|spec| spec.containers.first());
    let command = container.and_then(|container| container.command.as_ref());
    command.and_then(|words| words.last().cloned()).unwrap_or_default()
}
