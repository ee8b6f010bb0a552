//! Objects as JSON, in two parts: most changes are of the status alone, and what is before it is
//! written once and shared.

use cronlet_api::kind::{Kind, Object};
use std::borrow::Cow;
use std::sync::Arc;

/// An object's JSON. Its resourceVersion is kept beside it, not in it.
#[derive(Clone)]
pub(super) struct Packed {
    /// All of it but the status and the last brace.
    pub head: Arc<[u8]>,
    status: Status,
}

#[derive(Clone)]
enum Status {
    /// The head is all there is, with the last brace: nobody looked into it yet.
    Within,
    None,
    Apart(Arc<[u8]>),
}

/// What comes between the head and the status.
const STATUS: &[u8] = b",\"status\":";

impl Packed {
    /// Read from the disk in one piece.
    pub(super) fn whole(json: &[u8]) -> Packed {
        Packed { head: json.into(), status: Status::Within }
    }

    pub(super) fn parts(head: Arc<[u8]>, status: Option<&[u8]>) -> Packed {
        let status = status.map_or(Status::None, |status| Status::Apart(status.into()));
        Packed { head, status }
    }

    /// The status, where it is apart from the head.
    pub(super) fn status(&self) -> Option<&[u8]> {
        match &self.status {
            Status::Within | Status::None => None,
            Status::Apart(status) => Some(status),
        }
    }

    /// Writes an object out. `shared`: the head is as it was. The buffer is anyone's.
    pub(super) fn new(object: &Object, shared: Option<&Packed>, buffer: &mut Vec<u8>) -> Packed {
        buffer.clear();
        let has_status = object.write_status(buffer);
        let status = if has_status { Status::Apart(buffer[..].into()) } else { Status::None };
        if let Some(Packed { head, status: Status::None | Status::Apart(_) }) = shared {
            return Packed { head: head.clone(), status };
        }
        let after = if has_status { STATUS.len() + buffer.len() + 1 } else { 1 };
        buffer.clear();
        object.write_json(buffer);
        Packed { head: buffer[..buffer.len() - after].into(), status }
    }

    pub(super) fn json(&self) -> Cow<'_, [u8]> {
        match &self.status {
            Status::Within => Cow::Borrowed(&self.head),
            Status::None => Cow::Owned([&self.head, &b"}"[..]].concat()),
            Status::Apart(status) => Cow::Owned([&self.head, STATUS, status, &b"}"[..]].concat()),
        }
    }

    /// In bytes.
    pub(super) fn size(&self) -> usize {
        match &self.status {
            Status::Within | Status::None => self.head.len(),
            Status::Apart(status) => self.head.len() + status.len(),
        }
    }

    /// The object at this resourceVersion.
    pub(super) fn object(&self, kind: Kind, version: u64) -> Object {
        let read = kind.read_json(&self.json());
        let mut object = read.expect("written by this program, checked on load");
        object.meta_mut().resource_version = Some(version.to_string());
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_with_a_status_are_those_whose_status_is_written_apart() {
        for kind in Kind::ALL {
            let object = kind.read_json(br#"{"metadata": {}, "status": {}}"#).expect("an object");
            let is_apart = object.write_status(&mut Vec::new());
            assert_eq!(is_apart, kind.info().has_status, "{kind:?}");
        }
    }
}
