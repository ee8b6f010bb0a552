//! The rules of a Job's `podFailurePolicy` and `successPolicy`.

use crate::check::{Causes, Path};
use crate::meta::nonnegative;
use crate::names;
use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule,
};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const INDEXES_BYTES_MAX: usize = 64 << 10;

const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: &[&str] = &["In", "NotIn"];
const STATUSES: &[&str] = &["False", "True", "Unknown"];

/// Lists the values as Go prints a list of texts.
fn valid(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

pub(super) fn check_pod_failure_policy(
    spec: &JobSpec,
    policy: &PodFailurePolicy,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let at = at.child("rules");
    if policy.rules.len() > RULES_MAX {
        causes.too_many(&at, policy.rules.len(), RULES_MAX);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        check_failure_rule(spec, rule, &at.index(index), causes);
    }
}

fn check_failure_rule(
    spec: &JobSpec,
    rule: &PodFailurePolicyRule,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let action = at.child("action");
    match rule.action.as_str() {
        "" => causes.required(&action, &valid(ACTIONS)),
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            causes.invalid(&action, &rule.action, "requires the backoffLimitPerIndex to be set");
        }
        other if !ACTIONS.contains(&other) => causes.unsupported(&action, other, ACTIONS),
        _ => {}
    }
    if let Some(codes) = &rule.on_exit_codes {
        check_exit_codes(spec, codes, &at.child("onExitCodes"), causes);
    }
    let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
    if !patterns.is_empty() {
        check_conditions(patterns, &at.child("onPodConditions"), causes);
    }
    match (rule.on_exit_codes.is_some(), !patterns.is_empty()) {
        (true, true) => {
            let why = "specifying both OnExitCodes and OnPodConditions is not supported";
            causes.invalid(at, &rule.action, why);
        }
        (false, false) => {
            let why = "specifying one of OnExitCodes and OnPodConditions is required";
            causes.invalid(at, &rule.action, why);
        }
        _ => {}
    }
}

fn check_exit_codes(
    spec: &JobSpec,
    codes: &PodFailurePolicyOnExitCodesRequirement,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    match codes.operator.as_str() {
        "" => causes.required(&at.child("operator"), &valid(OPERATORS)),
        other if !OPERATORS.contains(&other) => {
            causes.unsupported(&at.child("operator"), other, OPERATORS);
        }
        _ => {}
    }
    if let Some(name) = codes.container_name.as_ref().filter(|name| !has_container(spec, name)) {
        let why = "must be one of the container or initContainer names in the pod template";
        causes.invalid(&at.child("containerName"), name, why);
    }
    check_exit_values(&codes.values, codes.operator == "In", &at.child("values"), causes);
}

fn check_exit_values(values: &[i32], is_in: bool, at: &Path<'_>, causes: &mut Causes) {
    if values.is_empty() {
        causes.invalid(at, values, "at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        causes.too_many(at, values.len(), EXIT_CODES_MAX);
    }
    let mut seen = std::collections::BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        if is_in && *value == 0 {
            causes.invalid(&at.index(index), value, "must not be 0 for the In operator");
        }
        if !seen.insert(value) {
            causes.duplicate(&at.index(index), value);
        }
    }
    if !values.is_sorted() {
        causes.invalid(at, values, "must be ordered");
    }
}

fn check_conditions(
    patterns: &[PodFailurePolicyOnPodConditionsPattern],
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if patterns.len() > CONDITIONS_MAX {
        causes.too_many(at, patterns.len(), CONDITIONS_MAX);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let at = at.index(index);
        causes.invalid_each(
            &at.child("type"),
            &pattern.type_,
            names::qualified_name(&pattern.type_),
        );
        match pattern.status.as_deref().unwrap_or_default() {
            "" => causes.required(&at.child("status"), &valid(STATUSES)),
            other if !STATUSES.contains(&other) => {
                causes.unsupported(&at.child("status"), other, STATUSES);
            }
            _ => {}
        }
    }
}

fn has_container(spec: &JobSpec, name: &str) -> bool {
    let Some(pod) = &spec.template.spec else { return false };
    let init = pod.init_containers.iter().flatten();
    pod.containers.iter().chain(init).any(|container| container.name == name)
}

/// Checks the success policy of an indexed Job.
pub(super) fn check_success_policy(
    spec: &JobSpec,
    policy: &SuccessPolicy,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let at = at.child("rules");
    if policy.rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        causes.required(&at, why);
    }
    if policy.rules.len() > RULES_MAX {
        causes.too_many(&at, policy.rules.len(), RULES_MAX);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        check_success_rule(spec.completions.unwrap_or_default(), rule, &at.index(index), causes);
    }
}

fn check_success_rule(
    completions: i32,
    rule: &SuccessPolicyRule,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        let why = "at least one of succeededCount or succeededIndexes must be specified";
        causes.required(at, why);
    }
    let mut listed = None;
    if let Some(indexes) = &rule.succeeded_indexes {
        let at = at.child("succeededIndexes");
        if indexes.len() > INDEXES_BYTES_MAX {
            causes.too_long(&at, INDEXES_BYTES_MAX);
        }
        listed = Some(count_indexes(indexes, completions).unwrap_or_else(|why| {
            let why = format!("error parsing succeededIndexes: {why}");
            causes.invalid(&at, shorten(indexes), why);
            0
        }));
    }
    let Some(count) = rule.succeeded_count else { return };
    let at = at.child("succeededCount");
    nonnegative(Some(count), &at, causes);
    if count > completions {
        let why = "(the number of specified completions)";
        causes.invalid(
            &at,
            count,
            format_args!("must be less than or equal to {completions} {why}"),
        );
    }
    if let Some(listed) = listed.filter(|listed| i64::from(count) > *listed) {
        let why = "(the number of indexes in the specified succeededIndexes field)";
        causes.invalid(&at, count, format_args!("must be less than or equal to {listed} {why}"));
    }
}

/// Counts the indexes in a list such as `1,3-5`, which must rise and stay below `completions`.
fn count_indexes(text: &str, completions: i32) -> Result<i64, String> {
    let completions = i64::from(completions);
    let (mut total, mut last) = (0, None);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let mut ends = part.splitn(2, '-');
        let first = index(ends.next().unwrap_or_default(), completions)?;
        let end = ends.next().map(|end| index(end, completions)).transpose()?;
        if end.is_some_and(|end| first >= end) {
            return Err(format!("non-increasing order in {part:?}"));
        }
        if last.is_some_and(|last| last >= first) {
            return Err(format!("non-increasing order at {part:?}"));
        }
        let end = end.unwrap_or(first);
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

fn index(text: &str, completions: i64) -> Result<i64, String> {
    let shown = shorten(text);
    let index: i64 = text.parse().map_err(|_| format!("{shown:?} is not an index"))?;
    if index >= completions {
        return Err(format!("too large index: {shown:?}"));
    }
    Ok(index)
}

/// Returns a user's text for a message, cut if it is long.
fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 64;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
