//! Containers in words, with their state where they have one.

use super::page::{Page, capital, int_or_string, time};
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStatus, EnvVar, EnvVarSource, Probe, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// `in_template`: one level deeper, but by one blank alone, as kubectl has it.
pub(super) fn describe_all(
    page: &mut Page,
    label: &str,
    containers: &[Container],
    statuses: Option<&[ContainerStatus]>,
    in_template: bool,
) {
    let none = if containers.is_empty() { " <none>" } else { "" };
    page.line(usize::from(in_template), format_args!("{label}:{none}"));
    for container in containers {
        let blank = if in_template { " " } else { "" };
        page.line(1, format_args!("{blank}{}:", container.name));
        let mut all = statuses.unwrap_or_default().iter();
        describe(page, container, all.find(|status| status.name == container.name));
    }
}

fn describe(page: &mut Page, container: &Container, status: Option<&ContainerStatus>) {
    if let Some(status) = status {
        page.field(2, "Container ID", status.container_id.as_deref().unwrap_or_default());
    }
    page.field(2, "Image", container.image.as_deref().unwrap_or_default());
    page.field_if(2, "Image ID", status.map(|status| &status.image_id));
    describe_ports(page, container);
    describe_words(page, "Command", container.command.as_deref());
    describe_words(page, "Args", container.args.as_deref());
    if let Some(status) = status {
        describe_state(page, "State", status.state.as_ref());
        let last = status.last_state.as_ref().filter(|state| state.terminated.is_some());
        if last.is_some() {
            describe_state(page, "Last State", last);
        }
        page.field(2, "Ready", capital(status.ready));
        page.field(2, "Restart Count", status.restart_count);
    }
    if let Some(resources) = &container.resources {
        describe_quantities(page, "Limits", resources.limits.as_ref());
        describe_quantities(page, "Requests", resources.requests.as_ref());
    }
    page.field_if(2, "Liveness", container.liveness_probe.as_ref().map(probe_text));
    page.field_if(2, "Readiness", container.readiness_probe.as_ref().map(probe_text));
    page.field_if(2, "Startup", container.startup_probe.as_ref().map(probe_text));
    describe_env_from(page, container);
    describe_env(page, container.env.as_deref().unwrap_or_default());
    describe_mounts(page, container.volume_mounts.as_deref().unwrap_or_default());
}

fn describe_ports(page: &mut Page, container: &Container) {
    let ports = container.ports.as_deref().unwrap_or_default();
    let protocol = |protocol: &Option<String>| protocol.clone().unwrap_or_else(|| "TCP".into());
    let own: Vec<String> = ports
        .iter()
        .map(|port| {
            let name = port.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{}/{}{name}", port.container_port, protocol(&port.protocol))
        })
        .collect();
    let host: Vec<String> = ports
        .iter()
        .map(|port| {
            let name = port.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{}/{}{name}", port.host_port.unwrap_or(0), protocol(&port.protocol))
        })
        .collect();
    for (name, ports) in [("Port", own), ("Host Port", host)] {
        match ports.as_slice() {
            [] => page.field(2, name, "<none>"),
            [port] => page.field(2, name, port),
            several => page.field(2, &format!("{name}s"), several.join(", ")),
        }
    }
}

fn describe_words(page: &mut Page, label: &str, words: Option<&[String]>) {
    let words = words.unwrap_or_default();
    if !words.is_empty() {
        page.line(2, format_args!("{label}:"));
    }
    for line in words.iter().flat_map(|word| word.split('\n')) {
        page.line(3, line);
    }
}

fn describe_state(page: &mut Page, label: &str, state: Option<&ContainerState>) {
    let state = state.cloned().unwrap_or_default();
    if let Some(running) = state.running {
        page.field(2, label, "Running");
        page.field_if(3, "Started", running.started_at.as_ref().map(time));
    } else if let Some(ended) = state.terminated {
        page.field(2, label, "Terminated");
        page.field_if(3, "Reason", ended.reason.filter(|reason| !reason.is_empty()));
        page.field_if(3, "Message", ended.message.filter(|message| !message.is_empty()));
        page.field(3, "Exit Code", ended.exit_code);
        page.field_if(3, "Signal", ended.signal.filter(|signal| *signal > 0));
        page.field_if(3, "Started", ended.started_at.as_ref().map(time));
        page.field_if(3, "Finished", ended.finished_at.as_ref().map(time));
    } else {
        let waiting = state.waiting.unwrap_or_default();
        page.field(2, label, "Waiting");
        page.field_if(3, "Reason", waiting.reason.filter(|reason| !reason.is_empty()));
        // kubectl leaves the message to the events; here it says how to go on.
        page.field_if(3, "Message", waiting.message.filter(|message| !message.is_empty()));
    }
}

fn describe_quantities(
    page: &mut Page,
    label: &str,
    quantities: Option<&BTreeMap<String, Quantity>>,
) {
    if quantities.is_some_and(|quantities| !quantities.is_empty()) {
        page.line(2, format_args!("{label}:"));
    }
    for (name, quantity) in quantities.into_iter().flatten() {
        page.field(3, name, &quantity.0);
    }
}

fn probe_text(probe: &Probe) -> String {
    let times = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds.unwrap_or(0),
        probe.timeout_seconds.unwrap_or(0),
        probe.period_seconds.unwrap_or(0),
        probe.success_threshold.unwrap_or(0),
        probe.failure_threshold.unwrap_or(0),
    );
    let port = |port: &IntOrString| int_or_string(Some(port));
    let what = if let Some(exec) = &probe.exec {
        format!("exec [{}]", exec.command.clone().unwrap_or_default().join(" "))
    } else if let Some(http) = &probe.http_get {
        let scheme = http.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let host = http.host.as_deref().unwrap_or_default();
        let path = http.path.as_deref().unwrap_or_default();
        format!("http-get {scheme}://{host}:{}{path}", port(&http.port))
    } else if let Some(tcp) = &probe.tcp_socket {
        let host = tcp.host.as_deref().unwrap_or_default();
        format!("tcp-socket {host}:{}", port(&tcp.port))
    } else if let Some(grpc) = &probe.grpc {
        let service = grpc.service.as_deref().unwrap_or_default();
        format!("grpc <pod>:{} {service}", grpc.port)
    } else {
        "unknown".to_owned()
    };
    format!("{what} {times}")
}

fn describe_env_from(page: &mut Page, container: &Container) {
    let sources = container.env_from.as_deref().unwrap_or_default();
    if !sources.is_empty() {
        page.line(2, "Environment Variables from:");
    }
    for source in sources {
        let (name, from, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(map), _) => (&map.name, "ConfigMap", map.optional),
            (None, Some(secret)) => (&secret.name, "Secret", secret.optional),
            (None, None) => continue,
        };
        let prefix = match source.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            Some(prefix) => format!(" with prefix '{prefix}'"),
            None => String::new(),
        };
        let optional = optional.unwrap_or(false);
        page.line(3, format_args!("{name}\t{from}{prefix}\tOptional: {optional}"));
    }
}

fn describe_env(page: &mut Page, env: &[EnvVar]) {
    let none = if env.is_empty() { "\t<none>" } else { "" };
    page.line(2, format_args!("Environment:{none}"));
    for variable in env {
        match &variable.value_from {
            Some(source) => page.field(3, &variable.name, source_text(source)),
            None => {
                let value = variable.value.as_deref().unwrap_or_default();
                let mut lines = value.split('\n');
                page.field(3, &variable.name, lines.next().unwrap_or_default());
                lines.for_each(|line| page.line(3, format_args!("\t{line}")));
            }
        }
    }
}

fn source_text(source: &EnvVarSource) -> String {
    if let Some(field) = &source.field_ref {
        let version = field.api_version.as_deref().unwrap_or("v1");
        format!(" ({version}:{})", field.field_path)
    } else if let Some(resource) = &source.resource_field_ref {
        format!(" ({})", resource.resource)
    } else if let Some(key) = &source.secret_key_ref {
        let optional = key.optional.unwrap_or(false);
        format!("<set to the key '{}' in secret '{}'>\tOptional: {optional}", key.key, key.name)
    } else if let Some(key) = &source.config_map_key_ref {
        let optional = key.optional.unwrap_or(false);
        format!("<set to the key '{}' of config map '{}'>\tOptional: {optional}", key.key, key.name)
    } else {
        String::new()
    }
}

fn describe_mounts(page: &mut Page, mounts: &[VolumeMount]) {
    let none = if mounts.is_empty() { "\t<none>" } else { "" };
    page.line(2, format_args!("Mounts:{none}"));
    let mut sorted: Vec<&VolumeMount> = mounts.iter().collect();
    sorted.sort_by_key(|mount| &mount.mount_path);
    for mount in sorted {
        let access = if mount.read_only == Some(true) { "ro" } else { "rw" };
        let sub_path = match mount.sub_path.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => format!(",path={path:?}"),
            None => String::new(),
        };
        page.line(3, format_args!("{} from {} ({access}{sub_path})", mount.mount_path, mount.name));
    }
}
