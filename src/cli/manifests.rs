//! `-f`: the objects of manifest files, folders and standard input.

use super::failure::Failure;
use crate::kinds::Object;
use crate::manifest::{self, Document, ManifestError};
use anyhow::{Context, anyhow};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Every object of the files, in order; those that name no namespace get `namespace`. A broken
/// document is shown with its place, and nothing is returned then.
pub fn read(files: &[PathBuf], namespace: &str) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    let mut broken = 0;
    for path in files {
        for document in documents(path)? {
            match document {
                Ok(Document { mut object, warnings, source, line }) => {
                    for warning in warnings {
                        eprintln!("Warning: {source}:{line}: {warning}");
                    }
                    object.default_namespace(namespace);
                    objects.push(object);
                }
                Err(error) if error.is_unserved => eprintln!("{}", error.no_effect()),
                Err(error) => {
                    broken += 1;
                    eprint!("error: {}", error.report());
                }
            }
        }
    }
    match (broken, objects.is_empty()) {
        (0, false) => Ok(objects),
        (0, true) => Err(anyhow!("no objects passed to apply or delete").into()),
        _ => Err(Failure::Quiet(1)),
    }
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
