//! Rules that the kinds of `apps/v1` with pods share: those of their selector and template, and of
//! numbers that may be percentages.

use super::check::{Causes, Path};
use super::{meta, names, pod, selector};
use crate::kind::Object;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// A label's key that marks a selector missing from a manifest: the types of Kubernetes' own
/// clients do not distinguish it from an empty one, which is refused in other words. No label has
/// such a key, so nothing is ever stored with it.
const NO_SELECTOR: &str = "\u{0}";

impl Object {
    /// Records for the checks that the manifest has no `spec.selector`, if the kind needs one.
    pub fn note_missing_selector(&mut self) {
        if let Some(selector) = self.selector_mut() {
            let labels = BTreeMap::from([(NO_SELECTOR.to_owned(), String::new())]);
            *selector = LabelSelector { match_labels: Some(labels), match_expressions: None };
        }
    }
}

/// Sets a missing `spec.selector` to its default in versions that did not require one: the labels
/// of the template. Returns a message about the change.
pub fn fix_selector(object: &mut Object) -> Option<&'static str> {
    let labels = labels(object.template()?.metadata.as_ref());
    let selector = object.selector_mut()?;
    if !is_missing(selector) || labels.is_empty() {
        return None;
    }
    *selector = LabelSelector { match_labels: Some(labels), match_expressions: None };
    Some("spec.selector: added: it has the labels of spec.template")
}

/// True if the manifest had no selector ([`Object::note_missing_selector`]).
pub fn is_missing(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_some_and(|labels| labels.contains_key(NO_SELECTOR))
}

/// Sets the defaults of a template, and adds its metadata if absent.
pub fn set_defaults(template: &mut PodTemplateSpec) {
    meta::tidy_template(&mut template.metadata);
    pod::defaults::template(template);
}

/// Removes the empty fields of a selector.
pub fn tidy_selector(selector: &mut LabelSelector) {
    selector.match_labels.take_if(|labels| labels.is_empty());
    selector.match_expressions.take_if(|expressions| expressions.is_empty());
    for requirement in selector.match_expressions.iter_mut().flatten() {
        requirement.values.take_if(|values| values.is_empty());
    }
}

/// Checks `spec.selector` of a Deployment, a ReplicaSet and a StatefulSet; `kind` is a word of the
/// message. Returns true if it can be matched with labels.
pub fn check_selector(
    selector: &LabelSelector,
    kind: &str,
    at: &Path<'_>,
    causes: &mut Causes,
) -> bool {
    if is_missing(selector) {
        let why = "it has to match the labels of the template; `cronlet check --fix` adds it";
        causes.required(at, why);
        return true;
    }
    let before = causes.found.len();
    selector::check(selector, at, causes);
    if causes.found.len() > before {
        causes.invalid(at, selector, "invalid label selector");
        return false;
    }
    if selector::is_empty(selector) {
        causes.invalid(at, selector, format_args!("empty selector is invalid for {kind}"));
    }
    true
}

/// Checks a template whose pods always restart, and which the selector has to match.
pub fn check(
    template: &PodTemplateSpec,
    wanted: &LabelSelector,
    kind: &str,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    check_labels(template, wanted, at, causes);
    pod::check::template(template, at, causes);
    check_restarts(template, kind, at, causes);
}

/// Checks that the selector matches the template's labels; an empty one matches any.
pub fn check_labels(
    template: &PodTemplateSpec,
    wanted: &LabelSelector,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let labels = labels(template.metadata.as_ref());
    if is_missing(wanted) || !selector::matches(wanted, &labels) {
        let why = "`selector` does not match template `labels`";
        causes.invalid(&at.child("metadata").child("labels"), labels, why);
    }
}

/// Checks that pods always restart and have no deadline, since a controller keeps them.
pub fn check_restarts(template: &PodTemplateSpec, kind: &str, at: &Path<'_>, causes: &mut Causes) {
    let Some(spec) = &template.spec else { return };
    let at = at.child("spec");
    let policy = spec.restart_policy.as_deref().unwrap_or_default();
    if policy != "Always" {
        causes.unsupported(&at.child("restartPolicy"), policy, &["Always"]);
    }
    if spec.active_deadline_seconds.is_some() {
        let why = format_args!("activeDeadlineSeconds in {kind} is not supported");
        causes.forbidden(&at.child("activeDeadlineSeconds"), why);
    }
}

/// Checks a number that is not negative, or a percentage.
pub fn check_number_or_percent(value: &IntOrString, at: &Path<'_>, causes: &mut Causes) {
    match value {
        IntOrString::Int(number) => meta::nonnegative(Some(*number), at, causes),
        IntOrString::String(text) => causes.invalid_each(at, text, names::percent(text)),
    }
}

/// Checks that a percentage is at most 100.
pub fn check_at_most_all(value: &IntOrString, at: &Path<'_>, causes: &mut Causes) {
    if let Some(percent) = percent(value)
        && percent > 100
    {
        causes.invalid(at, format!("{percent}%"), "must not be greater than 100%");
    }
}

/// True if it is neither a number nor a percentage above zero.
pub fn is_zero(value: &IntOrString) -> bool {
    match value {
        IntOrString::Int(number) => *number == 0,
        IntOrString::String(text) => percent(value).or_else(|| text.parse().ok()).unwrap_or(0) == 0,
    }
}

/// The rounding of a percentage of pods to a whole number.
#[derive(Clone, Copy)]
pub enum Round {
    Up,
    Down,
}

/// Returns a number of pods, or a percentage of `of` pods (`GetScaledValueFromIntOrPercent`); an
/// unreadable value is 0, as admission refuses it.
pub fn scaled(value: Option<&IntOrString>, of: i32, round: Round) -> i32 {
    match value {
        None => 0,
        Some(IntOrString::Int(count)) => (*count).max(0),
        Some(IntOrString::String(text)) => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse::<i32>().ok());
            let hundredths = i64::from(percent.unwrap_or(0).max(0)) * i64::from(of.max(0));
            let whole = match round {
                Round::Up => hundredths.saturating_add(99) / 100,
                Round::Down => hundredths / 100,
            };
            i32::try_from(whole).unwrap_or(i32::MAX)
        }
    }
}

fn percent(value: &IntOrString) -> Option<i64> {
    let IntOrString::String(text) = value else { return None };
    if names::percent(text).is_empty() { text.strip_suffix('%')?.parse().ok() } else { None }
}

fn labels(metadata: Option<&ObjectMeta>) -> BTreeMap<String, String> {
    metadata.and_then(|metadata| metadata.labels.clone()).unwrap_or_default()
}
