//! Names of CronJobs in the jobs folder: a new one must not take the place of another.
//!
//! Each imported CronJob carries the crontab that it was made from, so that another import of the
//! same crontab gives the same names, and replaces its own file.

use cronlet_api::cron_job::annotations::IMPORTED_FROM;
use cronlet_api::kind::Object;
use cronlet_api::manifest;
use std::collections::BTreeMap;
use std::path::Path;

/// Names in the folder of manifests.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeMap<String, Holder>,
    /// Why the folder could not be looked at.
    pub unread: Option<String>,
}

#[derive(Debug)]
struct Holder {
    file: String,
    /// `None` for a CronJob that was not imported, or by a version that did not note it.
    source: Option<String>,
}

impl Taken {
    /// Reads the names in the folder; a folder that does not exist has none.
    pub(super) fn read(folder: &Path) -> Taken {
        let mut taken = Taken::default();
        if matches!(folder.try_exists(), Ok(false)) {
            return taken;
        }
        let files = match manifest::files(folder) {
            Ok(files) => files,
            Err(error) => {
                taken.unread = Some(format!(
                    "{error}: whether its names are taken there is not known (--jobs DIR names \
                     another folder)"
                ));
                return taken;
            }
        };
        for path in files {
            let file = path.display().to_string();
            for document in manifest::read_file(&path) {
                match document {
                    Ok(document) => taken.add(file.clone(), &document.object),
                    Err(error) if error.kind.eq_ignore_ascii_case("CronJob") => {
                        let holder = Holder { file: file.clone(), source: None };
                        taken.names.insert(error.name, holder);
                    }
                    Err(_) => {}
                }
            }
        }
        taken
    }

    fn add(&mut self, file: String, object: &Object) {
        if matches!(object, Object::CronJob(_)) && ["", "default"].contains(&object.namespace()) {
            let annotations = object.meta().annotations.as_ref();
            let source = annotations.and_then(|all| all.get(IMPORTED_FROM)).cloned();
            self.names.insert(object.name().to_owned(), Holder { file, source });
        }
    }

    /// The file that has the name, unless its CronJob was imported from this very crontab.
    pub(super) fn by_other(&self, name: &str, source: &str) -> Option<&str> {
        let holder = self.names.get(name)?;
        (holder.source.as_deref() != Some(source)).then_some(holder.file.as_str())
    }
}
