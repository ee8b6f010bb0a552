//! `-f`: the objects of manifest files, folders and standard input.

use super::failure::Failure;
use anyhow::{Context, anyhow};
use cronlet_api::kind::Object;
use cronlet_api::manifest::{self, Document, ManifestError};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Contents of the files.
pub(crate) struct Manifests {
    pub objects: Vec<Object>,
    /// True if some documents are passed over: the command ends with 1, as kubectl does.
    pub is_partial: bool,
}

/// Every object of the files, in order; those that name no namespace get `namespace`, or `default`.
/// Passed over with a word are kinds that are not served, and objects of another namespace than the
/// one that was asked for. A broken document is shown with its place, and nothing is returned then.
pub(crate) fn read(files: &[PathBuf], namespace: Option<&str>) -> Result<Manifests, Failure> {
    let (mut objects, mut is_partial) = (Vec::new(), false);
    let mut broken = 0;
    for path in files {
        for document in documents(path)? {
            match document {
                Ok(Document { mut object, warnings, source, line }) => {
                    for warning in warnings {
                        eprintln!("Warning: {source}:{line}: {warning}");
                    }
                    object.default_namespace(namespace.unwrap_or("default"));
                    match mismatch(&object, namespace) {
                        Some(why) => {
                            is_partial = true;
                            eprintln!("error: {source}:{line}: {why}");
                        }
                        None => objects.push(object),
                    }
                }
                Err(error) if error.is_unserved => {
                    is_partial = true;
                    eprintln!("{}", error.no_effect());
                }
                Err(error) => {
                    broken += 1;
                    eprint!("error: {}", error.report());
                }
            }
        }
    }
    match (broken, objects.is_empty()) {
        (0, false) => Ok(Manifests { objects, is_partial }),
        (0, true) if is_partial => Err(Failure::Quiet(1)),
        (0, true) => Err(anyhow!("no objects passed to apply or delete").into()),
        _ => Err(Failure::Quiet(1)),
    }
}

/// Why the object is not of the namespace that was asked for, in kubectl's words.
fn mismatch(object: &Object, namespace: Option<&str>) -> Option<String> {
    let own = object.namespace();
    let asked = namespace.filter(|asked| !own.is_empty() && *asked != own)?;
    Some(format!(
        "the namespace from the provided object {own:?} does not match the namespace {asked:?}. \
         You must pass '--namespace={own}' to perform this operation."
    ))
}

fn documents(path: &Path) -> Result<Vec<Result<Document, ManifestError>>, Failure> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let limit = manifest::BYTES_MAX as u64 + 1;
        let input = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
        input.context("standard input cannot be read")?;
        return Ok(manifest::read(&bytes, "STDIN"));
    }
    if !path.is_dir() {
        return Ok(manifest::read_file(path));
    }
    let unread = || format!("the folder {} cannot be read", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(unread)? {
        let file = entry.with_context(unread)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files.iter().flat_map(|file| manifest::read_file(file)).collect())
}
