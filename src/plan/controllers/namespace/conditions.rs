//! `status.conditions` of a Namespace that goes: what is left in it, and what holds that.

use cronlet_api::kind::Object;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{NamespaceCondition, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// Type, reason and message of each while it is well, in the order that Kubernetes writes them.
const WELL: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (CONTENT_REMAINING, "ContentRemoved", "All content successfully removed"),
    (FINALIZERS_REMAINING, "ContentRemoved", "All content successfully removed"),
];
const CONTENT_REMAINING: &str = "NamespaceContentRemaining";
const FINALIZERS_REMAINING: &str = "NamespaceFinalizersRemaining";

/// Writes the conditions, given what is left.
pub(super) fn set(status: &mut NamespaceStatus, left: &[&Object], now: Timestamp) {
    let now = Time(Timestamp::from_second(now.as_second()).expect("whole seconds in range"));
    let before = status.conditions.take().unwrap_or_default();
    let conditions = WELL.map(|(kind, reason, message)| {
        let failed = failure(kind, left);
        let status = if failed.is_some() { "True" } else { "False" };
        let (reason, message) = failed.unwrap_or((reason, message.to_owned()));
        let was = before.iter().find(|one| one.type_ == kind && one.status == status);
        NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: was
                .and_then(|was| was.last_transition_time.clone())
                .or_else(|| Some(now.clone())),
        }
    });
    status.conditions = Some(conditions.to_vec());
}

fn failure(kind: &str, left: &[&Object]) -> Option<(&'static str, String)> {
    match kind {
        CONTENT_REMAINING => {
            let resource = |object: &&Object| {
                let info = object.kind().info();
                format!("{}.{}", info.plural, info.group)
            };
            let counts = counted(left.iter().map(resource), |what, count| {
                format!("{what} has {count} resource instances")
            })?;
            Some(("SomeResourcesRemain", format!("Some resources are remaining: {counts}")))
        }
        FINALIZERS_REMAINING => {
            let finalizers = left.iter().flat_map(|object| object.meta().finalizers.clone());
            let counts = counted(finalizers.flatten(), |what, count| {
                format!("{what} in {count} resource instances")
            })?;
            let message =
                format!("Some content in the namespace has finalizers remaining: {counts}");
            Some(("SomeFinalizersRemain", message))
        }
        _ => None,
    }
}

/// Each of the words with how often it came, in their order; `None` where there are none.
fn counted(
    words: impl Iterator<Item = String>,
    said: impl Fn(String, usize) -> String,
) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    let parts: Vec<String> = counts.into_iter().map(|(word, count)| said(word, count)).collect();
    Some(parts.join(", ")).filter(|text| !text.is_empty())
}
