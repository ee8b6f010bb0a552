//! The rules of a container's ports.

use super::required_and_supported;
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{Container, ContainerPort};
use std::collections::BTreeSet;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn check(ports: &[ContainerPort], at: &Path<'_>, causes: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let at = at.index(i);
        let name = text(&port.name);
        let faults = names::port_name(name);
        if !name.is_empty() && !faults.is_empty() {
            causes.invalid_each(&at.child("name"), name, faults);
        } else if !name.is_empty() && !seen.insert(name) {
            causes.duplicate(&at.child("name"), name);
        }
        match port.container_port {
            0 => causes.required(&at.child("containerPort"), ""),
            number => check_number(number, &at.child("containerPort"), causes),
        }
        if let Some(number) = port.host_port.filter(|number| *number != 0) {
            check_number(number, &at.child("hostPort"), causes);
        }
        required_and_supported(text(&port.protocol), &PROTOCOLS, &at.child("protocol"), causes);
    }
}

/// No two containers that run together may want the same port of the host.
pub(super) fn check_conflicts<'a>(
    containers: impl Iterator<Item = (usize, &'a Container)>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let mut seen = BTreeSet::new();
    for (i, container) in containers {
        let at = at.index(i);
        for (j, port) in items(&container.ports).iter().enumerate() {
            let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
            let key = format!("{}/{}/{number}", text(&port.protocol), text(&port.host_ip));
            if seen.contains(&key) {
                causes.duplicate(&at.child("ports").index(j).child("hostPort"), &key);
            }
            seen.insert(key);
        }
    }
}

fn check_number(number: i32, at: &Path<'_>, causes: &mut Causes) {
    causes.invalid_each(at, number, names::port_number(number.into()));
}
