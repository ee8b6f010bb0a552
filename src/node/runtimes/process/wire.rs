//! What daemon, zygote and shim say to each other: JSON after a length (four bytes, little-endian).
//!
//! A shim lives longer than the daemon that had it made, so either side may be newer: fields may be
//! added, a message that is not understood is passed over, and nothing is ever renamed.

use super::journal::Segment;
use super::records::Record;
use crate::probes::exec::Ran;
use cronlet_api::time::Timestamp;
use cronlet_host::cgroups::Layout;
use cronlet_plan::order::{Launch, VolumeFiles};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// For the zygote, with the shim's end of a socket pair.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewShim {
    /// Known to the daemon alone.
    pub token: u64,
    pub state: PathBuf,
}

/// The zygote could not make it: `errno` says why.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NoShim {
    pub token: u64,
    pub errno: i32,
}

/// The pod that a shim shall have.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NewPod {
    pub uid: String,
    pub segment: Segment,
    /// The journal has nothing of it.
    pub fresh: bool,
    pub cgroups: Layout,
}

#[derive(Serialize, Deserialize)]
pub(super) enum ToShim {
    /// Only for a shim that is free. All that follows is about this pod.
    Take(Box<NewPod>),
    /// Goes on with its records in another segment.
    Move(Segment),
    /// The starts that follow are made ready, and begin then.
    NotBefore(Timestamp),
    Start(Box<Launch>),
    Stop {
        container: String,
        attempt: u32,
        grace_seconds: i64,
    },
    /// Brings the files of a volume up to date; answered by `NotRefreshed` where that fails.
    Refresh {
        fs_group: Option<u32>,
        volume: VolumeFiles,
    },
    Clean,
    /// Run a program in the container; answered by `Executed` of the same `id`.
    Exec {
        id: u64,
        container: String,
        attempt: u32,
        command: Vec<String>,
        timeout_milliseconds: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromShim {
    /// Written to the records file already. After a connection is taken all of the latest attempts
    /// come again.
    Record(Record),
    PreStopFailed {
        container: String,
        attempt: u32,
        message: String,
    },
    NotRefreshed {
        volume: String,
        message: String,
    },
    Cleaned {
        error: Option<String>,
    },
    Executed {
        id: u64,
        ran: Ran,
    },
    /// What counts of its pod is in this segment, and those after it.
    Moved(Segment),
    /// It has written much into its segment.
    Full,
    /// It has no pod any more and may be given another one.
    Free,
}

/// Longer ones come from a broken peer. Kubernetes' own limit of an object is 1.5 MiB; a pod may
/// mount many.
const FRAME_BYTES_MAX: usize = 256 << 20;

pub(super) fn frame(message: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).expect("messages are plain data");
    let length = u32::try_from(bytes.len() - 4).expect("a message is below 4 GiB");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Bytes that came in, until they make whole messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
}

/// The peer speaks no language of ours.
#[derive(Debug, thiserror::Error)]
#[error("a message of {0} bytes was announced")]
pub(super) struct Broken(usize);

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message that is understood.
    pub(super) fn pop<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Broken> {
        while let Some(head) = self.buffer.first_chunk::<4>() {
            let length = u32::from_le_bytes(*head) as usize;
            if length > FRAME_BYTES_MAX {
                return Err(Broken(length));
            }
            let Some(body) = self.buffer.get(4..4 + length) else { return Ok(None) };
            let message = serde_json::from_slice(body).ok();
            self.buffer.drain(..4 + length);
            if self.buffer.is_empty() {
                self.buffer = Vec::new();
            }
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut_and_strangers_are_passed_over() {
        let mut stream = frame(&serde_json::json!({"Unheard": {"of": 1}}));
        stream.extend(frame(&ToShim::Clean));
        for cut in 0..stream.len() {
            let mut frames = Frames::default();
            let mut cleans = 0;
            for piece in [&stream[..cut], &stream[cut..]] {
                frames.push(piece);
                while let Some(message) = frames.pop::<ToShim>().expect("sound") {
                    assert!(matches!(message, ToShim::Clean));
                    cleans += 1;
                }
            }
            assert_eq!(cleans, 1, "cut at {cut}");
        }
        let mut frames = Frames::default();
        frames.push(&[255; 8]);
        assert!(frames.pop::<ToShim>().is_err());
    }
}
