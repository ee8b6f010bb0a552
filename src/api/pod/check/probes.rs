//! The rules of probes and lifecycle hooks.

use super::{Scope, handlers, supported};
use crate::check::{Causes, Path};
use k8s_openapi::api::core::v1::{Container, Lifecycle, Probe};

const SIGNALS_ON_WINDOWS: [&str; 2] = ["SIGKILL", "SIGTERM"];
const SIGNALS_ON_LINUX: &str = "SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL \
    SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP \
    SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH \
    SIGXCPU SIGXFSZ SIGRTMIN SIGRTMAX";

/// For containers that keep running: regular ones and sidecars.
pub(super) fn check(container: &Container, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    if let Some(lifecycle) = &container.lifecycle {
        check_lifecycle(lifecycle, scope, &at.child("lifecycle"), causes);
    }
    if let Some(probe) = &container.liveness_probe {
        check_probe_that_kills(probe, &at.child("livenessProbe"), causes);
    }
    if let Some(probe) = &container.readiness_probe {
        let at = at.child("readinessProbe");
        check_probe(probe, &at, causes);
        if let Some(seconds) = probe.termination_grace_period_seconds {
            let at = at.child("terminationGracePeriodSeconds");
            causes.invalid(&at, seconds, "must not be set for readinessProbes");
        }
    }
    if let Some(probe) = &container.startup_probe {
        check_probe_that_kills(probe, &at.child("startupProbe"), causes);
    }
}

/// For init containers that end.
pub(super) fn forbid(container: &Container, at: &Path<'_>, causes: &mut Causes) {
    let fields = [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ];
    for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
        let why = "may not be set for init containers without restartPolicy=Always";
        causes.forbidden(&at.child(field), why);
    }
}

/// Liveness and startup probes: one success is enough.
fn check_probe_that_kills(probe: &Probe, at: &Path<'_>, causes: &mut Causes) {
    check_probe(probe, at, causes);
    let threshold = probe.success_threshold.unwrap_or_default();
    if threshold != 1 {
        causes.invalid(&at.child("successThreshold"), threshold, "must be 1");
    }
}

fn check_probe(probe: &Probe, at: &Path<'_>, causes: &mut Causes) {
    handlers::check_probe(probe, at, causes);
    let numbers = [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ];
    for (field, number) in numbers.map(|(field, number)| (field, number.unwrap_or_default())) {
        if number < 0 {
            causes.invalid(&at.child(field), number, "must be greater than or equal to 0");
        }
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|seconds| *seconds <= 0) {
        let at = at.child("terminationGracePeriodSeconds");
        causes.invalid(&at, seconds, "must be greater than 0");
    }
}

fn check_lifecycle(lifecycle: &Lifecycle, scope: &Scope<'_>, at: &Path<'_>, causes: &mut Causes) {
    for (field, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
        if let Some(hook) = hook {
            handlers::check_hook(hook, scope, &at.child(field), causes);
        }
    }
    if let Some(signal) = &lifecycle.stop_signal {
        let os = scope.spec.os.as_ref().map(|os| os.name.as_str());
        check_signal(signal, os, &at.child("stopSignal"), causes);
    }
}

fn check_signal(signal: &str, os: Option<&str>, at: &Path<'_>, causes: &mut Causes) {
    match os {
        None => causes.forbidden(at, "may not be set for containers with empty `spec.os.name`"),
        Some("windows") => supported(signal, &SIGNALS_ON_WINDOWS, at, causes),
        Some("linux") if !is_real_time_signal(signal) => {
            let signals: Vec<&str> = SIGNALS_ON_LINUX.split_whitespace().collect();
            supported(signal, &signals, at, causes);
        }
        Some(_) => {}
    }
}

/// `SIGRTMIN+1` to `SIGRTMIN+15`, and `SIGRTMAX-14` to `SIGRTMAX-1`.
fn is_real_time_signal(signal: &str) -> bool {
    let is_within = |start: &str, max: u32| {
        let offset = signal.strip_prefix(start).filter(|offset| !offset.starts_with(['0', '+']));
        let offset = offset.and_then(|offset| offset.parse::<u32>().ok());
        offset.is_some_and(|offset| (1..=max).contains(&offset))
    };
    is_within("SIGRTMIN+", 15) || is_within("SIGRTMAX-", 14)
}
