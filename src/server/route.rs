//! Where a URL leads: one closed enum of routes, read from the path alone and driven by the list of
//! kinds.

use super::health::Question;
use super::metrics_api;
use super::query::decode_segment;
use cronlet_api::kind::{Key, Kind};
use cronlet_api::refused::Refused;

/// What a path names. Which methods it takes is decided by who answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/healthz`, `/livez`, `/readyz`
    Health(Question),
    Version,
    Metrics,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/batch`
    Group(String),
    /// `/api/v1`, `/apis/batch/v1`
    Resources {
        group: String,
    },
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    Descriptions,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/batch/v1`
    Description {
        group: String,
    },
    /// All objects of a kind, of one namespace or of all.
    Collection {
        kind: Kind,
        namespace: Option<String>,
    },
    Object {
        key: Key,
        part: Subresource,
    },
    /// `/apis/metrics.k8s.io/v1beta1`
    UsageResources,
    /// What the pods of a namespace use, or of all.
    Usage {
        namespace: Option<String>,
    },
    /// What the host uses.
    AllNodeMetrics,
    /// What one pod or the host uses.
    NodeMetrics(Key),
    /// Below `/apis/cronlet.dev/v1`: what Kubernetes has no word for.
    Extra(Extra),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subresource {
    Whole,
    Status,
    /// `autoscaling/v1` Scale, of kinds that have a number of pods.
    Scale,
    Log,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extra {
    /// `runs`, `namespaces/NS/runs`, `namespaces/NS/cronjobs/NAME/runs`
    Runs { namespace: Option<String>, cron_job: Option<String> },
    /// `namespaces/NS/cronjobs/NAME/trigger`
    Trigger { namespace: String, cron_job: String },
    /// `namespaces/NS/persistentvolumeclaims/NAME/usage`
    ClaimUsage(Key),
    /// `reload`
    Reload,
    /// `dump`
    Dump,
}

/// The group of cronlet's own routes. Discovery does not name it: what is below are verbs, not
/// resources.
pub(crate) const GROUP: &str = "cronlet.dev";

impl Route {
    pub(crate) fn parse(path: &str) -> Result<Route, Refused> {
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            segments.push(decode_segment(segment)?);
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["livez"] => Ok(Route::Health(Question::Live)),
            ["readyz"] => Ok(Route::Health(Question::Ready)),
            ["healthz"] => Ok(Route::Health(Question::Health)),
            ["version"] => Ok(Route::Version),
            ["metrics"] => Ok(Route::Metrics),
            ["api"] => Ok(Route::CoreVersions),
            ["apis"] => Ok(Route::Groups),
            ["openapi", "v2"] => Ok(Route::OpenApiV2),
            ["openapi", "v3"] => Ok(Route::Descriptions),
            ["openapi", "v3", "api", "v1"] => Ok(Route::Description { group: String::new() }),
            ["openapi", "v3", "apis", group, "v1"] if known(group) => {
                Ok(Route::Description { group: (*group).to_owned() })
            }
            ["api", "v1", rest @ ..] => below("", rest),
            ["apis", GROUP, "v1", rest @ ..] if !rest.is_empty() => extra(rest),
            ["apis", metrics_api::GROUP, metrics_api::VERSION, rest @ ..] => of_usage(rest),
            ["apis", group] if known(group) || *group == metrics_api::GROUP => {
                Ok(Route::Group((*group).to_owned()))
            }
            ["apis", group, "v1", rest @ ..] if known(group) => below(group, rest),
            _ => Err(Refused::NoSuchPath),
        }
    }
}

fn of_usage(rest: &[&str]) -> Result<Route, Refused> {
    match *rest {
        [] => Ok(Route::UsageResources),
        ["pods"] => Ok(Route::Usage { namespace: None }),
        ["nodes"] => Ok(Route::AllNodeMetrics),
        ["nodes", name] => Ok(Route::NodeMetrics(Key::new(Kind::Node, "", name))),
        ["namespaces", namespace, "pods"] => {
            Ok(Route::Usage { namespace: Some(namespace.to_owned()) })
        }
        ["namespaces", namespace, "pods", name] => {
            Ok(Route::NodeMetrics(Key::new(Kind::Pod, namespace, name)))
        }
        _ => Err(Refused::NoSuchPath),
    }
}

fn known(group: &str) -> bool {
    !group.is_empty() && Kind::ALL.iter().any(|kind| kind.info().group == group)
}

fn below(group: &str, rest: &[&str]) -> Result<Route, Refused> {
    let kind = |plural: &str| {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.info().group == group && kind.info().plural == plural)
            .ok_or(Refused::NoSuchPath)
    };
    // A cluster-scoped kind is looked for in no namespace, any other in one.
    let object = |namespace: &str, plural: &str, name: &str, part: Subresource| {
        let kind = kind(plural)?;
        let exists = match part {
            Subresource::Whole => true,
            Subresource::Status => kind.info().has_status,
            Subresource::Scale => kind.info().has_scale,
            Subresource::Log => kind == Kind::Pod,
        };
        let is_placed = kind.info().is_cluster_scoped == namespace.is_empty();
        let key = Key::new(kind, namespace, name);
        if exists && is_placed { Ok(Route::Object { key, part }) } else { Err(Refused::NoSuchPath) }
    };
    match *rest {
        [] => Ok(Route::Resources { group: group.to_owned() }),
        ["namespaces", name, "status"] => object("", "namespaces", name, Subresource::Status),
        ["namespaces", namespace, plural] => match kind(plural)? {
            kind if kind.info().is_cluster_scoped => Err(Refused::NoSuchPath),
            kind => Ok(Route::Collection { kind, namespace: Some(namespace.to_owned()) }),
        },
        ["namespaces", namespace, plural, name] => {
            object(namespace, plural, name, Subresource::Whole)
        }
        ["namespaces", namespace, plural, name, "status"] => {
            object(namespace, plural, name, Subresource::Status)
        }
        ["namespaces", namespace, plural, name, "scale"] => {
            object(namespace, plural, name, Subresource::Scale)
        }
        ["namespaces", namespace, plural, name, "log"] => {
            object(namespace, plural, name, Subresource::Log)
        }
        [plural] => Ok(Route::Collection { kind: kind(plural)?, namespace: None }),
        [plural, name] => object("", plural, name, Subresource::Whole),
        [plural, name, "status"] => object("", plural, name, Subresource::Status),
        _ => Err(Refused::NoSuchPath),
    }
}

fn extra(rest: &[&str]) -> Result<Route, Refused> {
    let owned = |text: &str| text.to_owned();
    let extra = match *rest {
        ["reload"] => Extra::Reload,
        ["dump"] => Extra::Dump,
        ["runs"] => Extra::Runs { namespace: None, cron_job: None },
        ["namespaces", namespace, "runs"] => {
            Extra::Runs { namespace: Some(owned(namespace)), cron_job: None }
        }
        ["namespaces", namespace, "cronjobs", name, "runs"] => {
            Extra::Runs { namespace: Some(owned(namespace)), cron_job: Some(owned(name)) }
        }
        ["namespaces", namespace, "cronjobs", name, "trigger"] => {
            Extra::Trigger { namespace: owned(namespace), cron_job: owned(name) }
        }
        ["namespaces", namespace, "persistentvolumeclaims", name, "usage"] => {
            Extra::ClaimUsage(Key::new(Kind::PersistentVolumeClaim, namespace, name))
        }
        _ => return Err(Refused::NoSuchPath),
    };
    Ok(Route::Extra(extra))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_kubernetes_has_them() {
        let check = |path: &str, want: Result<Route, u16>| {
            assert_eq!(Route::parse(path).map_err(|r| r.code()), want, "{path}");
        };
        let pod = |part| Route::Object { key: Key::new(Kind::Pod, "ns", "web"), part };
        let all = |kind, namespace: Option<&str>| Route::Collection {
            kind,
            namespace: namespace.map(Into::into),
        };
        check("/readyz", Ok(Route::Health(Question::Ready)));
        check("/livez", Ok(Route::Health(Question::Live)));
        check("/api/v1", Ok(Route::Resources { group: String::new() }));
        check("/apis/batch", Ok(Route::Group("batch".into())));
        check("/openapi/v2", Ok(Route::OpenApiV2));
        check("/openapi/v3", Ok(Route::Descriptions));
        check("/openapi/v3/api/v1", Ok(Route::Description { group: String::new() }));
        check("/openapi/v3/apis/apps/v1", Ok(Route::Description { group: "apps".into() }));
        check("/openapi/v3/apis/nope/v1", Err(404));
        check("/apis/batch/v1/", Ok(Route::Resources { group: "batch".into() }));
        check("/apis/batch/v1/jobs", Ok(all(Kind::Job, None)));
        check("/api/v1/namespaces/default/events", Ok(all(Kind::Event, Some("default"))));
        check("/api/v1/namespaces/ns/pods/web", Ok(pod(Subresource::Whole)));
        check("/api/v1/namespaces/ns/pods/web/status", Ok(pod(Subresource::Status)));
        check("/api/v1/namespaces/ns/pods/web/log", Ok(pod(Subresource::Log)));
        check("/api/v1/namespaces/n%73/pods/web", Ok(pod(Subresource::Whole)));
        check("/api/v1/namespaces/ns/secrets/s/status", Err(404));
        check("/apis/batch/v1/namespaces/ns/jobs/j/log", Err(404));
        let node = |part| Route::Object { key: Key::new(Kind::Node, "", "n"), part };
        let namespace = |part| Route::Object { key: Key::new(Kind::Namespace, "", "n"), part };
        check("/api/v1/nodes", Ok(all(Kind::Node, None)));
        check("/api/v1/nodes/n", Ok(node(Subresource::Whole)));
        check("/api/v1/nodes/n/status", Ok(node(Subresource::Status)));
        check("/api/v1/namespaces", Ok(all(Kind::Namespace, None)));
        check("/api/v1/namespaces/n", Ok(namespace(Subresource::Whole)));
        check("/api/v1/namespaces/n/status", Ok(namespace(Subresource::Status)));
        check("/api/v1/namespaces/ns/nodes", Err(404));
        check("/api/v1/namespaces/ns/nodes/n", Err(404));
        check("/api/v1/pods/web", Err(404));
        check("/apis/apps/v1/deployments", Ok(all(Kind::Deployment, None)));
        let web = Key::new(Kind::Deployment, "ns", "web");
        let scale = Route::Object { key: web, part: Subresource::Scale };
        check("/apis/apps/v1/namespaces/ns/deployments/web/scale", Ok(scale));
        check("/apis/apps/v1/namespaces/ns/daemonsets/web/scale", Err(404));
        check("/api/v1/jobs", Err(404));
        check("/apis/batch/v1beta1/jobs", Err(404));
        check("/apis/apps/v1/deploymentz", Err(404));
        check("/apis/metrics.k8s.io", Ok(Route::Group("metrics.k8s.io".into())));
        check("/apis/metrics.k8s.io/v1beta1", Ok(Route::UsageResources));
        check("/apis/metrics.k8s.io/v1beta1/pods", Ok(Route::Usage { namespace: None }));
        check("/apis/metrics.k8s.io/v1beta1/nodes", Ok(Route::AllNodeMetrics));
        let node = Key::new(Kind::Node, "", "n");
        check("/apis/metrics.k8s.io/v1beta1/nodes/n", Ok(Route::NodeMetrics(node)));
        check("/apis/metrics.k8s.io/v1beta1/claims", Err(404));
        check("/", Err(404));
        check("/api/v1/pods/%", Err(400));
    }

    #[test]
    fn cronlets_own_routes() {
        let check = |path: &str, want: Extra| {
            assert_eq!(Route::parse(path), Ok(Route::Extra(want)), "{path}");
        };
        let base = "/apis/cronlet.dev/v1";
        check(&format!("{base}/reload"), Extra::Reload);
        check(&format!("{base}/runs"), Extra::Runs { namespace: None, cron_job: None });
        check(
            &format!("{base}/namespaces/a/cronjobs/b/runs"),
            Extra::Runs { namespace: Some("a".into()), cron_job: Some("b".into()) },
        );
        check(
            &format!("{base}/namespaces/a/cronjobs/b/trigger"),
            Extra::Trigger { namespace: "a".into(), cron_job: "b".into() },
        );
    }
}
