//! Whether a container that ended runs again, and how long it waits before.

use super::containers::ContainerView;
use super::probe;
use cronlet_api::time::SignedDuration;
use k8s_openapi::api::core::v1::{Container, ContainerRestartRule, PodSpec};

/// The first wait, doubled with each further end.
const BACKOFF_SECONDS_MIN: i64 = 10;
const BACKOFF_SECONDS_MAX: i64 = 300;
/// The kubelet's `syncFrequency`.
const RESYNC_SECONDS: i64 = 60;

/// Does a container that ended with `code` run again? `restartPolicyRules` come first, then the
/// container's own `restartPolicy`, then the pod's.
pub fn runs_again(container: &Container, spec: &PodSpec, code: i32) -> bool {
    let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
    if rules.iter().any(|rule| matches(rule, code)) {
        return true;
    }
    let policy = container.restart_policy.as_deref().or(spec.restart_policy.as_deref());
    match policy {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// Does a container run again that was killed by its probe?
pub fn after_kill(container: &Container, spec: &PodSpec) -> bool {
    container.restart_policy.as_deref().or(spec.restart_policy.as_deref()) != Some("Never")
}

/// The wait before a container that has ended runs again.
///
/// The kubelet kills and restarts in one go what fails its probes, so it weighs the end before
/// that one: a container that was killed runs again at once, unless the one before ended too
/// shortly before.
pub fn wait(member: &ContainerView) -> SignedDuration {
    if probe::fatal(member).is_none() {
        return backoff(member.streak);
    }
    let wait = backoff(member.streak.saturating_sub(1));
    let ends = member.exit().zip(member.last.as_deref());
    let lived = ends.map(|(exit, last)| exit.finished_at.duration_since(last.finished_at));
    if lived.is_some_and(|lived| lived <= wait) { wait } else { SignedDuration::ZERO }
}

fn matches(rule: &ContainerRestartRule, code: i32) -> bool {
    let Some(codes) = &rule.exit_codes else { return false };
    let listed = codes.values.as_deref().unwrap_or_default().contains(&code);
    match codes.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    }
}

/// The wait after the `streak`th end in a row. As the kubelet's: none after the first, then 10 s
/// doubling to 300 s.
pub fn backoff(streak: u32) -> SignedDuration {
    if streak <= 1 {
        return SignedDuration::ZERO;
    }
    // The sixth doubling is past the most, so that the shift stays small.
    let seconds = BACKOFF_SECONDS_MIN << (streak - 2).min(5);
    SignedDuration::from_secs(seconds.min(BACKOFF_SECONDS_MAX))
}

/// How long after a container has ended the kubelet looks at its pod again, if nothing else makes
/// it: when the container may run again, or sooner. Until then the status shows the end, and from
/// then on the wait.
pub fn second_look(wait: SignedDuration) -> SignedDuration {
    wait.min(SignedDuration::from_secs(RESYNC_SECONDS))
}

/// The wait before a start is tried again that has failed `failures` times (at least once).
pub fn retry(failures: u32) -> SignedDuration {
    backoff(failures.saturating_add(1).max(2))
}

/// The wait before a container is looked at again that cannot be started for what is missing around
/// it, and has not been for `waited`: as long again, so that the looks thin out.
pub fn look_again(waited: SignedDuration) -> SignedDuration {
    let (least, most) = (BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX);
    SignedDuration::from_secs(waited.as_secs().clamp(least, most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_then_the_container_then_the_pod() {
        let check = |pod: &str, container: serde_json::Value, code: i32, want: bool| {
            let spec = json!({"restartPolicy": pod, "containers": []});
            let spec = serde_json::from_value(spec).expect("a spec");
            let named = serde_json::from_value::<Container>(container.clone()).expect("container");
            assert_eq!(runs_again(&named, &spec, code), want, "{pod} {container} {code}");
        };
        let plain = || json!({"name": "main"});
        check("Always", plain(), 0, true);
        check("OnFailure", plain(), 0, false);
        check("OnFailure", plain(), 1, true);
        check("Never", plain(), 1, false);
        check("Never", json!({"name": "main", "restartPolicy": "Always"}), 0, true);
        check("Always", json!({"name": "main", "restartPolicy": "Never"}), 3, false);
        let rule = |operator: &str| {
            json!({"name": "main", "restartPolicy": "Never", "restartPolicyRules": [
                {"action": "Restart", "exitCodes": {"operator": operator, "values": [42]}}]})
        };
        check("Never", rule("In"), 42, true);
        check("Never", rule("In"), 1, false);
        check("Never", rule("NotIn"), 1, true);
        check("Never", rule("NotIn"), 42, false);
    }

    #[test]
    fn waits_double_to_five_minutes() {
        let waits: Vec<i64> = (0..9).map(|streak| backoff(streak).as_secs()).collect();
        assert_eq!(waits, [0, 0, 10, 20, 40, 80, 160, 300, 300]);
        let waits: Vec<i64> = [1, 2, 6, u32::MAX].map(|n| retry(n).as_secs()).to_vec();
        assert_eq!(waits, [10, 20, 300, 300]);
        let looks = [0, 15, 9000].map(|s| look_again(SignedDuration::from_secs(s)).as_secs());
        assert_eq!(looks, [10, 15, 300]);
    }
}
