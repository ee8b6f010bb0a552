//! How far a rollout is, in kubectl's words (`polymorphichelpers/rollout_status.go`).

use cronlet_api::deployment::conditions::{self, PROGRESSING, TIMED_OUT, has_reason};
use cronlet_api::kind::Object;
use cronlet_api::pod::PORT_IN_USE;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};

/// What is said of it: it goes on, or is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub text: String,
    pub is_over: bool,
}

fn waiting(text: String) -> Result<Progress, String> {
    Ok(Progress { text, is_over: false })
}

fn over(text: String) -> Result<Progress, String> {
    Ok(Progress { text, is_over: true })
}

/// `Err`: the rollout has failed, or cannot be told of.
pub(super) fn of(object: &Object) -> Result<Progress, String> {
    match object {
        Object::Deployment(deployment) => of_deployment(deployment),
        Object::StatefulSet(set) => of_stateful_set(set),
        Object::DaemonSet(set) => of_daemon_set(set),
        _ => {
            Err(format!("no status viewer has been implemented for {}", object.kind().info().kind))
        }
    }
}

fn of_deployment(deployment: &Deployment) -> Result<Progress, String> {
    let name = deployment.metadata.name.as_deref().unwrap_or_default();
    let status = deployment.status.clone().unwrap_or_default();
    if deployment.metadata.generation > status.observed_generation {
        return waiting("Waiting for deployment spec update to be observed...".to_owned());
    }
    if has_reason(&status, PROGRESSING, TIMED_OUT) {
        return Err(format!("deployment {name:?} exceeded its progress deadline"));
    }
    let count = |count: Option<i32>| count.unwrap_or(0);
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let (all, updated) = (count(status.replicas), count(status.updated_replicas));
    let available = count(status.available_replicas);
    let head = format!("Waiting for deployment {name:?} rollout to finish:");
    let blocked = conditions::find(&status, PORT_IN_USE).and_then(|one| one.message.as_ref());
    let why = reason(blocked);
    if updated < wanted {
        return waiting(format!(
            "{head} {updated} out of {wanted} new replicas have been updated...{why}"
        ));
    }
    if all > updated {
        return waiting(format!(
            "{head} {} old replicas are pending termination...{why}",
            all - updated
        ));
    }
    if available < updated {
        return waiting(format!(
            "{head} {available} of {updated} updated replicas are available..."
        ));
    }
    over(format!("deployment {name:?} successfully rolled out"))
}

/// Reason why it waits, in brackets behind kubectl's words.
fn reason(blocked: Option<&String>) -> String {
    blocked.map(|why| format!(" ({why})")).unwrap_or_default()
}

const OTHER_STRATEGY: &str = "rollout status is only available for RollingUpdate strategy type";

fn of_daemon_set(set: &DaemonSet) -> Result<Progress, String> {
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return Err(OTHER_STRATEGY.to_owned());
    }
    let status = set.status.clone().unwrap_or_default();
    if set.metadata.generation > status.observed_generation {
        return waiting("Waiting for daemon set spec update to be observed...".to_owned());
    }
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    let head = format!("Waiting for daemon set {name:?} rollout to finish:");
    let mut conditions = status.conditions.iter().flatten();
    let blocked = conditions.find(|one| one.type_ == PORT_IN_USE);
    let why = reason(blocked.and_then(|one| one.message.as_ref()));
    if updated < wanted {
        return waiting(format!(
            "{head} {updated} out of {wanted} new pods have been updated...{why}"
        ));
    }
    if available < wanted {
        return waiting(format!(
            "{head} {available} of {wanted} updated pods are available...{why}"
        ));
    }
    over(format!("daemon set {name:?} successfully rolled out"))
}

fn of_stateful_set(set: &StatefulSet) -> Result<Progress, String> {
    let spec = set.spec.clone().unwrap_or_default();
    let strategy = spec.update_strategy.unwrap_or_default();
    if strategy.type_.as_deref() == Some("OnDelete") {
        return Err(OTHER_STRATEGY.to_owned());
    }
    let status = set.status.clone().unwrap_or_default();
    if status.observed_generation.is_none() || set.metadata.generation > status.observed_generation
    {
        return waiting("Waiting for statefulset spec update to be observed...".to_owned());
    }
    let wanted = spec.replicas.unwrap_or(1);
    let ready = status.ready_replicas.unwrap_or(0);
    let updated = status.updated_replicas.unwrap_or(0);
    if ready < wanted {
        return waiting(format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    if let Some(rolling) = strategy.rolling_update {
        let new = wanted - rolling.partition.unwrap_or(0);
        if updated < new {
            return waiting(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {new} new pods have \
                 been updated..."
            ));
        }
        return over(format!(
            "partitioned roll out complete: {updated} new pods have been updated..."
        ));
    }
    if status.update_revision != status.current_revision {
        let revision = status.update_revision.unwrap_or_default();
        return waiting(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision \
             {revision}..."
        ));
    }
    let (current, revision) = (status.current_replicas.unwrap_or(0), status.current_revision);
    over(format!(
        "statefulset rolling update complete {current} pods at revision {}...",
        revision.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::Kind;
    use serde_json::{Value, json};

    fn check(kind: Kind, spec: Value, status: Value, want: Result<(bool, String), &str>) {
        let object = json!({
            "metadata": {"name": "web", "generation": 2}, "spec": spec, "status": status,
        });
        let object = kind.deserialize(object.clone()).expect("an object");
        let told = of(&object).map(|one| (one.is_over, one.text));
        assert_eq!(told, want.map_err(str::to_owned), "{status}");
    }

    #[test]
    fn a_deployment_is_told_of_as_by_kubectl() {
        let spec = json!({"replicas": 3, "selector": {}, "template": {}});
        let check = |status: Value, want| check(Kind::Deployment, spec.clone(), status, want);
        check(
            json!({"observedGeneration": 1}),
            Ok((false, "Waiting for deployment spec update to be observed...".to_owned())),
        );
        let seen = |replicas: i32, updated: i32, available: i32| {
            json!({
                "observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available,
            })
        };
        let head = "Waiting for deployment \"web\" rollout to finish:";
        let wait = |what: &str| format!("{head} {what}...");
        check(seen(4, 2, 3), Ok((false, wait("2 out of 3 new replicas have been updated"))));
        check(seen(4, 3, 3), Ok((false, wait("1 old replicas are pending termination"))));
        check(seen(3, 3, 2), Ok((false, wait("2 of 3 updated replicas are available"))));
        check(seen(3, 3, 3), Ok((true, "deployment \"web\" successfully rolled out".to_owned())));
        let mut late = seen(4, 1, 3);
        late["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": TIMED_OUT}]);
        check(late, Err("deployment \"web\" exceeded its progress deadline"));
    }

    #[test]
    fn a_daemon_set_is_told_of_as_by_kubectl() {
        let spec = json!({"selector": {}, "template": {}});
        let check = |status: Value, want| check(Kind::DaemonSet, spec.clone(), status, want);
        let seen = |updated: i32, available: i32| {
            json!({
                "observedGeneration": 2, "currentNumberScheduled": 1, "desiredNumberScheduled": 1,
                "numberMisscheduled": 0, "numberReady": 1, "updatedNumberScheduled": updated,
                "numberAvailable": available,
            })
        };
        let wait =
            |what: &str| format!("Waiting for daemon set \"web\" rollout to finish: {what}...");
        check(seen(0, 1), Ok((false, wait("0 out of 1 new pods have been updated"))));
        check(seen(1, 0), Ok((false, wait("0 of 1 updated pods are available"))));
        check(seen(1, 1), Ok((true, "daemon set \"web\" successfully rolled out".to_owned())));
        let mut blocked = seen(0, 1);
        blocked["conditions"] = json!([{"type": PORT_IN_USE, "status": "True", "message": "why"}]);
        check(blocked, Ok((false, wait("0 out of 1 new pods have been updated") + " (why)")));
        let on_delete =
            json!({"selector": {}, "template": {}, "updateStrategy": {"type": "OnDelete"}});
        super::tests::check(Kind::DaemonSet, on_delete, seen(1, 1), Err(OTHER_STRATEGY));
    }

    #[test]
    fn a_stateful_set_is_told_of_as_by_kubectl() {
        let spec = |rolling: Value| {
            json!({
                "replicas": 3, "selector": {}, "template": {}, "serviceName": "",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            })
        };
        let seen = |ready: i32, updated: i32, update: &str| {
            json!({
                "observedGeneration": 2, "replicas": 3, "readyReplicas": ready,
                "currentReplicas": 3, "updatedReplicas": updated, "currentRevision": "web-a",
                "updateRevision": update,
            })
        };
        let check = |rolling: Value, status: Value, want| {
            check(Kind::StatefulSet, spec(rolling), status, want);
        };
        check(
            Value::Null,
            json!({"replicas": 0}),
            Ok((false, "Waiting for statefulset spec update to be observed...".to_owned())),
        );
        check(
            Value::Null,
            seen(1, 0, "web-b"),
            Ok((false, "Waiting for 2 pods to be ready...".to_owned())),
        );
        let waits =
            "waiting for statefulset rolling update to complete 1 pods at revision web-b...";
        check(Value::Null, seen(3, 1, "web-b"), Ok((false, waits.to_owned())));
        let done = "statefulset rolling update complete 3 pods at revision web-a...";
        check(Value::Null, seen(3, 3, "web-a"), Ok((true, done.to_owned())));
        let waits = "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been \
                     updated...";
        check(json!({"partition": 1}), seen(3, 1, "web-b"), Ok((false, waits.to_owned())));
        let done = "partitioned roll out complete: 2 new pods have been updated...";
        check(json!({"partition": 1}), seen(3, 2, "web-b"), Ok((true, done.to_owned())));
    }
}
