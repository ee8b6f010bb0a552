//! The kind of a manifest by `apiVersion` and `kind`: older versions, near misses, and kinds not
//! served.

use crate::kind::Kind;

/// Older versions that still mean a kind: cronlet reads them as the version it has.
const OLDER: &[(&str, Kind)] =
    &[("batch/v1beta1", Kind::CronJob), ("batch/v2alpha1", Kind::CronJob)];

/// Versions that Kubernetes has removed, of kinds that it has in another. They are read only on
/// demand, since fields that they left out are required now.
const REMOVED: &[(&str, &[Kind])] = &[
    ("apps/v1beta1", &[Kind::ControllerRevision, Kind::Deployment, Kind::StatefulSet]),
    (
        "apps/v1beta2",
        &[
            Kind::ControllerRevision,
            Kind::DaemonSet,
            Kind::Deployment,
            Kind::ReplicaSet,
            Kind::StatefulSet,
        ],
    ),
    ("extensions/v1beta1", &[Kind::DaemonSet, Kind::Deployment, Kind::ReplicaSet]),
];

/// Kinds that Kubernetes has and cronlet has not, with their group.
const NOT_SERVED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Binding",
            "ComponentStatus",
            "Endpoints",
            "LimitRange",
            "PersistentVolume",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "ServiceAccount",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("coordination.k8s.io", &["Lease"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("networking.k8s.io", &["Ingress", "IngressClass", "NetworkPolicy"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodDisruptionBudget", "PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"]),
    // Last: a kind that Kubernetes moved is reported with its present group.
    ("extensions", &["Ingress", "NetworkPolicy", "PodSecurityPolicy"]),
];

/// Least likeness, of 1, of a name that is suggested; kinds that are not served need more.
const LIKENESS_MIN: f64 = 0.6;
const LIKENESS_NOT_SERVED_MIN: f64 = 0.8;

/// The meaning of a manifest's `apiVersion` and `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub kind: Kind,
    /// True for an older version, read as the present one.
    pub is_older: bool,
}

/// The versions of a kind that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Versions that Kubernetes serves, and older ones with the same content.
    Served,
    /// Removed versions too.
    Removed,
}

/// Returns the kind that is meant, or why there is none.
pub(super) fn meaning(
    api_version: &str,
    kind: &str,
    versions: Versions,
) -> Result<Meaning, String> {
    if let Some(kind) = served(api_version, kind) {
        return Ok(Meaning { kind, is_older: false });
    }
    if let Some((_, kind)) =
        OLDER.iter().find(|(older, of)| *older == api_version && of.info().kind == kind)
    {
        return Ok(Meaning { kind: *kind, is_older: true });
    }
    match (removed(api_version, kind), versions) {
        (Some(kind), Versions::Removed) => Ok(Meaning { kind, is_older: true }),
        (Some(present), Versions::Served) => Err(format!(
            "no matches for kind {kind:?} in version {api_version:?}: Kubernetes has removed this \
             version; write {:?}, or let `cronlet check --fix` convert the manifest",
            present.info().api_version()
        )),
        (None, _) => Err(no_match(api_version, kind)),
    }
}

/// Returns the kind whose list this is, such as `CronJobList`.
pub(super) fn list_of(api_version: &str, kind: &str) -> Option<Kind> {
    let kind = kind.strip_suffix("List")?;
    meaning(api_version, kind, Versions::Removed).ok().map(|meaning| meaning.kind)
}

/// Returns the name among `known` that `name` was probably meant to be.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    nearest_of(name, known, LIKENESS_MIN)
}

fn nearest_of<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
    likeness_min: f64,
) -> Option<&'k str> {
    // No known name is that long.
    const LENGTH_MAX: usize = 100;
    if name.len() > LENGTH_MAX {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let likeness =
        |known: &str| strsim::normalized_damerau_levenshtein(&lower, &known.to_ascii_lowercase());
    known
        .into_iter()
        .filter(|known| *known != name)
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness >= likeness_min)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn served(api_version: &str, kind: &str) -> Option<Kind> {
    let fits = |one: &&Kind| one.info().kind == kind && one.info().api_version() == api_version;
    Kind::ALL.iter().find(fits).copied()
}

fn removed(api_version: &str, kind: &str) -> Option<Kind> {
    let (_, kinds) = REMOVED.iter().find(|(removed, _)| *removed == api_version)?;
    kinds.iter().find(|one| one.info().kind == kind).copied()
}

/// True if Kubernetes has the kind and cronlet has not, or if its group is a custom one.
pub(super) fn is_unserved(api_version: &str, kind: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let is_known = NOT_SERVED.iter().any(|(of, kinds)| *of == group && kinds.contains(&kind));
    is_known || is_custom(group, kind)
}

/// True if the kind is one that a CustomResourceDefinition makes: their groups are domains. One of
/// our kinds in a group of Kubernetes' own is a slip of the pen.
fn is_custom(group: &str, kind: &str) -> bool {
    let is_slip = group.ends_with(".k8s.io") && Kind::named(kind).is_some();
    group.contains('.') && !kind.is_empty() && !is_slip
}

fn no_match(api_version: &str, kind: &str) -> String {
    let base = format!("no matches for kind {kind:?} in version {api_version:?}");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if is_custom(group, kind) {
        return format!("{base}: cronlet serves no custom resources");
    }
    if is_unserved(api_version, kind) {
        return format!("{base}: Kubernetes has this kind, cronlet does not serve it (yet)");
    }
    if let Some(kind) = Kind::named(kind) {
        return format!("{base}: {} is in {:?}", kind.info().kind, kind.info().api_version());
    }
    if let Some((group, _)) = NOT_SERVED.iter().find(|(_, kinds)| kinds.contains(&kind)) {
        let group = if group.is_empty() { "core" } else { group };
        return format!(
            "{base}: Kubernetes has it in group {group}, cronlet does not serve it (yet)"
        );
    }
    let names = Kind::ALL.iter().map(|kind| kind.info().kind);
    let unserved = NOT_SERVED.iter().flat_map(|(_, kinds)| kinds.iter().copied());
    let near = nearest(kind, names.clone());
    match near.or_else(|| nearest_of(kind, unserved, LIKENESS_NOT_SERVED_MIN)) {
        Some(near) => format!("{base}: did you mean {near:?}?"),
        None => format!("{base}: cronlet serves {}", names.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_kinds() {
        let check = |api_version: &str, kind: &str, want: Result<(Kind, bool), &str>| match (
            meaning(api_version, kind, Versions::Served),
            want,
        ) {
            (Ok(found), Ok(want)) => assert_eq!((found.kind, found.is_older), want, "{kind}"),
            (Err(found), Err(want)) => assert!(found.contains(want), "{found:?} lacks {want:?}"),
            (found, want) => panic!("{api_version} {kind}: {found:?}, not {want:?}"),
        };
        check("batch/v1", "CronJob", Ok((Kind::CronJob, false)));
        check("batch/v1beta1", "CronJob", Ok((Kind::CronJob, true)));
        check("v1", "Secret", Ok((Kind::Secret, false)));
        check("batch/v1beta1", "Job", Err("Job is in \"batch/v1\""));
        check("v1", "CronJob", Err("CronJob is in \"batch/v1\""));
        check("batch/v1", "Cronjob", Err("did you mean \"CronJob\"?"));
        check("v1", "ConfigMaps", Err("did you mean \"ConfigMap\"?"));
        check("apps/v1", "Deployment", Ok((Kind::Deployment, false)));
        check("extensions/v1beta1", "Deployment", Err("`cronlet check --fix` convert"));
        check("extensions/v1beta1", "StatefulSet", Err("StatefulSet is in \"apps/v1\""));
        let fixed = meaning("apps/v1beta2", "DaemonSet", Versions::Removed);
        assert_eq!(fixed, Ok(Meaning { kind: Kind::DaemonSet, is_older: true }));
        check("v1", "LimitRange", Err("does not serve it (yet)"));
        check("networking/v1", "Ingress", Err("in group networking.k8s.io"));
        check("apps/v1", "Deploymnt", Err("did you mean \"Deployment\"?"));
        check("v1", "Thingumabob", Err("cronlet serves ConfigMap, CronJob"));
        let unserved = |api_version: &str, kind: &str, want: bool| {
            assert_eq!(is_unserved(api_version, kind), want, "{api_version} {kind}");
        };
        unserved("monitoring.coreos.com/v1", "PrometheusRule", true);
        unserved("serving.knative.dev/v1", "Service", true);
        unserved("batch.volcano.sh/v1alpha1", "Job", true);
        unserved("snapshot.storage.k8s.io/v1", "VolumeSnapshot", true);
        unserved("rbac.authorization.k8s.io/v1", "Role", true);
        unserved("extensions/v1beta1", "Ingress", true);
        unserved("batch/v1", "CronJbo", false);
        unserved("batch/v2", "CronJob", false);
        unserved("v1", "Pdo", false);
        unserved("apps.k8s.io/v1", "Deployment", false);
        unserved("monitoring.coreos.com/v1", "", false);
        assert_eq!(list_of("batch/v1", "CronJobList"), Some(Kind::CronJob));
        assert_eq!(list_of("v1", "List"), None);
    }
}
