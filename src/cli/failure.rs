//! Why a command failed: one line for people, one exit code for scripts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use std::io;
use std::path::{Path, PathBuf};

/// Each has its exit code; `cronlet help` lists them.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("Error from server ({}): {}", .0.reason.as_deref().unwrap_or("Unknown"), message(.0))]
    Refused(Box<Status>),
    #[error("error: {0}")]
    Usage(String),
    #[error(
        "error: no cronlet daemon answers on {}: {source}; start one with \
         `cronlet run DIR`, or name its socket with --socket{}",
        .socket.display(),
        hint(.socket)
    )]
    Unreachable { socket: PathBuf, source: io::Error },
    /// The daemon cannot start until someone has mended its state.
    #[error("error: {0:#}")]
    State(anyhow::Error),
    /// A sentence that was printed already, or an exit code that is itself the answer.
    #[error("")]
    Quiet(u8),
    #[error("error: {0:#}")]
    Other(anyhow::Error),
}

fn message(status: &Status) -> &str {
    status.message.as_deref().unwrap_or("no message")
}

/// Where a service says why it does not run.
fn hint(socket: &Path) -> &'static str {
    match socket.starts_with("/run/cronlet") {
        true => ". `systemctl status cronlet` says why the service does not run",
        false => "",
    }
}

/// What scripts may rely on; the last lines of `cronlet help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or refused by the daemon
  2  the command line is wrong
  3  no daemon answers on the socket
  4  the state file is damaged, of a newer version or not to be opened: someone has to mend it";

impl Failure {
    pub fn usage(why: impl Into<String>) -> Failure {
        Failure::Usage(why.into())
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Other(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable { .. } => 3,
            Failure::State(_) => 4,
            Failure::Quiet(code) => *code,
        }
    }

    /// HTTP code of a refusal.
    pub fn refused_with(&self, code: i32) -> bool {
        matches!(self, Failure::Refused(status) if status.code == Some(code))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        anyhow::Error::from(error).into()
    }
}

impl From<anyhow::Error> for Failure {
    /// A failure that travelled as another error is itself again, and a reader that went away
    /// (`cronlet get pods | head -1`) is none.
    fn from(error: anyhow::Error) -> Failure {
        let pipe = |cause: &(dyn std::error::Error + 'static)| {
            let cause = cause.downcast_ref::<io::Error>();
            cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(pipe) {
            return Failure::Quiet(0);
        }
        error.downcast::<Failure>().unwrap_or_else(Failure::Other)
    }
}
