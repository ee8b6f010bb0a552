//! The rules of name resolution: `dnsPolicy`, `dnsConfig`, `hostAliases`.

use super::required_and_supported;
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{HostAlias, PodDNSConfig, PodSpec};

const POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
// What the resolvers of Linux can hold.
const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCHES_LENGTH_MAX: usize = 2048;

pub(super) fn check(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let policy = text(&spec.dns_policy);
    required_and_supported(policy, &POLICIES, &at.child("dnsPolicy"), causes);
    let config_at = at.child("dnsConfig");
    match &spec.dns_config {
        None if policy == "None" => {
            causes.required(&config_at, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        None => {}
        Some(config) if policy == "None" && items(&config.nameservers).is_empty() => {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            causes.required(&config_at.child("nameservers"), why);
        }
        Some(config) => check_config(config, &config_at, causes),
    }
    check_aliases(items(&spec.host_aliases), &at.child("hostAliases"), causes);
}

fn check_config(config: &PodDNSConfig, at: &Path<'_>, causes: &mut Causes) {
    let servers = items(&config.nameservers);
    let servers_at = at.child("nameservers");
    if servers.len() > NAMESERVERS_MAX {
        let why = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        causes.invalid(&servers_at, servers, why);
    }
    for (i, server) in servers.iter().enumerate() {
        causes.invalid_each(&servers_at.index(i), server, names::ip_address(server));
    }
    check_searches(items(&config.searches), &at.child("searches"), causes);
    let options_at = at.child("options");
    for (i, option) in items(&config.options).iter().enumerate() {
        if text(&option.name).is_empty() {
            causes.required(&options_at.index(i), "must not be empty");
        }
    }
}

fn check_searches(searches: &[String], at: &Path<'_>, causes: &mut Causes) {
    if searches.len() > SEARCHES_MAX {
        let why = format!("must not have more than {SEARCHES_MAX} search paths");
        causes.invalid(at, searches, why);
    }
    if searches.join(" ").len() > SEARCHES_LENGTH_MAX {
        let why = format!(
            "must not have more than {SEARCHES_LENGTH_MAX} characters (including spaces) in the \
             search list"
        );
        causes.invalid(at, searches, why);
    }
    for (i, search) in searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let domain = search.strip_suffix('.').unwrap_or(search);
        causes.invalid_each(&at.index(i), domain, names::dns_subdomain_with_underscore(domain));
    }
}

fn check_aliases(aliases: &[HostAlias], at: &Path<'_>, causes: &mut Causes) {
    for (i, alias) in aliases.iter().enumerate() {
        let at = at.index(i);
        causes.invalid_each(&at.child("ip"), &alias.ip, names::ip_address(&alias.ip));
        let names_at = at.child("hostnames");
        for (j, name) in items(&alias.hostnames).iter().enumerate() {
            causes.invalid_each(&names_at.index(j), name, names::dns_subdomain(name));
        }
    }
}
