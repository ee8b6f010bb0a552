//! Whether an answer counts: pods share the host's ports, so the program that answers may be
//! another pod's. It counts if a process of the probe's own pod listens there.

use super::Answer;
use cronlet_host::listeners;
use cronlet_plan::kubelet::probe::Probe;
use cronlet_plan::order::{Address, Handler};
use rustix::process::Pid;
use std::net::{IpAddr, SocketAddr};

/// The listening sockets that are known to be the pod's: others are looked for in `/proc`.
#[derive(Default)]
pub(super) struct Owner {
    known: Vec<u32>,
}

impl Owner {
    /// The answer, or a failure in its place if no program of the pod gave it. What cannot be found
    /// out counts.
    pub(super) async fn judge(&mut self, probe: &Probe, answer: Answer) -> Answer {
        let is_good = matches!(answer, Answer::Passed | Answer::Warned(_));
        let Some((leader, at)) = asked_pod(probe).filter(|_| is_good) else { return answer };
        // A program that takes one connection and closes its socket leaves none to look at.
        let sockets = listeners::listening(at).unwrap_or_default();
        if sockets.is_empty() || sockets == self.known {
            return answer;
        }
        let looked_for = sockets.clone();
        let look = move || listeners::pod_holds(leader, &looked_for);
        match tokio::task::spawn_blocking(look).await {
            Ok(Some(false)) => Answer::Failed(foreign(at)),
            Ok(Some(true)) => {
                self.known = sockets;
                answer
            }
            Ok(None) | Err(_) => answer,
        }
    }
}

/// The leader of the container, and where its pod was asked.
fn asked_pod(probe: &Probe) -> Option<(Pid, SocketAddr)> {
    let Address { host, port } = match &probe.handler {
        Handler::HttpGet(get) => &get.address,
        Handler::TcpSocket(address) | Handler::Grpc { address, .. } => address,
        Handler::Exec(_) | Handler::Unknown(_) => return None,
    };
    let leader = Pid::from_raw(probe.answered_by?.try_into().ok()?)?;
    let ip: IpAddr = super::tcp::bare(host).parse().ok()?;
    Some((leader, SocketAddr::new(ip, *port)))
}

fn foreign(at: SocketAddr) -> String {
    format!(
        "the program that answers at {at} is not of this pod: pods share this host's ports, and \
         another program listens on port {} (a probe with a `host` asks any program)",
        at.port()
    )
}
