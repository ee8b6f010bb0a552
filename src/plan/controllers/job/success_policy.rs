//! `spec.successPolicy`: when an Indexed Job has succeeded before all of its indexes have.

use super::index::Intervals;
use k8s_openapi::api::batch::v1::{JobSpec, SuccessPolicyRule};

/// The message of the first rule that is met (`matchSuccessPolicy`).
pub fn met(spec: &JobSpec, completions: u32, succeeded: &Intervals) -> Option<String> {
    let policy = spec.success_policy.as_ref().filter(|_| !succeeded.is_empty())?;
    let index = policy.rules.iter().position(|rule| is_met(rule, completions, succeeded))?;
    Some(format!("Matched rules at index {index}"))
}

fn is_met(rule: &SuccessPolicyRule, completions: u32, succeeded: &Intervals) -> bool {
    let count = rule.succeeded_count.map(|count| u32::try_from(count).unwrap_or(0));
    match &rule.succeeded_indexes {
        Some(indexes) => {
            let wanted = Intervals::parse(indexes, completions);
            let shared = wanted.shared(succeeded);
            count.map_or(shared == wanted.total(), |count| shared >= count)
        }
        None => count.is_some_and(|count| succeeded.total() >= count),
    }
}
