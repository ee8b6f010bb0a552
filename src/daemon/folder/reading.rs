//! Files into objects: on all cores where there are many, and in the order of the files whatever
//! the cores do.

use crate::kinds::Object;
use crate::manifest;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, ScopedJoinHandle};

/// A thread for fewer files than this is not worth its start.
const FILES_PER_THREAD_MIN: usize = 32;

const THREADS_MAX: usize = 8;

/// What one file says: objects that have a name and a namespace, each with its line.
#[derive(Debug, Default)]
pub struct Reading {
    pub objects: Vec<Object>,
    pub lines: Vec<u32>,
    pub warnings: Vec<String>,
}

/// Or every problem of it with its line.
pub type Read = Result<Reading, Vec<String>>;

/// Reads the files; the results are in their order.
pub fn read_all(files: &[&str]) -> Vec<Read> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(files.len() / FILES_PER_THREAD_MIN).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < files.len());
        std::iter::from_fn(take).map(|at| (at, read(files[at]))).collect::<Vec<_>>()
    };
    let mut found = std::thread::scope(|scope| {
        // Where the host refuses a thread, this one does its work.
        let helper = |_| Builder::new().name("folder".to_owned()).spawn_scoped(scope, work).ok();
        let helpers: Vec<ScopedJoinHandle<_>> = (1..threads).filter_map(helper).collect();
        let mut found = work();
        for helper in helpers {
            found.extend(helper.join().expect("reading a file does not panic"));
        }
        found
    });
    found.sort_unstable_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, read)| read).collect()
}

fn read(file: &str) -> Read {
    let (mut reading, mut errors) = (Reading::default(), Vec::new());
    for document in manifest::read_file(Path::new(file)) {
        match document {
            Ok(document) => {
                let line = document.line;
                let warnings = document.warnings.iter();
                reading
                    .warnings
                    .extend(warnings.map(|warning| format!("{file}:{line}: {warning}")));
                match placed(document.object) {
                    Ok(object) => {
                        reading.objects.push(object);
                        reading.lines.push(line);
                    }
                    Err(why) => errors.push(format!("{file}:{line}: {why}")),
                }
            }
            Err(error) if error.is_unserved => reading.warnings.push(error.no_effect()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() { Ok(reading) } else { Err(errors) }
}

/// The object in its namespace.
fn placed(mut object: Object) -> Result<Object, &'static str> {
    if object.name().is_empty() {
        return Err(
            "metadata.name: Required value: a manifest in the jobs folder has a fixed name",
        );
    }
    object.default_namespace("default");
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |number: usize| {
            let path = folder.path().join(format!("{number}.yaml"));
            let text = match number % 7 {
                3 => format!("kind: Broken{number}\n"),
                _ => format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: n{number}}}\n"),
            };
            std::fs::write(&path, text).expect("a file is written");
            path.to_str().expect("a path of letters").to_owned()
        };
        let files: Vec<String> = (0..FILES_PER_THREAD_MIN * 6).map(write).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        for (number, read) in read_all(&files).into_iter().enumerate() {
            match read {
                Ok(reading) => {
                    assert_ne!(number % 7, 3);
                    assert_eq!(reading.objects[0].name(), format!("n{number}"));
                }
                Err(errors) => {
                    assert_eq!(number % 7, 3);
                    assert!(errors[0].starts_with(files[number]), "{errors:?}");
                }
            }
        }
    }
}
