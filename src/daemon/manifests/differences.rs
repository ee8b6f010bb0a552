//! Changes and deletions that commands made to objects of the files: they stay, and a reload lists
//! them.

use super::claims::Records;
use super::reading::{self, Wanted};
use cronlet_api::difference::difference;
use cronlet_api::kind::{Key, Object};
use cronlet_api::{admission, applied};
use cronlet_engine::store::Reader;

/// At most this many differences are listed.
const LISTED_MAX: usize = 200;

/// A line for each object that is not as its file says.
pub(super) fn all(reader: &Reader, known: &Records) -> Vec<String> {
    let mut lines = Vec::new();
    for (file, record) in known.iter().filter(|(_, record)| !record.keys.is_empty()) {
        let wanted = [Wanted { file, known: None }];
        let Some(found) = reading::read_all(&wanted).pop() else { continue };
        // A file that has changed, or is broken, is another matter.
        let (true, Some(Ok(reading))) = (found.content == record.content, found.read) else {
            continue;
        };
        for object in reading.objects {
            if lines.len() == LISTED_MAX {
                lines.push("and more".to_owned());
                return lines;
            }
            lines.extend(of(reader, file, object));
        }
    }
    lines
}

fn of(reader: &Reader, file: &str, object: Object) -> Option<String> {
    let key = object.key();
    let Some(old) = reader.get(&key) else {
        return (!ends_by_itself(&object)).then(|| deleted(&key, file));
    };
    let mut new = object;
    applied::carry_over(&old, &mut new);
    let new = admission::update(&old, new).ok()?.object;
    let fields = difference(&new, &old);
    (!fields.is_empty()).then(|| format!("{key} was changed, not in {file}: {}", fields.join(", ")))
}

fn deleted(key: &Key, file: &str) -> String {
    format!("{key} was deleted, {file} still has it: `cronlet apply -f` of the file makes it again")
}

/// A Job that goes when its time is over is no difference.
fn ends_by_itself(object: &Object) -> bool {
    let Object::Job(job) = object else { return false };
    job.spec.as_ref().is_some_and(|spec| spec.ttl_seconds_after_finished.is_some())
}
