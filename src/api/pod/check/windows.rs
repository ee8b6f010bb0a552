//! The rules of `windowsOptions`: accepted and checked as Kubernetes does, though no pod here runs
//! Windows.

use super::containers;
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::flag;
use k8s_openapi::api::core::v1::{PodSpec, WindowsSecurityContextOptions};

const CREDENTIAL_LENGTH_MAX: usize = 64 * 1024;
const DOMAIN_LENGTH_END: usize = 256;
const USER_LENGTH_MAX: usize = 104;

pub(super) fn check_options(
    options: &Option<WindowsSecurityContextOptions>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let Some(options) = options else { return };
    if let Some(name) = &options.gmsa_credential_spec_name {
        let at = at.child("gmsaCredentialSpecName");
        causes.invalid_each(&at, name, names::dns_subdomain(name));
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let at = at.child("gmsaCredentialSpec");
        // The text is a credential: it is measured, not repeated.
        if spec.is_empty() {
            causes.invalid(&at, "", "gmsaCredentialSpec cannot be an empty string");
        } else if spec.len() > CREDENTIAL_LENGTH_MAX {
            causes.invalid(&at, "…", "gmsaCredentialSpec size must be under 64 KiB");
        }
    }
    if let Some(user) = &options.run_as_user_name {
        let at = at.child("runAsUserName");
        for fault in user_faults(user) {
            causes.invalid(&at, user, format!("runAsUserName{fault}"));
        }
    }
}

/// `DOMAIN\user` or `user`
fn user_faults(name: &str) -> Vec<&'static str> {
    if name.is_empty() {
        return vec![" cannot be an empty string"];
    }
    if name.bytes().any(|byte| byte.is_ascii_control()) {
        return vec![" cannot contain control characters"];
    }
    if name.matches('\\').count() > 1 {
        return vec![" cannot contain more than one backslash"];
    }
    let (domain, user) = match name.split_once('\\') {
        Some((domain, user)) => (Some(domain), user),
        None => (None, name),
    };
    let rules = [
        (
            domain.is_none_or(|domain| domain.len() < DOMAIN_LENGTH_END),
            "'s Domain length must be under 256 characters",
        ),
        (
            domain.is_none_or(|domain| is_net_bios(domain) || is_dns(domain)),
            "'s Domain doesn't match the NetBios nor the DNS format",
        ),
        (!user.is_empty(), "'s User cannot be empty"),
        (user.len() <= USER_LENGTH_MAX, "'s User length must not be longer than 104 characters"),
        (
            user.is_empty() || user.chars().any(|c| !". ".contains(c)),
            "'s User cannot contain only periods or spaces",
        ),
        (
            !user.contains(|c| "\"/\\:;|=,+*?<>@[]".contains(c)),
            "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]",
        ),
    ];
    rules.iter().filter(|(holds, _)| !holds).map(|(_, fault)| *fault).collect()
}

fn is_net_bios(domain: &str) -> bool {
    (1..=15).contains(&domain.chars().count())
        && !domain.starts_with('.')
        && !domain.contains(|c| "\\/:*?\"<>|".contains(c))
}

fn is_dns(domain: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_alphanumeric();
    domain.split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.len() <= 63
            && bytes.first().copied().is_some_and(is_edge)
            && bytes.last().copied().is_some_and(is_edge)
            && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
    })
}

/// Either all containers are processes of the host or none is, and then they are on its network.
pub(super) fn check_host_process(spec: &PodSpec, at: &Path<'_>, causes: &mut Causes) {
    let of = |options: Option<&WindowsSecurityContextOptions>| options?.host_process;
    let context = spec.security_context.as_ref();
    let of_pod = of(context.and_then(|context| context.windows_options.as_ref()));
    let (mut total, mut on_host) = (0, 0);
    containers::each(spec, at, |container, at| {
        let context = container.security_context.as_ref();
        let own = of(context.and_then(|context| context.windows_options.as_ref()));
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let at = at.child("securityContext");
            let at = at.child("windowsOptions");
            let why =
                format!("pod hostProcess value must be identical if both are specified, was {pod}");
            causes.invalid(&at.child("hostProcess"), own, why);
        }
        total += 1;
        on_host += usize::from(own.or(of_pod) == Some(true));
    });
    if on_host > 0 && on_host != total {
        let why = "If pod contains any hostProcess containers then all containers must be \
                   HostProcess containers";
        causes.invalid(at, "", why);
    }
    if on_host > 0 && !flag(spec.host_network) {
        let why = "hostNetwork must be true if pod contains any hostProcess containers";
        causes.invalid(&at.child("hostNetwork"), false, why);
    }
}
