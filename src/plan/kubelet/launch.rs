//! One attempt of one container, resolved: what the runtime needs to start it, or why it cannot be
//! started.

use super::expand::expand;
use super::{address, env, host_name, images, probe, security, volumes};
use crate::order::{Hook, Launch, ResourceLimits};
use crate::plan::View;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::quantity::Quantity;
use cronlet_api::settings::ImageProgram;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, LifecycleHandler, Pod, PodSecurityContext, PodSpec, ResourceRequirements,
    Secret, SecurityContext,
};
use std::sync::Arc;

/// Why a container cannot be started. Holds no value of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Problem {
    /// `state.waiting.reason`
    pub reason: &'static str,
    pub message: String,
    /// Reason of the event.
    pub event: &'static str,
}

impl Problem {
    /// The container asks for something that is not there or not allowed.
    pub fn config(message: String) -> Problem {
        Problem { reason: "CreateContainerConfigError", message, event: "Failed" }
    }

    /// A volume cannot be filled.
    pub fn mount(volume: &str, why: &str) -> Problem {
        let message = format!("MountVolume.SetUp failed for volume {volume:?} : {why}");
        Problem { reason: "ContainerCreating", message, event: "FailedMount" }
    }

    /// The event's message, as the kubelet words it.
    pub fn event_message(&self) -> String {
        match self.event {
            "Failed" => format!("Error: {}", self.message),
            _ => self.message.clone(),
        }
    }
}

/// Where values are read from.
pub struct Sources<'a> {
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub view: &'a View<'a>,
}

impl Sources<'_> {
    pub fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn object(&self, kind: Kind, name: &str) -> Option<Object> {
        self.view.lookup.get(&Key::new(kind, self.namespace(), name))
    }

    /// `None` where it is optional and not there.
    pub fn config_map(
        &self,
        name: &str,
        optional: bool,
    ) -> Result<Option<Arc<ConfigMap>>, Problem> {
        match self.object(Kind::ConfigMap, name) {
            Some(Object::ConfigMap(map)) => Ok(Some(map)),
            _ if optional => Ok(None),
            _ => Err(Problem::config(format!("configmap {name:?} not found"))),
        }
    }

    /// `None` where it is optional and not there.
    pub fn secret(&self, name: &str, optional: bool) -> Result<Option<Arc<Secret>>, Problem> {
        match self.object(Kind::Secret, name) {
            Some(Object::Secret(secret)) => Ok(Some(secret)),
            _ if optional => Ok(None),
            _ => Err(Problem::config(format!("secret {name:?} not found"))),
        }
    }
}

/// A launch, and what the user should hear about it: messages for
/// `InvalidEnvironmentVariableNames`.
pub struct Launched {
    pub launch: Launch,
    pub warnings: Vec<String>,
}

/// Resolves an attempt of a container of the pod.
pub fn launch(
    pod: &Pod,
    container: &Container,
    attempt: u32,
    view: &View,
) -> Result<Launched, Problem> {
    let spec = pod.spec.as_ref().expect("a pod that passed its check has a spec");
    let sources = Sources { pod, spec, view };
    let image = container.image.as_deref().unwrap_or_default();
    let program = images::program(view.settings, image);
    let resolved = env::resolve(container, &sources)?;
    let argv = argv(container, program.as_ref(), &resolved)?;
    let user = user(pod, spec, container, view)?;
    let mounts = volumes::mounts(container, &sources, &resolved)?;
    let names = host_name::of(pod, spec, view.settings)?;
    let home = home(user, view);
    let image_env = program.map(|program| program.env).unwrap_or_default();
    let basics = env::basics(&home, &names.variable, &image_env);
    let account_variables = env::of_account(&resolved, &image_env);
    let pod_security = spec.security_context.as_ref();
    let own_security = container.security_context.as_ref();
    let hooks = container.lifecycle.as_ref();
    let warnings = resolved.skipped.clone();
    let env = resolved.environment(basics);
    no_nul(&argv, &env, container)?;
    let launch = Launch {
        pod_uid: pod.metadata.uid.clone().unwrap_or_default(),
        namespace: sources.namespace().to_owned(),
        pod: pod.metadata.name.clone().unwrap_or_default(),
        container: container.name.clone(),
        attempt,
        called: called(container, &argv),
        argv,
        env,
        working_dir: container.working_dir.clone().filter(|dir| !dir.is_empty()),
        user,
        group: group(pod_security, own_security),
        groups: groups(pod_security),
        fs_group: fs_group(spec),
        mounts,
        limits: limits(container, spec)?,
        pod_limits: resource_limits(spec.resources.as_ref())?,
        confinement: security::confinement(spec, container)?,
        termination_message_path: container
            .termination_message_path
            .clone()
            .unwrap_or_else(|| "/dev/termination-log".into()),
        message_from_logs: container.termination_message_policy.as_deref()
            == Some("FallbackToLogsOnError"),
        post_start: hooks.and_then(|hooks| hook(hooks.post_start.as_ref(), container, &sources)),
        pre_stop: hooks.and_then(|hooks| hook(hooks.pre_stop.as_ref(), container, &sources)),
        stop_signal: hooks.and_then(|hooks| hooks.stop_signal.clone()),
        grace_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        read_only_root: own_security.and_then(|own| own.read_only_root_filesystem) == Some(true),
        host_name: names.host_name,
        hosts_line: names.hosts_line,
        account_variables,
        contested: Vec::new(),
    };
    Ok(Launched { launch, warnings })
}

/// Program and arguments: the container's `command` and `args` over the image's, as Docker's
/// ENTRYPOINT and CMD.
fn argv(
    container: &Container,
    program: Option<&ImageProgram>,
    resolved: &env::Resolved,
) -> Result<Vec<String>, Problem> {
    let expanded = |words: &Option<Vec<String>>| -> Vec<String> {
        words.iter().flatten().map(|word| expand(word, |name| resolved.get(name))).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let argv: Vec<String> = match (command.is_empty(), program) {
        (false, _) => command.into_iter().chain(args).collect(),
        (true, None) => return Err(unmapped(container.image.as_deref().unwrap_or_default())),
        (true, Some(program)) => {
            let args = if args.is_empty() { program.args.clone() } else { args };
            program.command.iter().cloned().chain(args).collect()
        }
    };
    if argv.is_empty() {
        return Err(Problem::config("no command specified".into()));
    }
    Ok(argv)
}

/// The program's name as the manifest has it, where that is not what is executed.
fn called(container: &Container, argv: &[String]) -> Option<String> {
    let written = container.command.iter().flatten().next();
    written.filter(|written| argv.first() != Some(*written)).cloned()
}

fn unmapped(image: &str) -> Problem {
    let name = image.rsplit('/').next().unwrap_or_default();
    let name = name.split([':', '@']).next().unwrap_or_default();
    let message = format!(
        "image {image:?} is not pulled: containers are host programs here; give the container a \
         command, or add a line to images: in the configuration, such as {name}: [{name}]"
    );
    Problem { reason: "ImageNotMapped", message, event: "Failed" }
}

/// What the kernel takes ends at a NUL byte, so none may hold one. Says where it is, not what.
fn no_nul(argv: &[String], env: &[(String, String)], container: &Container) -> Result<(), Problem> {
    let has_nul = |text: &String| text.contains('\0');
    let place = if argv.iter().any(has_nul) {
        "its command or arguments".to_owned()
    } else if let Some((name, _)) = env.iter().find(|(_, value)| has_nul(value)) {
        format!("the environment variable {name}")
    } else if container.working_dir.as_ref().is_some_and(has_nul) {
        "its workingDir".to_owned()
    } else {
        return Ok(());
    };
    let name = &container.name;
    Err(Problem::config(format!("container {name} cannot run with a NUL byte in {place}")))
}

/// An id as Linux takes it; what validation lets through fits.
fn id(id: Option<i64>) -> Option<u32> {
    id.and_then(|id| u32::try_from(id).ok())
}

/// `runAsUser`, held against `runAsNonRoot`.
fn user(
    pod: &Pod,
    spec: &PodSpec,
    container: &Container,
    view: &View,
) -> Result<Option<u32>, Problem> {
    let shared = spec.security_context.as_ref();
    let own = container.security_context.as_ref();
    let user = own
        .and_then(|own| own.run_as_user)
        .or_else(|| shared.and_then(|shared| shared.run_as_user));
    let non_root = own
        .and_then(|own| own.run_as_non_root)
        .or_else(|| shared.and_then(|shared| shared.run_as_non_root));
    let whose =
        || format!("(pod: {:?}, container: {})", super::status::full_name(pod), container.name);
    match (non_root, user) {
        (Some(true), Some(0)) => Err(Problem::config(format!(
            "container's runAsUser breaks non-root policy {}",
            whose()
        ))),
        (Some(true), None) if view.settings.host_user == 0 => Err(Problem::config(format!(
            "container has runAsNonRoot and image will run as root {}",
            whose()
        ))),
        _ => Ok(id(user)),
    }
}

fn group(shared: Option<&PodSecurityContext>, own: Option<&SecurityContext>) -> Option<u32> {
    let own = own.and_then(|own| own.run_as_group);
    id(own.or_else(|| shared.and_then(|shared| shared.run_as_group)))
}

/// `fsGroup`
pub fn fs_group(spec: &PodSpec) -> Option<u32> {
    spec.security_context.as_ref().and_then(|context| id(context.fs_group))
}

/// `supplementalGroups`, and `fsGroup`, which is one of them.
fn groups(shared: Option<&PodSecurityContext>) -> Vec<u32> {
    let Some(shared) = shared else { return Vec::new() };
    let listed = shared.supplemental_groups.iter().flatten().copied();
    let mut groups: Vec<u32> =
        listed.chain(shared.fs_group).filter_map(|group| id(Some(group))).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Returns the home of a user without an entry in `/etc/passwd`: the daemon's for its own user.
fn home(user: Option<u32>, view: &View) -> String {
    match user {
        Some(0) => "/root".into(),
        Some(user) if user != view.settings.host_user => "/".into(),
        _ => view.settings.host_home.clone(),
    }
}

/// Returns the limits of the container, or those of its pod where it has none, as in the kubelet.
fn limits(container: &Container, spec: &PodSpec) -> Result<ResourceLimits, Problem> {
    let own = resource_limits(container.resources.as_ref())?;
    let shared = resource_limits(spec.resources.as_ref())?;
    Ok(ResourceLimits {
        cpu_millis_max: own.cpu_millis_max.or(shared.cpu_millis_max),
        memory_bytes_max: own.memory_bytes_max.or(shared.memory_bytes_max),
        ..own
    })
}

fn resource_limits(resources: Option<&ResourceRequirements>) -> Result<ResourceLimits, Problem> {
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let requests = resources.and_then(|resources| resources.requests.as_ref());
    let amount = |map: Option<&std::collections::BTreeMap<_, _>>, name: &str| {
        let quantity: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity> =
            map.and_then(|map| map.get(name));
        let parsed = quantity.map(|quantity| quantity.0.parse::<Quantity>()).transpose();
        parsed.map_err(|why| Problem::config(format!("{name}: {why}")))
    };
    let count = |amount: i64| u64::try_from(amount).unwrap_or_default();
    Ok(ResourceLimits {
        cpu_millis_max: amount(limits, "cpu")?.map(|cpu| count(cpu.milli_value())),
        cpu_millis_request: amount(requests, "cpu")?.map(|cpu| count(cpu.milli_value())),
        memory_bytes_max: amount(limits, "memory")?.map(|memory| count(memory.value())),
    })
}

/// A hook, resolved.
fn hook(
    handler: Option<&LifecycleHandler>,
    container: &Container,
    sources: &Sources,
) -> Option<Hook> {
    let handler = handler?;
    if let Some(exec) = &handler.exec {
        return exec.command.clone().filter(|command| !command.is_empty()).map(Hook::Exec);
    }
    if let Some(get) = &handler.http_get {
        let host = || address::of(sources.pod, sources.view.settings);
        let get = probe::http_get(container, get, host);
        return Some(get.map_or_else(Hook::Unknown, Hook::HttpGet));
    }
    if handler.tcp_socket.is_some() {
        // As in Kubernetes, where the field is there for old manifests alone.
        return Some(Hook::Unknown("tcpSocket is no lifecycle hook".into()));
    }
    handler.sleep.as_ref().map(|sleep| Hook::Sleep { seconds: sleep.seconds })
}
