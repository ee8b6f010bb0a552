//! YAML that is no manifest, such as the configuration: one mapping into any serde type, strictly.

use super::error::{ManifestError, Source};
use super::reader::{Findings, Reader};
use super::tree::{Mark, Node, Value};
use super::version::nearest;
use super::{file, yaml};
use serde::de::DeserializeOwned;

/// Reads a mapping; an empty text reads as an empty one. Unknown and duplicate fields are errors
/// with their place.
pub fn read_plain<T: DeserializeOwned>(bytes: &[u8], source: &str) -> Result<T, ManifestError> {
    let text = file::text(bytes, source)?;
    let (mut trees, error) = yaml::parse(text, 0);
    let place = Source { name: source, text, byte_columns: false };
    let fail = |mark: Mark, field: &str, message: String| {
        let problem = place.problem(mark, field, message, false);
        ManifestError { problems: vec![problem], ..ManifestError::of_file(source, "") }
    };
    if let Some(error) = error {
        return Err(fail(error.mark, "", error.message));
    }
    if trees.len() > 1 {
        return Err(ManifestError::of_file(source, "holds more than one document"));
    }
    let empty = Node { mark: Mark { line: 1, column: 1 }, value: Value::Map(Vec::new()) };
    let root = trees.pop().map_or(empty, |tree| tree.root);
    let mut twice = None;
    root.duplicates("", &mut |field, mark| twice = twice.take().or(Some((field, mark))));
    if let Some((field, mark)) = twice {
        return Err(fail(mark, &field, "is set twice".to_owned()));
    }
    let findings = Findings::default();
    let read = T::deserialize(Reader { node: &root, findings: &findings, is_root: false });
    let value = read.map_err(|error| match root.find(error.node) {
        Some((field, mark)) => fail(mark, &field, error.message),
        None => fail(root.mark, "", error.message),
    })?;
    if let Some(unknown) = findings.unknown.take().first() {
        let key = &unknown.entry.key;
        let hint = nearest(key, unknown.known.iter().copied());
        let hint = hint.map(|name| format!(": did you mean {name:?}?")).unwrap_or_default();
        return Err(fail(unknown.entry.mark, key, format!("unknown field{hint}")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Sample {
        node_name: String,
        limit: Option<u32>,
        mood: Mood,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Mood {
        #[default]
        Calm,
        InHaste,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let check = |text: &str, want: Result<Sample, &str>| {
            let read = read_plain::<Sample>(text.as_bytes(), "c.yaml").map_err(|e| e.to_string());
            assert_eq!(read, want.map_err(str::to_owned), "{text}");
        };
        check("", Ok(Sample::default()));
        let read = Sample { node_name: "a".into(), limit: Some(16), mood: Mood::Calm };
        check("nodeName: a\nlimit: 0x10", Ok(read));
        check("mood: inHaste", Ok(Sample { mood: Mood::InHaste, ..Sample::default() }));
        check(
            "mood: slow",
            Err("c.yaml:1:7: mood: unknown variant `slow`, expected `calm` or `inHaste`"),
        );
        check("mood: [calm]", Err("c.yaml:1:7: mood: expected a string, found a list"));
        check("nodeNam: a", Err("c.yaml:1:1: nodeNam: unknown field: did you mean \"nodeName\"?"));
        check("limit: 1\nlimit: 2", Err("c.yaml:2:1: limit: is set twice"));
        check("limit: x", Err("c.yaml:1:8: limit: expected u32, found string \"x\""));
    }
}
