//! JSON text into a tree. Own code, for places and duplicate keys, which `serde_json` does not
//! tell.

use super::tree::{DEPTH_MAX, Entry, Mark, Node, Value, flag_duplicates};
use super::yaml::{Tree, YamlError};
use std::borrow::Cow;

/// Reads every JSON value of `text`, up to the first error. `lines_before` is added to the lines of
/// places.
pub(super) fn parse(text: &str, lines_before: u32) -> (Vec<Tree<'_>>, Option<YamlError>) {
    let mut scanner =
        Scanner { text, at: 0, line: lines_before + 1, line_start: 0, has_duplicates: false };
    let mut trees = Vec::new();
    loop {
        scanner.blanks();
        if scanner.at == text.len() {
            return (trees, None);
        }
        match scanner.value(0) {
            Ok(root) => {
                let has_duplicates = std::mem::take(&mut scanner.has_duplicates);
                trees.push(Tree { root, has_duplicates });
            }
            Err(error) => return (trees, Some(error)),
        }
    }
}

struct Scanner<'s> {
    text: &'s str,
    at: usize,
    line: u32,
    line_start: usize,
    has_duplicates: bool,
}

impl<'s> Scanner<'s> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn mark(&self) -> Mark {
        let column = u32::try_from(self.at - self.line_start).unwrap_or(u32::MAX - 1) + 1;
        Mark { line: self.line, column }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, YamlError> {
        Err(YamlError { mark: self.mark(), message: message.into() })
    }

    fn expected<T>(&self, what: &str) -> Result<T, YamlError> {
        match self.text[self.at..].chars().next() {
            Some(found) => self.fail(format!("expected {what}, found {found:?}")),
            None => self.fail(format!("expected {what}, found the end of the text")),
        }
    }

    fn blanks(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.line_start = self.at;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'s>, YamlError> {
        if depth > DEPTH_MAX {
            return self.fail(format!("lists and objects are nested more than {DEPTH_MAX} deep"));
        }
        let mark = self.mark();
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return self.expected("a value"),
        };
        Ok(Node { mark, value })
    }

    fn word(&mut self, word: &str, value: Value<'s>) -> Result<Value<'s>, YamlError> {
        if !self.text[self.at..].starts_with(word) {
            return self.expected("a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value<'s>, YamlError> {
        let mut entries = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries));
        }
        loop {
            self.blanks();
            let mark = self.mark();
            if self.peek() != Some(b'"') {
                return self.expected("a key in double quotes");
            }
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return self.expected("`:` after the key");
            }
            self.at += 1;
            self.blanks();
            let node = self.value(depth + 1)?;
            entries.push(Entry { mark, key, duplicate: false, node });
            if self.ends(b'}', "`,` or `}`")? {
                self.has_duplicates |= flag_duplicates(&mut entries);
                return Ok(Value::Map(entries));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'s>, YamlError> {
        let mut nodes = Vec::new();
        self.at += 1;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(nodes));
        }
        loop {
            self.blanks();
            nodes.push(self.value(depth + 1)?);
            if self.ends(b']', "`,` or `]`")? {
                return Ok(Value::List(nodes));
            }
        }
    }

    /// After an element: past a comma (false) or the closing bracket (true).
    fn ends(&mut self, bracket: u8, what: &str) -> Result<bool, YamlError> {
        self.blanks();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == bracket => {
                self.at += 1;
                return Ok(true);
            }
            _ => return self.expected(what),
        }
        Ok(false)
    }

    fn number(&mut self) -> Result<Value<'s>, YamlError> {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        // serde_json knows the grammar: no leading zero, no bare point.
        let number: serde_json::Number = match serde_json::from_str(digits) {
            Ok(number) => number,
            Err(_) => return self.fail(format!("{digits:?} is not a number")),
        };
        self.at += end;
        Ok(if let Some(number) = number.as_i64() {
            Value::Integer(number)
        } else if let Some(number) = number.as_u64() {
            Value::Unsigned(number)
        } else {
            Value::Float(number.as_f64().unwrap_or(f64::INFINITY))
        })
    }

    fn string(&mut self) -> Result<Cow<'s, str>, YamlError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(0..=0x1f) => return self.fail("a control character inside a string"),
                Some(_) => self.at += 1,
                None => {
                    self.at = self.text.len();
                    return self.expected("the closing `\"` of a string");
                }
            }
        }
        self.at += 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        match serde_json::from_str::<String>(&self.text[start - 1..self.at]) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => self.fail("a bad escape inside a string"),
        }
    }
}
