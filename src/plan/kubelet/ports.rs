//! Ports that pods declare, and what follows from their sharing one network: `hostPort`s that
//! collide are the scheduler's to part, as in Kubernetes; a program that wants a port on every
//! address waits for the pod that has it.

use super::address;
use super::availability::has_ended;
use super::probe::{self, ProbeKind};
use crate::order::Contested;
use crate::plan::View;
use crate::scheduler::queue::is_bound;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::omitempty;
use cronlet_api::pod::PORT_IN_USE;
use k8s_openapi::api::core::v1::{Container, ContainerPort, ContainerStatus, Pod};
use std::collections::{BTreeMap, BTreeSet};

/// A port of the host.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Port {
    pub protocol: Protocol,
    pub number: u16,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// What a pod has to do with ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Claims {
    /// Declared by containers that run.
    held: BTreeSet<Port>,
    /// Declared by containers that wait for them.
    wanted: BTreeSet<Port>,
    /// `hostPort`, with `hostIP`.
    host: Vec<(Port, String)>,
}

/// The claims of all pods that are bound and have not ended.
#[derive(Debug, Default)]
pub struct Ports {
    claims: BTreeMap<Key, Claims>,
    holders: BTreeMap<Port, BTreeSet<Key>>,
    wanting: BTreeMap<Port, BTreeSet<Key>>,
}

impl Ports {
    /// Takes note of a pod as it is now. Gives those that wait for a port that it held before.
    pub fn watch(&mut self, pod: &Pod) -> Vec<Key> {
        let claims = if is_bound(pod) && !has_ended(pod) { claims(pod) } else { Claims::default() };
        self.put(key(pod), claims)
    }

    /// The pod is gone. Gives those that wait for what it held.
    pub fn forget(&mut self, pod: &Key) -> Vec<Key> {
        self.put(pod.clone(), Claims::default())
    }

    fn put(&mut self, pod: Key, new: Claims) -> Vec<Key> {
        let old = self.claims.get(&pod).cloned().unwrap_or_default();
        if old == new {
            return Vec::new();
        }
        let freed = old.held.difference(&new.held);
        let waiting: Vec<Key> =
            freed.filter_map(|port| self.wanting.get(port)).flatten().cloned().collect();
        move_claims(&mut self.holders, &pod, &old.held, &new.held);
        move_claims(&mut self.wanting, &pod, &old.wanted, &new.wanted);
        if new == Claims::default() {
            self.claims.remove(&pod);
        } else {
            self.claims.insert(pod, new);
        }
        waiting
    }

    /// Other pods with a running container that declares the port.
    pub fn holders(&self, port: Port, except: &Key) -> Vec<Key> {
        let holders = self.holders.get(&port).into_iter().flatten();
        holders.filter(|holder| *holder != except).cloned().collect()
    }

    /// The `hostPort`s that the pod cannot have, and whose each is.
    pub fn host_conflicts(&self, pod: &Pod) -> Vec<(u16, &Key)> {
        let wanted = host_ports(pod);
        if wanted.is_empty() {
            return Vec::new();
        }
        let own = key(pod);
        let others = self.claims.iter().filter(|(other, _)| **other != own);
        let all = others.flat_map(|(other, claims)| {
            claims.host.iter().map(move |(port, ip)| (other, port, ip))
        });
        let conflicts = all.filter_map(|(other, port, ip)| {
            let clash = |(mine, my_ip): &&(Port, String)| mine == port && overlap(my_ip, ip);
            wanted.iter().find(clash).map(|(port, _)| (port.number, other))
        });
        conflicts.collect()
    }
}

fn move_claims(
    index: &mut BTreeMap<Port, BTreeSet<Key>>,
    pod: &Key,
    old: &BTreeSet<Port>,
    new: &BTreeSet<Port>,
) {
    for port in old.difference(new) {
        if let Some(pods) = index.get_mut(port) {
            pods.remove(pod);
            if pods.is_empty() {
                index.remove(port);
            }
        }
    }
    for port in new.difference(old) {
        index.entry(*port).or_default().insert(pod.clone());
    }
}

/// Every address overlaps with any.
fn overlap(one: &str, other: &str) -> bool {
    let every = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
    every(one) || every(other) || one == other
}

fn key(pod: &Pod) -> Key {
    let meta = &pod.metadata;
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    Key::new(Kind::Pod, &text(&meta.namespace), &text(&meta.name))
}

fn claims(pod: &Pod) -> Claims {
    let mut claims = Claims { host: host_ports(pod), ..Claims::default() };
    let Some(spec) = &pod.spec else { return claims };
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref());
    let main = status.and_then(|status| status.container_statuses.as_deref());
    let containers =
        omitempty::items(&spec.init_containers).iter().map(|container| (container, init));
    for (container, shown) in containers.chain(spec.containers.iter().map(|c| (c, main))) {
        let mut shown = shown.unwrap_or_default().iter();
        let Some(shown) = shown.find(|shown| shown.name == container.name) else { continue };
        if is_running(shown) {
            claims.held.extend(declared(container));
        } else if is_waiting(shown) {
            claims.wanted.extend(declared(container));
        }
    }
    claims
}

fn is_running(shown: &ContainerStatus) -> bool {
    shown.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn is_waiting(shown: &ContainerStatus) -> bool {
    let waiting = shown.state.as_ref().and_then(|state| state.waiting.as_ref());
    waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some(PORT_IN_USE))
}

/// Each `containerPort`, and each port at which a probe asks the pod.
pub fn declared(container: &Container) -> BTreeSet<Port> {
    let asked = ProbeKind::ALL.into_iter().filter_map(|kind| probe::port_asked(container, kind));
    let asked = asked.map(|number| Port { protocol: Protocol::Tcp, number });
    listed(container).chain(asked).collect()
}

/// Each `containerPort`.
fn listed(container: &Container) -> impl Iterator<Item = Port> {
    let ports = container.ports.iter().flatten();
    ports.filter_map(|port| port_of(port, port.container_port))
}

/// A pod that waits for a port, and the pod that has it, as in a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    pub port: u16,
    /// True if the waiting container lists the port. That a probe asks there does not show that the
    /// program will listen there: it may never be ready.
    pub is_listed: bool,
    pub pod: String,
    pub holder: String,
}

/// Reason of a [`Blocked`] where the old pod has to go for the new one to run.
pub const OLD_POD_GOES: &str = "OldPodGoes";

impl Blocked {
    /// Reason of the condition `PortInUse`.
    pub fn reason(&self) -> &'static str {
        if self.is_listed { OLD_POD_GOES } else { "OldPodStays" }
    }

    /// Message of the condition.
    pub fn message(&self) -> String {
        let then = match self.is_listed {
            true => "the old pod goes first",
            false => {
                "the old pod stays, since only a probe names the port (listed under ports, or \
                 with maxUnavailable or Recreate, the old pod goes first)"
            }
        };
        let Blocked { port, pod, holder, .. } = self;
        format!("pod {pod} waits for port {port}, which pod {holder} has: {then}")
    }
}

/// The port that a pod waits for, and that a pod has of which `is_older` holds. A `hostPort` that
/// another pod has, too, is no reason for the older one to go.
pub fn blocked(pod: &Pod, view: &View, is_older: impl Fn(&Pod) -> bool) -> Option<Blocked> {
    let own = key(pod);
    let is_older = |holder: &Key| match view.lookup.get(holder) {
        Some(Object::Pod(holder)) => is_older(&holder),
        _ => false,
    };
    if !is_bound(pod) {
        let holders = view.lookup.host_port_holders(pod);
        let (port, holder) =
            holders.first().filter(|_| holders.iter().all(|(_, h)| is_older(h)))?;
        let (pod, holder) = (own.name.to_string(), holder.name.to_string());
        return Some(Blocked { port: *port, is_listed: true, pod, holder });
    }
    let shown = pod.status.as_ref()?.container_statuses.as_deref()?;
    let waits = |container: &&Container| {
        shown.iter().any(|shown| shown.name == container.name && is_waiting(shown))
    };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers).filter(waits);
    let ports = containers
        .flat_map(|container| declared(container).into_iter().map(move |port| (container, port)));
    ports.into_iter().find_map(|(container, port)| {
        let mut holders = view.lookup.port_holders(port, &own).into_iter();
        let holder = holders.find(is_older)?;
        let (pod, holder) = (own.name.to_string(), holder.name.to_string());
        let is_listed = listed(container).any(|one| one == port);
        Some(Blocked { port: port.number, is_listed, pod, holder })
    })
}

fn host_ports(pod: &Pod) -> Vec<(Port, String)> {
    let containers = pod.spec.iter().flat_map(|spec| {
        let sidecars = omitempty::items(&spec.init_containers).iter();
        let sidecars = sidecars.filter(|one| one.restart_policy.as_deref() == Some("Always"));
        spec.containers.iter().chain(sidecars)
    });
    let ports = containers.flat_map(|container| omitempty::items(&container.ports));
    let of = |port: &ContainerPort| {
        let number = port.host_port.filter(|number| *number != 0)?;
        Some((port_of(port, number)?, port.host_ip.clone().unwrap_or_default()))
    };
    ports.filter_map(of).collect()
}

fn port_of(port: &ContainerPort, number: i32) -> Option<Port> {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    Some(Port { protocol, number: u16::try_from(number).ok()? })
}

/// Ports that the container declares and a running container of another pod too, for the runtime
/// to look at before it starts. `localhost`: look there too.
pub fn contested(pod: &Pod, container: &Container, localhost: bool, view: &View) -> Vec<Contested> {
    let own = key(pod);
    let contested = |port: Port| {
        let holders = view.lookup.port_holders(port, &own);
        let pods: Vec<String> =
            holders.iter().map(|key| format!("{}/{}", key.namespace, key.name)).collect();
        let address = address::of(pod, view.settings);
        (!pods.is_empty()).then_some(Contested { port, address, localhost, pods })
    };
    declared(container).into_iter().filter_map(contested).collect()
}

/// Why a container waits that wants a port which `pods`, `namespace/name` each, hold on every
/// address or, as far as one can guess, on localhost.
pub fn in_use(number: u16, pods: &[String], everywhere: bool) -> String {
    let (where_, pods) = match everywhere {
        true => ("on every address", pods.join(", ")),
        false => ("on 127.0.0.1, and the last run failed", pods.join(", ")),
    };
    format!(
        "port {number} is in use {where_}; declared by pod {pods} too, which runs. Pods share \
         this host's network: let each program listen on its pod's own address, $(POD_IP) from \
         fieldRef status.podIP, and both can run; else this one waits until the port is free"
    )
}
