//! Probes: what a container is asked and when, and what its answers come to.
//!
//! The plan says which probes run ([`wanted`]); the prober asks, counts answers against the
//! thresholds and tells a verdict when it changes; the plan acts on verdicts. What a verdict was
//! before the daemon's last start is read from the status.

use super::address;
use super::containers::{ContainerView, Containers, Role};
use crate::order::{Address, Handler, HttpGet};
use cronlet_api::settings::Settings;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Pod, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Which of a container's three probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Holds back the other two until it passes; its failure kills.
    Startup,
    /// Its failure kills.
    Liveness,
    /// Says whether the container takes traffic.
    Readiness,
}

impl ProbeKind {
    pub const ALL: [ProbeKind; 3] = [ProbeKind::Startup, ProbeKind::Liveness, ProbeKind::Readiness];

    /// As events begin: `Liveness probe failed: …`.
    pub fn name(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
        }
    }
}

/// One probe of one attempt of a container, resolved: nothing is looked up later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub container: String,
    pub attempt: u32,
    pub kind: ProbeKind,
    pub handler: Handler,
    /// The process that leads the container, where only its pod's own programs may answer: a
    /// handler that names no `host` asks the pod.
    pub answered_by: Option<u32>,
    /// When the container started.
    pub started_at: Timestamp,
    pub initial_delay_seconds: u32,
    pub period_seconds: u32,
    pub timeout_seconds: u32,
    pub success_threshold: u32,
    pub failure_threshold: u32,
}

/// What the probes of one attempt came to; `None`: nothing yet, by this daemon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts {
    pub startup: Option<bool>,
    pub liveness: Option<bool>,
    pub readiness: Option<bool>,
}

impl Verdicts {
    /// False: it was so before.
    pub fn set(&mut self, kind: ProbeKind, passed: bool) -> bool {
        let verdict = match kind {
            ProbeKind::Startup => &mut self.startup,
            ProbeKind::Liveness => &mut self.liveness,
            ProbeKind::Readiness => &mut self.readiness,
        };
        verdict.replace(passed) != Some(passed)
    }
}

/// What the prober tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    pub kind: ProbeKind,
    /// The thresholds were met.
    pub verdict: Option<bool>,
    /// What its event shall say.
    pub told: Option<ProbeTrouble>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTrouble {
    Failed(String),
    /// It passed, but somewhat oddly.
    Warned(String),
    /// The question could not be asked: this counts neither way.
    Errored(String),
}

/// The kind's probe of a container, if it has one.
pub fn of(container: &Container, kind: ProbeKind) -> Option<&core::Probe> {
    match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
    }
}

/// The probe whose failure says that the container has to go.
pub fn fatal(member: &ContainerView) -> Option<ProbeKind> {
    let verdicts = member.verdicts;
    let failed = [(ProbeKind::Startup, verdicts.startup), (ProbeKind::Liveness, verdicts.liveness)];
    failed.into_iter().find(|(_, verdict)| *verdict == Some(false)).map(|(kind, _)| kind)
}

/// The grace, in seconds, that the failed probe gives, if it says so.
pub fn grace_seconds(container: &Container, kind: ProbeKind) -> Option<i64> {
    of(container, kind)?.termination_grace_period_seconds
}

/// The probes that shall run now. `ending`: what runs is to end, so nothing has to be killed.
pub fn wanted(pod: &Pod, containers: &Containers, ending: bool, settings: &Settings) -> Vec<Probe> {
    let mut probes = Vec::new();
    for member in containers.members.iter().filter(|member| member.role != Role::Init) {
        let Some(started_at) = member.hooked_at() else { continue };
        for kind in ProbeKind::ALL {
            let asked = match kind {
                ProbeKind::Startup => !ending && member.verdicts.startup.is_none(),
                ProbeKind::Liveness => !ending && fatal(member).is_none(),
                ProbeKind::Readiness => true,
            };
            let turn = (kind == ProbeKind::Startup) != member.has_started();
            if let Some(probe) = of(member.container, kind).filter(|_| asked && turn) {
                let host = || address::of(pod, settings);
                probes.push(resolve(member, kind, probe, host, started_at));
            }
        }
    }
    probes
}

fn resolve(
    member: &ContainerView,
    kind: ProbeKind,
    probe: &core::Probe,
    host: impl Fn() -> String,
    started_at: Timestamp,
) -> Probe {
    let count = |number: Option<i32>, default: u32| {
        number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(default)
    };
    Probe {
        container: member.container.name.clone(),
        attempt: member.attempt,
        kind,
        handler: handler(member.container, probe, host).unwrap_or_else(Handler::Unknown),
        answered_by: member.pid().filter(|_| asks_the_pod(probe)),
        started_at,
        initial_delay_seconds: count(probe.initial_delay_seconds, 0),
        period_seconds: count(probe.period_seconds, 10),
        timeout_seconds: count(probe.timeout_seconds, 1),
        success_threshold: count(probe.success_threshold, 1),
        failure_threshold: count(probe.failure_threshold, 3),
    }
}

fn handler(
    container: &Container,
    probe: &core::Probe,
    host: impl Fn() -> String,
) -> Result<Handler, String> {
    if let Some(exec) = &probe.exec {
        return Ok(Handler::Exec(exec.command.clone().unwrap_or_default()));
    }
    if let Some(get) = &probe.http_get {
        return http_get(container, get, host).map(Handler::HttpGet);
    }
    if let Some(socket) = &probe.tcp_socket {
        return tcp_socket(container, socket, host).map(Handler::TcpSocket);
    }
    let Some(call) = &probe.grpc else { return Err("the probe has no handler".into()) };
    let port = port(container, &IntOrString::Int(call.port))?;
    let service = call.service.clone().unwrap_or_default();
    Ok(Handler::Grpc { address: Address { host: host(), port }, service })
}

/// True if the probe asks over the network, and names no other host.
pub fn asks_the_pod(probe: &core::Probe) -> bool {
    let http = probe.http_get.as_ref().map(|get| get.host.as_ref());
    let tcp = probe.tcp_socket.as_ref().map(|socket| socket.host.as_ref());
    let grpc = probe.grpc.as_ref().map(|_| None);
    let host = http.or(tcp).or(grpc);
    host.is_some_and(|host| host.is_none_or(String::is_empty))
}

/// The port at which the container's own probe of this kind asks its pod.
pub fn port_asked(container: &Container, kind: ProbeKind) -> Option<u16> {
    let probe = of(container, kind).filter(|probe| asks_the_pod(probe))?;
    let http = probe.http_get.as_ref().map(|get| get.port.clone());
    let tcp = probe.tcp_socket.as_ref().map(|socket| socket.port.clone());
    let grpc = probe.grpc.as_ref().map(|call| IntOrString::Int(call.port));
    port(container, &http.or(tcp).or(grpc)?).ok()
}

/// `httpGet` of a probe or a hook; `host` is whom to ask where it names none.
pub fn http_get(
    container: &Container,
    get: &HTTPGetAction,
    host: impl Fn() -> String,
) -> Result<HttpGet, String> {
    let named = get.host.clone().filter(|host| !host.is_empty());
    let port = port(container, &get.port)?;
    let headers = get.http_headers.iter().flatten();
    Ok(HttpGet {
        https: get.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        address: Address { host: named.unwrap_or_else(host), port },
        path: get.path.clone().unwrap_or_default(),
        headers: headers.map(|header| (header.name.clone(), header.value.clone())).collect(),
    })
}

/// `tcpSocket` of a probe or a hook.
pub fn tcp_socket(
    container: &Container,
    socket: &TCPSocketAction,
    host: impl Fn() -> String,
) -> Result<Address, String> {
    let named = socket.host.clone().filter(|host| !host.is_empty());
    let port = port(container, &socket.port)?;
    Ok(Address { host: named.unwrap_or_else(host), port })
}

/// A port by number, or by the name that the container gives it.
fn port(container: &Container, port: &IntOrString) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let ports = container.ports.iter().flatten();
            let named = ports.into_iter().find(|port| port.name.as_ref() == Some(name));
            let number = named.map(|port| port.container_port).or_else(|| name.parse().ok());
            number.ok_or_else(|| format!("container {} has no port {name:?}", container.name))?
        }
    };
    u16::try_from(number).map_err(|_| format!("invalid port number: {number}"))
}
