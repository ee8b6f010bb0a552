//! Problems of a manifest, their places, and how they are shown: a message, the line, a caret.

use super::tree::Mark;
use std::fmt;

/// At most this many columns of a source line are shown around the spot.
const SHOWN_COLUMNS: usize = 100;

/// The problems for which a document was refused before admission, each with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The name of the file, or of another source.
    pub source: String,
    /// The line that the document starts on.
    pub line: u32,
    /// `kind` and `metadata.name`, as far as they could be read.
    pub kind: String,
    pub name: String,
    /// At least one.
    pub problems: Vec<Problem>,
    /// True if Kubernetes has the kind and cronlet has not: the document is valid, and the rest of
    /// the file applies without it.
    pub is_unserved: bool,
}

/// Reason why the body of a request is no object of its kind, in the API's words: a `BadRequest`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1; columns count characters. 0 if there is no place, as for a file too
    /// large.
    pub line: u32,
    pub column: u32,
    /// The field's path, such as `spec.template.spec.containers[0].name`; empty for the document
    /// itself.
    pub field: String,
    pub message: String,
    /// The line of the source, its number and a caret under the spot; empty if it would show a
    /// secret.
    pub snippet: String,
}

impl std::error::Error for ManifestError {}

/// `file:line:column: field: message`, one line for each problem.
impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}{problem}", At(&self.source, problem.line, problem.column))?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// `file:line:column: `, as far as it is known.
struct At<'a>(&'a str, u32, u32);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At(source, 0, _) => write!(f, "{source}: "),
            At(source, line, column) => write!(f, "{source}:{line}:{column}: "),
        }
    }
}

impl ManifestError {
    /// Creates an error of the whole file, without a place in it.
    pub(super) fn of_file(source: &str, message: impl Into<String>) -> ManifestError {
        ManifestError {
            source: source.to_owned(),
            line: 0,
            kind: String::new(),
            name: String::new(),
            problems: vec![Problem {
                line: 0,
                column: 0,
                field: String::new(),
                message: message.into(),
                snippet: String::new(),
            }],
            is_unserved: false,
        }
    }

    /// Returns the one warning of a document whose kind is not served.
    pub fn no_effect(&self) -> String {
        let ManifestError { source, line, kind, name, .. } = self;
        let kind = kind.to_lowercase();
        let why = "has no effect: cronlet does not serve this kind";
        format!("{source}:{line}: {kind}/{name} warning: {why}")
    }

    /// Formats all problems for a terminal, each with its snippet.
    pub fn report(&self) -> String {
        let each = self.problems.iter().map(|problem| {
            let at = At(&self.source, problem.line, problem.column);
            match problem.snippet.as_str() {
                "" => format!("{at}{problem}\n"),
                snippet => format!("{at}{problem}\n{snippet}\n"),
            }
        });
        each.collect()
    }
}

/// The text that places point into, and how its columns count.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    pub name: &'s str,
    pub text: &'s str,
    /// True if columns of marks count bytes (JSON), not characters (YAML).
    pub byte_columns: bool,
}

impl Source<'_> {
    /// Creates a problem at `mark`; if `secret`, without the line itself.
    pub fn problem(&self, mark: Mark, field: &str, message: String, secret: bool) -> Problem {
        let line = self.line(mark.line);
        let column = self.column(line, mark);
        let snippet = if secret { String::new() } else { snippet(line, mark.line, column) };
        Problem { line: mark.line, column, field: field.to_owned(), message, snippet }
    }

    fn line(&self, number: u32) -> &str {
        let skipped = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        self.text.split('\n').nth(skipped).unwrap_or_default().trim_end_matches('\r')
    }

    fn column(&self, line: &str, mark: Mark) -> u32 {
        if !self.byte_columns {
            return mark.column;
        }
        let bytes = (mark.column as usize).saturating_sub(1);
        let before = line.char_indices().take_while(|(at, _)| *at < bytes).count();
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

fn snippet(line: &str, number: u32, column: u32) -> String {
    let at = (column as usize).saturating_sub(1);
    let start = at.saturating_sub(SHOWN_COLUMNS / 2);
    // A tab would push the caret away from its spot.
    let shown: String = line
        .chars()
        .skip(start)
        .take(SHOWN_COLUMNS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (number, lead) = (number.to_string(), if start > 0 { "…" } else { "" });
    let (margin, caret) = (number.len(), at - start + lead.chars().count());
    let empty = "";
    format!("{number} | {lead}{shown}\n{empty:margin$} | {empty:caret$}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_points_to_the_spot() {
        let check = |text: &str, byte_columns: bool, line: u32, column: u32, want: &str| {
            let source = Source { name: "f", text, byte_columns };
            let problem = source.problem(Mark { line, column }, "", String::new(), false);
            assert_eq!(problem.snippet, want);
        };
        check("a: 1\nbé: [\n", false, 2, 5, "2 | bé: [\n  |     ^");
        check("a: 1\nbé: [\n", true, 2, 6, "2 | bé: [\n  |     ^");
        check("\tx\r\n", false, 1, 2, "1 |  x\n  |  ^");
        check("", false, 9, 9, "9 | \n  |         ^");
        let long = format!("{}Z{}", "x".repeat(80), "y".repeat(80));
        let want = format!("1 | …{}Z{}\n  | {}^", "x".repeat(50), "y".repeat(49), " ".repeat(51));
        check(&long, false, 1, 81, &want);
    }
}
