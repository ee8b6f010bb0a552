//! Readers of YAML and JSON: documents, places, unknown and duplicate fields, older apiVersions.
//!
//! A text is cut into documents ([`split`]), each becomes a tree with places ([`yaml`], [`json`]),
//! and the tree is read as the kind that it names ([`reader`]). All problems of a document are
//! found, not only the first, and a broken document does not affect the others.

use crate::kind::{Kind, Object};
use crate::manifest::error::Source;
use crate::manifest::tree::{Node, Value};
use crate::manifest::yaml::{Tree, YamlError};
use std::sync::Arc;

pub mod error;

mod decode;

mod file;

mod json;

mod plain;

mod reader;

mod scalar;

mod split;

mod tree;

mod version;

mod yaml;

pub use crate::manifest::decode::Strictness;
pub use crate::manifest::error::{BodyError, ManifestError, Problem};
pub use crate::manifest::file::{BYTES_MAX, files, load, read_file};
pub use crate::manifest::plain::read_plain;
pub use crate::manifest::version::Versions;

/// An object of a manifest, as written: admission sets defaults and checks it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub object: Object,
    /// The name of the file, or of another source.
    pub source: Arc<str>,
    /// The line that the object starts on, from 1.
    pub line: u32,
    pub warnings: Vec<String>,
}

/// At most this many levels of lists in lists: a manifest has one, if any.
const LIST_DEPTH_MAX: usize = 3;

/// Reads every document of a YAML or JSON text, in order; the items of a `List` count as documents.
/// `source` names the text in errors.
pub fn read(bytes: &[u8], source: &str) -> Vec<Result<Document, ManifestError>> {
    read_versions(bytes, source, Versions::Served)
}

/// Reads documents like [`read`], also of versions that Kubernetes has removed if `versions` says
/// so.
pub fn read_versions(
    bytes: &[u8],
    source: &str,
    versions: Versions,
) -> Vec<Result<Document, ManifestError>> {
    let text = match file::text(bytes, source) {
        Ok(text) => text,
        Err(error) => return vec![Err(error)],
    };
    let mut reading = Reading { text, name: source.into(), versions, found: Vec::new() };
    for chunk in split::chunks(text) {
        reading.chunk(&chunk);
    }
    reading.found
}

/// Returns the place of `field` (a path as in `Status.details.causes`), or the nearest above it, to
/// show a refusal. The document is the one that starts on `line`.
pub fn place(bytes: &[u8], source: &str, line: u32, field: &str) -> Option<Problem> {
    let text = file::text(bytes, source).ok()?;
    let chunk = split::chunks(text).into_iter().take_while(|c| c.lines_before < line).last()?;
    let (trees, _, byte_columns) = trees(&chunk);
    let root = trees.iter().find_map(|tree| starting_on(&tree.root, line))?;
    let mark = root.nearest(field);
    let source = Source { name: source, text, byte_columns };
    Some(source.problem(mark, field, String::new(), may_hold_secret(chunk.text)))
}

/// Reads the body of an API request as an object of `kind`, as strictly as `fieldValidation` says;
/// returns the object and warnings for the client.
pub fn decode_json(
    kind: Kind,
    bytes: &[u8],
    strictness: Strictness,
) -> Result<(Object, Vec<String>), BodyError> {
    let text = file::text(bytes, "the body").map_err(|error| BodyError(error.to_string()))?;
    let (mut trees, error) = json::parse(text, 0);
    if let Some(error) = error {
        return Err(bad_body(kind, &error));
    }
    match (trees.pop(), trees.is_empty()) {
        (Some(tree), true) => decode::body(kind, &tree, strictness),
        (Some(_), false) => Err(BodyError("the body holds more than one value".into())),
        (None, _) => Err(BodyError("the body is empty".into())),
    }
}

/// Reads a YAML body (`application/yaml`) like [`decode_json`].
pub fn decode_yaml(
    kind: Kind,
    bytes: &[u8],
    strictness: Strictness,
) -> Result<(Object, Vec<String>), BodyError> {
    let text = file::text(bytes, "the body").map_err(|error| BodyError(error.to_string()))?;
    let (mut trees, error) = yaml::parse(text, 0);
    if let Some(error) = error {
        return Err(bad_body(kind, &error));
    }
    match (trees.pop(), trees.is_empty()) {
        (Some(tree), true) => decode::body(kind, &tree, strictness),
        (Some(_), false) => Err(BodyError("the body holds more than one value".into())),
        (None, _) => Err(BodyError("the body is empty".into())),
    }
}

fn bad_body(kind: Kind, error: &YamlError) -> BodyError {
    BodyError(format!(
        "the object provided is unrecognized (must be of type {}): line {}, column {}: {}",
        kind.info().kind,
        error.mark.line,
        error.mark.column,
        error.message
    ))
}

/// A text, and the documents read from it so far.
struct Reading<'s> {
    text: &'s str,
    name: Arc<str>,
    versions: Versions,
    found: Vec<Result<Document, ManifestError>>,
}

impl<'s> Reading<'s> {
    fn chunk(&mut self, chunk: &split::Chunk<'s>) {
        let (trees, error, byte_columns) = trees(chunk);
        let name = Arc::clone(&self.name);
        let source = Source { name: &name, text: self.text, byte_columns };
        for tree in &trees {
            if tree.root.value != Value::Null {
                self.document(&tree.root, None, tree.has_duplicates, source, 0);
            }
        }
        if let Some(error) = error {
            let line = chunk.lines_before + 1;
            let secret = may_hold_secret(chunk.text);
            let problem = source.problem(error.mark, "", error.message, secret);
            let (kind, name) = Default::default();
            let source = source.name.to_owned();
            self.found.push(Err(ManifestError {
                source,
                line,
                kind,
                name,
                problems: vec![problem],
                is_unserved: false,
            }));
        }
    }

    /// Reads an object, or the items of a list; `item_of` is the kind of a typed list's items.
    fn document(
        &mut self,
        root: &Node<'_>,
        item_of: Option<Kind>,
        has_duplicates: bool,
        source: Source<'_>,
        depth: usize,
    ) {
        if let Some((items, item_of)) = decode::list_items(root).filter(|_| depth < LIST_DEPTH_MAX)
        {
            for item in items {
                self.document(item, item_of, has_duplicates, source, depth + 1);
            }
            return;
        }
        let name = Arc::clone(&self.name);
        let versions = self.versions;
        self.found.push(decode::document(root, item_of, has_duplicates, source, versions, name));
    }
}

/// Returns the trees of a chunk up to the first error, and whether their columns count bytes.
fn trees<'s>(chunk: &split::Chunk<'s>) -> (Vec<Tree<'s>>, Option<YamlError>, bool) {
    if let Some(error) = chunk.control_character() {
        return (Vec::new(), Some(error), false);
    }
    if !chunk.text.trim_start().starts_with('{') {
        let (trees, error) = yaml::parse(chunk.text, chunk.lines_before);
        return (trees, error, false);
    }
    let (trees, error) = json::parse(chunk.text, chunk.lines_before);
    if error.is_some() {
        // `{a: 1}` is YAML, and not JSON.
        let (trees, error) = yaml::parse(chunk.text, chunk.lines_before);
        if error.is_none() {
            return (trees, None, false);
        }
    }
    (trees, error, true)
}

fn starting_on<'t, 's>(root: &'t Node<'s>, line: u32) -> Option<&'t Node<'s>> {
    match decode::list_items(root) {
        Some((items, _)) => items.iter().find_map(|item| starting_on(item, line)),
        None => (root.mark.line == line).then_some(root),
    }
}

/// True if the text may hold a Secret, whose lines are never shown, even if it cannot be read.
fn may_hold_secret(text: &str) -> bool {
    text.contains("Secret")
}

impl ManifestError {
    /// True if the file itself could not be read, or is no text.
    pub fn is_of_file(&self) -> bool {
        self.line == 0
    }
}
