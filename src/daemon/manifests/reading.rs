//! Files into objects: on all cores where there are many, and in the order of the files whatever
//! the cores do.

use cronlet_api::kind::Object;
use cronlet_api::manifest;
use cronlet_engine::store::ManifestHashes;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, ScopedJoinHandle};

/// A thread for fewer files than this is not worth its start.
const FILES_PER_THREAD_MIN: usize = 32;

const THREADS_MAX: usize = 8;

/// Content of a file: objects that have a name and a namespace, each with its line and the hashes
/// of what is said of it.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub objects: Vec<Object>,
    pub lines: Vec<u32>,
    pub said: Vec<ManifestHashes>,
    pub warnings: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// Every problem of it with its line.
    pub why: Vec<String>,
    /// Kind and name of each broken document, as far as they can be read.
    pub names: Vec<(String, String)>,
}

pub(super) type Read = Result<Reading, Broken>;

/// A file to read, and the hash of the content that has nothing new.
pub(super) struct Wanted<'f> {
    pub file: &'f str,
    pub known: Option<u64>,
}

/// A file that was read.
pub(super) struct Found {
    /// Hash of its bytes; 0 if they could not be read.
    pub content: u64,
    /// `None` if the content is the known one.
    pub read: Option<Read>,
}

/// Reads the files; the results are in their order.
pub(super) fn read_all(files: &[Wanted<'_>]) -> Vec<Found> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(THREADS_MAX).min(files.len() / FILES_PER_THREAD_MIN).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < files.len());
        std::iter::from_fn(take).map(|at| (at, read(&files[at]))).collect::<Vec<_>>()
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
    found.into_iter().map(|(_, found)| found).collect()
}

fn read(Wanted { file, known }: &Wanted<'_>) -> Found {
    let bytes = match manifest::load(Path::new(file)) {
        Ok(bytes) => bytes,
        Err(error) => {
            let broken = Broken { why: vec![error.to_string()], names: Vec::new() };
            return Found { content: 0, read: Some(Err(broken)) };
        }
    };
    let content = hash(&bytes);
    let read = (*known != Some(content)).then(|| parse(file, &bytes));
    Found { content, read }
}

fn parse(file: &str, bytes: &[u8]) -> Read {
    let (mut reading, mut broken) = (Reading::default(), Broken::default());
    for document in manifest::read(bytes, file) {
        match document {
            Ok(document) => {
                let line = document.line;
                let warnings = document.warnings.iter();
                reading
                    .warnings
                    .extend(warnings.map(|warning| format!("{file}:{line}: {warning}")));
                match placed(document.object) {
                    Ok(object) => {
                        reading.said.push(said(&object));
                        reading.objects.push(object);
                        reading.lines.push(line);
                    }
                    Err(why) => broken.why.push(format!("{file}:{line}: {why}")),
                }
            }
            Err(error) if error.is_unserved => reading.warnings.push(error.no_effect()),
            Err(error) => {
                broken.why.push(error.to_string());
                broken.names.push((error.kind.to_lowercase(), error.name));
            }
        }
    }
    if broken.why.is_empty() { Ok(reading) } else { Err(broken) }
}

/// The hashes of what a manifest says: comments, layout and the order of keys are no part of it.
fn said(object: &Object) -> ManifestHashes {
    let spec = match object {
        Object::Job(job) => {
            hash(&serde_json::to_vec(&job.spec).expect("Kubernetes' types always serialize"))
        }
        _ => 0,
    };
    ManifestHashes { whole: hash(&object.to_json()), spec }
}

/// FNV-1a: it is on disk, so it must be the same in every version of cronlet.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
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
        let wanted: Vec<Wanted> = files.iter().map(|file| Wanted { file, known: None }).collect();
        for (number, found) in read_all(&wanted).into_iter().enumerate() {
            match found.read.expect("nothing is known of it") {
                Ok(reading) => {
                    assert_ne!(number % 7, 3);
                    assert_eq!(reading.objects[0].name(), format!("n{number}"));
                }
                Err(broken) => {
                    assert_eq!(number % 7, 3);
                    assert!(broken.why[0].starts_with(&files[number]), "{broken:?}");
                    assert_eq!(broken.names, [(format!("broken{number}"), String::new())]);
                }
            }
        }
    }

    #[test]
    fn what_is_said_is_the_same_whatever_it_looks_like() {
        let job = |text: &str| {
            let read = parse("f", text.as_bytes()).expect("it is read");
            (read.said[0].spec, read.said[0].whole)
        };
        let head = "apiVersion: batch/v1\nkind: Job\n";
        let spec = "spec: {suspend: true, template: {spec: {containers: [{name: a, image: b}]}}}\n";
        let plain = job(&format!("{head}metadata: {{name: j}}\n{spec}"));
        let same = job(&format!("# A comment.\n{head}{spec}metadata:\n  name: \"j\"\n"));
        assert_eq!(plain, same);
        let labelled = job(&format!("{head}metadata: {{name: j, labels: {{a: b}}}}\n{spec}"));
        assert_eq!((plain.0, plain.1 == labelled.1), (labelled.0, false));
        let other = spec.replace("true", "false");
        assert_ne!(plain.0, job(&format!("{head}metadata: {{name: j}}\n{other}")).0);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c, "as FNV-1a is published");
    }
}
