//! Which manifest file has an object: a command that changes one is warned.

use super::route::Part;
use crate::kinds::Key;
use crate::store::SourceRecord;
use hyper::Method;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Records of the files of the jobs folder; written by the thread that reads them.
#[derive(Clone, Default)]
pub struct Sources(Arc<RwLock<BTreeMap<String, SourceRecord>>>);

impl Sources {
    pub fn new(known: BTreeMap<String, SourceRecord>) -> Sources {
        Sources(Arc::new(RwLock::new(known)))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, SourceRecord>> {
        self.0.read().expect("no panic while it was held")
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, SourceRecord>> {
        self.0.write().expect("no panic while it was held")
    }

    /// The file that has the object. `None` if no file has it.
    pub fn file_of(&self, key: &Key) -> Option<String> {
        let known = self.read();
        let mut files = known.iter();
        files.find(|(_, record)| record.keys.contains(key)).map(|(file, _)| file.clone())
    }
}

/// Returns the warning for a client that changed or deleted an object of a file.
pub fn warning(sources: &Sources, method: &Method, key: &Key, part: Part) -> Option<String> {
    if !matches!(part, Part::Whole | Part::Scale) {
        return None;
    }
    let then = match *method {
        Method::DELETE => {
            "remove it there, or it comes back when the file says something new of it"
        }
        Method::PUT | Method::PATCH => {
            "edit it there, or this change holds until the file says something new of it"
        }
        _ => return None,
    };
    Some(format!("{key} is made from {}: {then}", sources.file_of(key)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    #[test]
    fn who_changes_an_object_of_a_file_is_warned() {
        let key = |name: &str| Key::new(Kind::CronJob, "default", name);
        let record = SourceRecord { keys: vec![key("a")], ..SourceRecord::default() };
        let sources = Sources::new(BTreeMap::from([("/x/a.yaml".to_owned(), record)]));
        let check = |method: Method, name: &str, part: Part, want: bool| {
            let warning = warning(&sources, &method, &key(name), part);
            assert_eq!(warning.is_some_and(|text| text.contains("/x/a.yaml")), want, "{method}");
        };
        check(Method::DELETE, "a", Part::Whole, true);
        check(Method::PATCH, "a", Part::Whole, true);
        check(Method::PUT, "a", Part::Scale, true);
        check(Method::GET, "a", Part::Whole, false);
        check(Method::PUT, "a", Part::Status, false);
        check(Method::DELETE, "b", Part::Whole, false);
    }
}
