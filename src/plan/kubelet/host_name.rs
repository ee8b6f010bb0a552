//! The host name that a pod's programs see, as the kubelet makes it
//! (`GeneratePodHostNameAndDomain`, `GetNodenameForKernel`).

use super::address;
use super::launch::Problem;
use cronlet_api::settings::Settings;
use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// The names of one pod.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// For the kernel; empty: the host's own.
    pub host_name: String,
    /// The value of `HOSTNAME`.
    pub variable: String,
    /// A line for `/etc/hosts`; empty: none.
    pub hosts_line: String,
}

/// At most this many characters make a label of a domain name.
const LABEL_LENGTH_MAX: usize = 63;
/// At most this many characters fit into the kernel's name of a host.
const LENGTH_MAX: usize = 64;
/// Kubernetes' default.
const CLUSTER_DOMAIN: &str = "cluster.local";

pub fn of(pod: &Pod, spec: &PodSpec, settings: &Settings) -> Result<Names, Problem> {
    if spec.host_network == Some(true) {
        return Ok(Names { variable: settings.node_name.clone(), ..Names::default() });
    }
    let fits = |name: &&String| !name.is_empty();
    let given = spec.hostname_override.as_ref().filter(fits);
    let plain = match (given, spec.hostname.as_ref().filter(fits)) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => name.clone(),
        (None, None) => cut(pod.metadata.name.as_deref().unwrap_or_default()),
    };
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let full = match spec.subdomain.as_ref().filter(fits) {
        Some(domain) if given.is_none() => {
            format!("{plain}.{domain}.{namespace}.svc.{CLUSTER_DOMAIN}")
        }
        _ => plain.clone(),
    };
    let as_full = spec.set_hostname_as_fqdn == Some(true) && given.is_none();
    let host_name = if as_full { &full } else { &plain };
    if host_name.len() > LENGTH_MAX {
        return Err(too_long(host_name));
    }
    let address = address::of(pod, settings);
    let hosts_line = match full == plain {
        true => format!("{address}\t{plain}"),
        false => format!("{address}\t{full}\t{plain}"),
    };
    Ok(Names { variable: host_name.clone(), host_name: host_name.clone(), hosts_line })
}

fn cut(name: &str) -> String {
    let cut: String = name.chars().take(LABEL_LENGTH_MAX).collect();
    cut.trim_end_matches(['-', '.']).to_owned()
}

fn too_long(full: &str) -> Problem {
    let message = format!(
        "Failed to construct FQDN from Pod hostname and cluster domain, FQDN {full} is too long \
         ({LENGTH_MAX} characters is the max, {} characters requested)",
        full.len()
    );
    Problem { reason: "ContainerCreating", message, event: "FailedCreatePodSandBox" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_the_kubelets() {
        let check = |name: &str, spec: serde_json::Value, want: Option<(&str, &str)>| {
            let mut whole = json!({"metadata": {"name": name, "namespace": "ns"},
                "spec": {"containers": []}, "status": {"podIP": "127.1.0.9"}});
            let fields = spec.as_object().expect("an object").clone();
            whole["spec"].as_object_mut().expect("an object").extend(fields);
            let pod: Pod = serde_json::from_value(whole).expect("a Pod");
            let names = of(&pod, pod.spec.as_ref().expect("a spec"), &Settings::default());
            let want = want.map(|(host_name, line)| (host_name.to_owned(), line.to_owned()));
            assert_eq!(names.ok().map(|n| (n.host_name, n.hosts_line)), want, "{name} {spec}");
        };
        check("mysql-0", json!({}), Some(("mysql-0", "127.1.0.9\tmysql-0")));
        check("p", json!({"hostname": "my-host"}), Some(("my-host", "127.1.0.9\tmy-host")));
        let line = "127.1.0.9\tmy-host.sub.ns.svc.cluster.local\tmy-host";
        let both = json!({"hostname": "my-host", "subdomain": "sub"});
        check("p", both, Some(("my-host", line)));
        let full = json!({"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": true});
        let name = "h.s.ns.svc.cluster.local";
        check("p", full, Some((name, "127.1.0.9\th.s.ns.svc.cluster.local\th")));
        check("p", json!({"setHostnameAsFQDN": true}), Some(("p", "127.1.0.9\tp")));
        let long = json!({"subdomain": "s".repeat(50), "setHostnameAsFQDN": true});
        check("p", long, None);
        let other = json!({"hostnameOverride": "a.b", "hostname": "h", "subdomain": "s"});
        check("p", other, Some(("a.b", "127.1.0.9\ta.b")));
        check("p", json!({"hostNetwork": true, "hostname": "h"}), Some(("", "")));
        let long = format!("{}-.{}", "a".repeat(61), "b".repeat(20));
        let cut = "a".repeat(61);
        check(&long, json!({}), Some((&cut, &format!("127.1.0.9\t{cut}"))));
    }
}
