//! `metrics.k8s.io`: CPU and memory of pods and of the host, for `top`. What was used of the CPU is
//! known by two looks; nobody looks while nobody asks.

use super::backend::Backend;
use super::query::Query;
use super::read;
use super::response::{self, Answer};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::node::usage::HostUsage;
use cronlet_api::persistent_volume_claim::usage::ClaimUsage;
use cronlet_api::pod::usage::ContainerUsage;
use cronlet_api::refused::Refused;
use cronlet_api::time::{Clock, SystemClock};
use hyper::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const GROUP: &str = "metrics.k8s.io";
pub(crate) const VERSION: &str = "v1beta1";

/// Looks at the containers of pods, by the pods' uids; says of each whose it is and when that was.
pub(crate) type Look = dyn Fn(&[String]) -> Vec<(String, Instant, ContainerUsage)> + Send + Sync;

/// Looks at the host.
pub(crate) type HostLook = dyn Fn() -> Option<HostUsage> + Send + Sync;

/// Looks at the folder of a claim, by the name of its volume.
pub(crate) type ClaimLook = dyn Fn(&str) -> Option<ClaimUsage> + Send + Sync;

/// Stands for the host where else a pod's uid stands: no pod has it.
const HOST: &str = "";

/// Two looks are at least so far apart, and an earlier one counts for so long.
const APART_MIN: Duration = Duration::from_millis(250);
const APART_MAX: Duration = Duration::from_secs(60);

/// The looks of the last asking.
pub struct Usage {
    look: Arc<Look>,
    host: Arc<HostLook>,
    claims: Arc<ClaimLook>,
    before: Mutex<Looks>,
}

/// By pod, container and attempt: when, and the CPU nanoseconds until then.
type Looks = HashMap<(String, String, u32), (Instant, u64)>;

impl Usage {
    pub fn new(
        look: impl Fn(&[String]) -> Vec<(String, Instant, ContainerUsage)> + Send + Sync + 'static,
        host: impl Fn() -> Option<HostUsage> + Send + Sync + 'static,
    ) -> Usage {
        let claims = Arc::new(|_: &str| None);
        Usage { look: Arc::new(look), host: Arc::new(host), claims, before: Mutex::default() }
    }

    pub fn with_claims(
        self,
        look: impl Fn(&str) -> Option<ClaimUsage> + Send + Sync + 'static,
    ) -> Usage {
        Usage { claims: Arc::new(look), ..self }
    }

    /// A large folder takes a while: not on the thread that answers everyone.
    pub async fn of_claim(&self, volume: &str) -> Option<ClaimUsage> {
        let (look, volume) = (self.claims.clone(), volume.to_owned());
        tokio::task::spawn_blocking(move || look(&volume)).await.ok().flatten()
    }

    /// `/proc` may be slow: not on the thread that answers everyone.
    async fn look(&self, uids: &[String]) -> Vec<(String, Instant, ContainerUsage)> {
        let (look, host, uids) = (self.look.clone(), self.host.clone(), uids.to_vec());
        let look = move || match uids.as_slice() {
            [uid] if uid == HOST => host().map(of_host).into_iter().collect(),
            uids => look(uids),
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Each container's usage, its CPU as nanoseconds a second, and over which time.
    async fn rates(&self, uids: &[String]) -> HashMap<String, Vec<Rate>> {
        let mut seen = self.look(uids).await;
        let is_known = {
            let before = self.before.lock().expect("no panic while it was held");
            seen.iter().all(|(uid, at, one)| {
                let earlier = before.get(&(uid.clone(), one.container.clone(), one.attempt));
                earlier.is_some_and(|(then, _)| (APART_MIN..APART_MAX).contains(&(*at - *then)))
            })
        };
        if !is_known {
            self.remember(&seen);
            tokio::time::sleep(APART_MIN).await;
            seen = self.look(uids).await;
        }
        let before = self.remember(&seen);
        let mut rates: HashMap<String, Vec<Rate>> = HashMap::new();
        for (uid, at, usage) in seen {
            let earlier = before.get(&(uid.clone(), usage.container.clone(), usage.attempt));
            let (window, used) = earlier.map_or((Duration::ZERO, 0), |(then, used)| {
                (at - *then, usage.cpu_nanoseconds.saturating_sub(*used))
            });
            let seconds = window.as_secs_f64();
            let cpu = if seconds > 0.0 { used as f64 / seconds } else { 0.0 };
            let rate = Rate {
                container: usage.container,
                cpu_nanoseconds_a_second: cpu as u64,
                memory_bytes: usage.memory_bytes,
                window,
            };
            rates.entry(uid).or_default().push(rate);
        }
        rates
    }

    /// Keeps these looks instead of those before, which it returns.
    fn remember(&self, seen: &[(String, Instant, ContainerUsage)]) -> Looks {
        let looks = seen.iter().map(|(uid, at, one)| {
            ((uid.clone(), one.container.clone(), one.attempt), (*at, one.cpu_nanoseconds))
        });
        let mut before = self.before.lock().expect("no panic while it was held");
        std::mem::replace(&mut before, looks.collect())
    }
}

fn of_host(usage: HostUsage) -> (String, Instant, ContainerUsage) {
    let HostUsage { cpu_nanoseconds, memory_bytes } = usage;
    let container = String::new();
    let usage = ContainerUsage { container, attempt: 0, cpu_nanoseconds, memory_bytes };
    (HOST.to_owned(), Instant::now(), usage)
}

struct Rate {
    container: String,
    cpu_nanoseconds_a_second: u64,
    memory_bytes: u64,
    window: Duration,
}

impl Rate {
    fn usage(&self) -> Value {
        let cpu = format!("{}n", self.cpu_nanoseconds_a_second);
        json!({ "cpu": cpu, "memory": format!("{}Ki", self.memory_bytes / 1024) })
    }
}

pub(crate) async fn list(
    backend: &Backend,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Answer, Refused> {
    let selector = read::selector(Kind::Pod, query)?;
    let (mut pods, version) = backend.reader.list(Kind::Pod, namespace);
    pods.retain(|pod| selector.matches(pod));
    let items = shown(backend, &pods).await;
    let list = json!({
        "kind": "PodMetricsList", "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": { "resourceVersion": version.to_string() }, "items": items,
    });
    Ok(response::value(StatusCode::OK, &list))
}

pub(crate) async fn one(backend: &Backend, key: &Key) -> Result<Answer, Refused> {
    let object = backend.reader.get(key).ok_or_else(|| Refused::NotFound(key.clone()))?;
    let items = match key.kind {
        Kind::Node => shown_nodes(backend, &[object]).await,
        _ => shown(backend, &[object]).await,
    };
    let item = items.first().ok_or_else(|| Refused::NotFound(key.clone()))?;
    Ok(response::value(StatusCode::OK, item))
}

pub(crate) async fn nodes(backend: &Backend, query: &Query) -> Result<Answer, Refused> {
    let selector = read::selector(Kind::Node, query)?;
    let (mut nodes, version) = backend.reader.list(Kind::Node, None);
    nodes.retain(|node| selector.matches(node));
    let list = json!({
        "kind": "NodeMetricsList", "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": { "resourceVersion": version.to_string() },
        "items": shown_nodes(backend, &nodes).await,
    });
    Ok(response::value(StatusCode::OK, &list))
}

/// The node that is this host; of another that someone made nothing is known.
async fn shown_nodes(backend: &Backend, nodes: &[Object]) -> Vec<Value> {
    let is_host = |node: &&Object| match node {
        Object::Node(node) => node.status.as_ref().is_some_and(|it| it.node_info.is_some()),
        _ => false,
    };
    let Some(node) = nodes.iter().find(is_host) else { return Vec::new() };
    let mut rates = backend.usage.rates(&[HOST.to_owned()]).await;
    let Some(rate) = rates.remove(HOST).and_then(|rates| rates.into_iter().next()) else {
        return Vec::new();
    };
    let now = now_text();
    vec![json!({
        "kind": "NodeMetrics", "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {
            "name": node.name(), "labels": node.meta().labels, "creationTimestamp": now,
        },
        "timestamp": now, "window": format!("{:.3}s", rate.window.as_secs_f64()),
        "usage": rate.usage(),
    })]
}

fn now_text() -> String {
    SystemClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The pods of which something runs.
async fn shown(backend: &Backend, pods: &[Object]) -> Vec<Value> {
    let uids: Vec<String> = pods.iter().map(|pod| pod.uid().to_owned()).collect();
    let mut rates = backend.usage.rates(&uids).await;
    let now = now_text();
    let with_rates = pods.iter().filter_map(|pod| Some((pod, rates.remove(pod.uid())?)));
    with_rates.map(|(pod, rates)| metrics_of(pod, &rates, &now)).collect()
}

fn metrics_of(pod: &Object, rates: &[Rate], now: &str) -> Value {
    let window = rates.iter().map(|rate| rate.window).max().unwrap_or_default();
    let containers: Vec<Value> =
        rates.iter().map(|rate| json!({ "name": rate.container, "usage": rate.usage() })).collect();
    json!({
        "kind": "PodMetrics", "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {
            "name": pod.name(), "namespace": pod.namespace(), "labels": pod.meta().labels,
            "creationTimestamp": now,
        },
        "timestamp": now, "window": format!("{:.3}s", window.as_secs_f64()),
        "containers": containers,
    })
}

/// `/apis/metrics.k8s.io`, and its line in `/apis`.
pub(crate) fn group() -> meta::APIGroup {
    let version = meta::GroupVersionForDiscovery {
        group_version: format!("{GROUP}/{VERSION}"),
        version: VERSION.to_owned(),
    };
    meta::APIGroup {
        name: GROUP.to_owned(),
        preferred_version: Some(version.clone()),
        server_address_by_client_cidrs: None,
        versions: vec![version],
    }
}

/// `/apis/metrics.k8s.io/v1beta1`
pub(crate) fn resources() -> Answer {
    let pods = meta::APIResource {
        kind: "PodMetrics".to_owned(),
        name: "pods".to_owned(),
        namespaced: true,
        verbs: vec!["get".to_owned(), "list".to_owned()],
        ..Default::default()
    };
    let nodes = meta::APIResource {
        kind: "NodeMetrics".to_owned(),
        name: "nodes".to_owned(),
        namespaced: false,
        ..pods.clone()
    };
    let group_version = format!("{GROUP}/{VERSION}");
    let list = meta::APIResourceList { group_version, resources: vec![nodes, pods] };
    response::value(StatusCode::OK, &list)
}
