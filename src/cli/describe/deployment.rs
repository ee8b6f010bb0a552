//! A Deployment in words.

use super::page::{Page, int_or_string};
use super::template;
use cronlet_api::columns::selector;
use cronlet_api::deployment::hash::same_template;
use cronlet_api::kind::Object;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet};

/// `related`: the ReplicaSets among which its own are.
pub(super) fn describe(page: &mut Page, deployment: &Deployment, related: &[Object]) {
    let spec = deployment.spec.clone().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    page.names(&deployment.metadata);
    page.created(&deployment.metadata);
    page.labels(0, "Labels", deployment.metadata.labels.as_ref());
    page.annotations(0, &deployment.metadata);
    page.field(0, "Selector", selector(Some(&spec.selector)));
    page.field(0, "Replicas", replicas_text(&spec, &status));
    let strategy = spec.strategy.clone().unwrap_or_default();
    page.field(0, "StrategyType", strategy.type_.unwrap_or_default());
    page.field(0, "MinReadySeconds", spec.min_ready_seconds.unwrap_or(0));
    if let Some(rolling) = &strategy.rolling_update {
        let unavailable = int_or_string(rolling.max_unavailable.as_ref());
        let surge = int_or_string(rolling.max_surge.as_ref());
        let text = format!("{unavailable} max unavailable, {surge} max surge");
        page.field(0, "RollingUpdateStrategy", text);
    }
    template::describe(page, &spec.template);
    let conditions = status.conditions.into_iter().flatten();
    page.conditions(conditions.map(|one| (one.type_, one.status, one.reason)));
    let (old, new) = sets(deployment, &spec, related);
    page.field(0, "OldReplicaSets", sets_text(&old));
    page.field(0, "NewReplicaSet", sets_text(new.as_slice()));
}

fn replicas_text(spec: &DeploymentSpec, status: &DeploymentStatus) -> String {
    format!(
        "{} desired | {} updated | {} total | {} available | {} unavailable",
        spec.replicas.unwrap_or(1),
        status.updated_replicas.unwrap_or(0),
        status.replicas.unwrap_or(0),
        status.available_replicas.unwrap_or(0),
        status.unavailable_replicas.unwrap_or(0),
    )
}

/// Its old ReplicaSets, and the one of its present template.
fn sets<'a>(
    deployment: &Deployment,
    spec: &DeploymentSpec,
    related: &'a [Object],
) -> (Vec<&'a ReplicaSet>, Option<&'a ReplicaSet>) {
    let uid = deployment.metadata.uid.as_deref();
    let own = related.iter().filter(|object| object.controller_uid() == uid);
    let set = |object: &'a Object| match object {
        Object::ReplicaSet(set) => Some(&**set),
        _ => None,
    };
    let mut sets: Vec<&ReplicaSet> = own.filter_map(set).collect();
    let has_template = |set: &&ReplicaSet| {
        let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
        template.is_some_and(|template| same_template(template, &spec.template))
    };
    let created = |set: &&ReplicaSet| set.metadata.creation_timestamp.clone();
    let new = sets.iter().copied().filter(has_template).min_by_key(created);
    sets.retain(|set| new.is_none_or(|new| new.metadata.name != set.metadata.name));
    (sets, new)
}

fn sets_text(sets: &[&ReplicaSet]) -> String {
    let text = |set: &&ReplicaSet| {
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let has = set.status.as_ref().map_or(0, |status| status.replicas);
        let wants = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        format!("{name} ({has}/{wants} replicas created)")
    };
    let texts: Vec<String> = sets.iter().map(text).collect();
    if texts.is_empty() { "<none>".to_owned() } else { texts.join(", ") }
}
