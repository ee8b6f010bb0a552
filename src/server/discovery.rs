//! What a client asks first: which groups, versions and resources there are, and what this server
//! is.

use super::metrics_api;
use super::response::{self, Answer};
use cronlet_api::kind::{Kind, KindInfo};
use cronlet_plan::controllers::node::host;
use hyper::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::json;

pub(crate) fn version() -> Answer {
    let version = json!({
        "major": "1",
        "minor": host::MINOR,
        "gitVersion": host::version(),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, host::architecture()),
    });
    response::value(StatusCode::OK, &version)
}

/// `/api`
pub(crate) fn core_versions() -> Answer {
    let versions = json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    });
    response::value(StatusCode::OK, &versions)
}

/// `/apis`
pub(crate) fn groups() -> Answer {
    let mut groups: Vec<&str> = Kind::ALL.iter().map(|kind| kind.info().group).collect();
    groups.retain(|group| !group.is_empty());
    groups.sort_unstable();
    groups.dedup();
    let groups = groups.into_iter().map(described).chain([metrics_api::group()]).collect();
    response::value(StatusCode::OK, &meta::APIGroupList { groups })
}

/// `/apis/GROUP`
pub(crate) fn group(name: &str) -> Answer {
    response::value(StatusCode::OK, &described(name))
}

/// `/api/v1`, `/apis/GROUP/v1`
pub(crate) fn resources(group: &str) -> Answer {
    let mut infos: Vec<&KindInfo> = Kind::ALL.iter().map(|kind| kind.info()).collect();
    infos.retain(|info| info.group == group);
    infos.sort_by_key(|info| info.plural);
    let mut resources = Vec::new();
    for info in &infos {
        resources.push(resource(info));
        if info.kind == "Pod" {
            resources.push(part(info, "log", &["get"]));
        }
        if info.has_scale {
            resources.push(meta::APIResource {
                group: Some("autoscaling".to_owned()),
                version: Some("v1".to_owned()),
                kind: "Scale".to_owned(),
                ..part(info, "scale", &["get", "patch", "update"])
            });
        }
        if info.has_status {
            resources.push(part(info, "status", &["get", "patch", "update"]));
        }
    }
    let group_version = infos.first().map_or_else(|| "v1".to_owned(), |info| info.api_version());
    response::value(StatusCode::OK, &meta::APIResourceList { group_version, resources })
}

fn described(name: &str) -> meta::APIGroup {
    if name == metrics_api::GROUP {
        return metrics_api::group();
    }
    let version = meta::GroupVersionForDiscovery {
        group_version: format!("{name}/v1"),
        version: "v1".to_owned(),
    };
    meta::APIGroup {
        name: name.to_owned(),
        preferred_version: Some(version.clone()),
        server_address_by_client_cidrs: None,
        versions: vec![version],
    }
}

fn resource(info: &KindInfo) -> meta::APIResource {
    let owned = |text: &&str| (*text).to_owned();
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    meta::APIResource {
        categories: info.in_all.then(|| vec!["all".to_owned()]),
        kind: info.kind.to_owned(),
        name: info.plural.to_owned(),
        namespaced: !info.is_cluster_scoped,
        short_names: (!info.short_names.is_empty())
            .then(|| info.short_names.iter().map(owned).collect()),
        singular_name: info.singular.to_owned(),
        verbs: verbs.iter().map(owned).collect(),
        ..Default::default()
    }
}

fn part(info: &KindInfo, name: &str, verbs: &[&str]) -> meta::APIResource {
    meta::APIResource {
        kind: info.kind.to_owned(),
        name: format!("{}/{name}", info.plural),
        namespaced: !info.is_cluster_scoped,
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..Default::default()
    }
}
