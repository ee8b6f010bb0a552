//! The rules of the handlers of probes and lifecycle hooks: a program, a network request, or a
//! sleep.

use super::one_of::OneOf;
use super::{Scope, required, supported};
use crate::check::{Causes, Path};
use crate::names;
use crate::omitempty::{items, text};
use k8s_openapi::api::core::v1::{HTTPGetAction, LifecycleHandler, Probe, SleepAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const SCHEMES: [&str; 2] = ["HTTP", "HTTPS"];
const HANDLER_TYPE: &str = "handler type";

/// Checks the handler of a probe.
pub(super) fn check_probe(probe: &Probe, at: &Path<'_>, causes: &mut Causes) {
    let mut one = OneOf::new(HANDLER_TYPE);
    if let Some(exec) = one.first(&probe.exec, at, "exec", causes) {
        check_command(items(&exec.command), &at.child("exec"), causes);
    }
    if let Some(request) = one.first(&probe.http_get, at, "httpGet", causes) {
        check_http_get(request, &at.child("httpGet"), causes);
    }
    if let Some(socket) = one.first(&probe.tcp_socket, at, "tcpSocket", causes) {
        check_port(&socket.port, &at.child("tcpSocket").child("port"), causes);
    }
    if let Some(call) = one.first(&probe.grpc, at, "grpc", causes) {
        check_port(&IntOrString::Int(call.port), &at.child("grpc").child("port"), causes);
    }
    one.finish(at, causes);
}

/// Checks the handler of a lifecycle hook.
pub(super) fn check_hook(
    hook: &LifecycleHandler,
    scope: &Scope<'_>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let mut one = OneOf::new(HANDLER_TYPE);
    if let Some(exec) = one.first(&hook.exec, at, "exec", causes) {
        check_command(items(&exec.command), &at.child("exec"), causes);
    }
    if let Some(request) = one.first(&hook.http_get, at, "httpGet", causes) {
        check_http_get(request, &at.child("httpGet"), causes);
    }
    if let Some(socket) = one.first(&hook.tcp_socket, at, "tcpSocket", causes) {
        check_port(&socket.port, &at.child("tcpSocket").child("port"), causes);
    }
    if let Some(sleep) = one.first(&hook.sleep, at, "sleep", causes) {
        check_sleep(sleep, scope, &at.child("sleep"), causes);
    }
    one.finish(at, causes);
}

fn check_command(command: &[String], at: &Path<'_>, causes: &mut Causes) {
    if command.is_empty() {
        causes.required(&at.child("command"), "");
    }
}

fn check_http_get(request: &HTTPGetAction, at: &Path<'_>, causes: &mut Causes) {
    required(text(&request.path), &at.child("path"), causes);
    check_port(&request.port, &at.child("port"), causes);
    supported(text(&request.scheme), &SCHEMES, &at.child("scheme"), causes);
    for header in items(&request.http_headers) {
        let faults = names::http_header(&header.name);
        causes.invalid_each(&at.child("httpHeaders"), &header.name, faults);
    }
}

fn check_port(port: &IntOrString, at: &Path<'_>, causes: &mut Causes) {
    match port {
        IntOrString::Int(number) => {
            causes.invalid_each(at, number, names::port_number((*number).into()));
        }
        IntOrString::String(name) => causes.invalid_each(at, name, names::port_name(name)),
    }
}

/// Checks that a sleep fits in the time that the pod has to end.
fn check_sleep(sleep: &SleepAction, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    let Some(grace_seconds) = scope.spec.termination_grace_period_seconds else { return };
    if sleep.seconds < 0 || sleep.seconds > grace_seconds {
        let why = format!(
            "must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
        );
        causes.invalid(at, sleep.seconds, why);
    }
}
