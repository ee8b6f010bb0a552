//! `exec`: a program in the container, which its runtime runs.

use super::Answer;
use cronlet_plan::kubelet::probe::Probe;
use std::time::Duration;
use tokio::sync::oneshot;

/// The runtime's side.
pub trait Exec: Send + Sync {
    /// Runs it without waiting for it. A run that cannot be told of is dropped with its reply.
    fn run(&self, run: Run);
}

/// A program to run in a container.
#[derive(Debug)]
pub struct Run {
    pub pod_uid: String,
    pub container: String,
    pub attempt: u32,
    pub command: Vec<String>,
    /// It is killed after so long.
    pub timeout: Duration,
    pub reply: oneshot::Sender<Ran>,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ran {
    /// 128 and the signal where a signal ended it; what it printed, stdout and stderr together.
    Ended {
        code: i32,
        output: String,
    },
    TimedOut,
    /// It did not run at all.
    Refused(String),
}

/// Beyond its own timeout, a run that nobody tells of is given up after so long.
const PATIENCE: Duration = Duration::from_secs(10);

impl Run {
    pub fn new(
        pod_uid: &str,
        probe: &Probe,
        command: &[String],
        timeout: Duration,
    ) -> (Run, oneshot::Receiver<Ran>) {
        let (reply, ended) = oneshot::channel();
        let run = Run {
            pod_uid: pod_uid.to_owned(),
            container: probe.container.clone(),
            attempt: probe.attempt,
            command: command.to_vec(),
            timeout,
            reply,
        };
        (run, ended)
    }
}

/// What its end means.
pub async fn answer(
    ended: oneshot::Receiver<Ran>,
    command: &[String],
    timeout: Duration,
) -> Answer {
    match tokio::time::timeout(timeout + PATIENCE, ended).await {
        Ok(Ok(Ran::Ended { code: 0, .. })) => Answer::Passed,
        Ok(Ok(Ran::Ended { output, .. })) => Answer::Failed(output),
        Ok(Ok(Ran::TimedOut)) => {
            let command = command.join(" ");
            Answer::Failed(format!("command {command:?} timed out after {timeout:?}"))
        }
        Ok(Ok(Ran::Refused(why))) => Answer::Errored(format!("failed to exec in container: {why}")),
        Ok(Err(_)) => Answer::Errored("failed to exec in container: container not running".into()),
        Err(_) => Answer::Errored("failed to exec in container: its shim does not answer".into()),
    }
}
