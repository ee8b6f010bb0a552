//! How containers are asked whether they are well: the door to probes.
//!
//! ```text
//!   engine --Order::Probe--> Prober (a thread) --connections--> containers
//!          <-ContainerEvent::Probed--       '---exec---> runtime
//! ```
//! What to ask and what the answers mean is the pod's plan's; here is how to ask, how often, and
//! when answers add up to a verdict.

mod thread;

pub mod http;

pub mod tcp;

pub mod grpc;

pub mod exec;

mod owner;

mod tls;

pub use crate::probes::thread::ProbeThread;

use crate::probes::exec::{Exec, Run};
use cronlet_plan::kubelet::probe::Probe;
use cronlet_plan::order::Handler;
use std::time::Duration;

/// What came of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Passed,
    /// It passed, but the user should hear of something.
    Warned(String),
    Failed(String),
    /// It could not be asked: this counts neither way.
    Errored(String),
}

/// Asks once.
pub async fn ask(pod_uid: &str, probe: &Probe, exec: &dyn Exec) -> Answer {
    let timeout = Duration::from_secs(probe.timeout_seconds.into());
    match &probe.handler {
        Handler::HttpGet(get) => http::probe(get, timeout).await,
        Handler::TcpSocket(address) => tcp::probe(address, timeout).await,
        Handler::Grpc { address, service } => grpc::probe(address, service, timeout).await,
        Handler::Exec(command) => {
            let (run, ended) = Run::new(pod_uid, probe, command, timeout);
            exec.run(run);
            exec::answer(ended, command, timeout).await
        }
        Handler::Unknown(why) => Answer::Errored(why.clone()),
    }
}
