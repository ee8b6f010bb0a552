//! Label and field selectors: which objects of a list or a watch are meant.

use cronlet_api::kind::{Kind, Object};
use cronlet_api::refused::Refused;
use std::collections::BTreeMap;

/// `labelSelector` and `fieldSelector` together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
    Above(i64),
    Below(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// Reads both selectors; refuses fields by which the kind cannot be selected.
    pub(crate) fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Selector, Refused> {
        let unread = |why: String| {
            Refused::BadRequest(format!("unable to parse requirement in {labels:?}: {why}"))
        };
        let labels = Tokens::new(labels).requirements().map_err(unread)?;
        let fields = field_terms(fields)?;
        for term in &fields {
            let own = kind.selectable_fields().contains(&term.path.as_str());
            if !own && !["metadata.name", "metadata.namespace"].contains(&term.path.as_str()) {
                let why = format!("field label not supported: {}", term.path);
                return Err(Refused::BadRequest(why));
            }
        }
        Ok(Selector { labels, fields })
    }

    /// Selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let labels = object.meta().labels.as_ref().unwrap_or(&NONE);
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self
                .fields
                .iter()
                .all(|term| (object.selectable_field(&term.path) == term.value) == term.equal)
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// The words and signs of a label selector.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn new(rest: &'a str) -> Tokens<'a> {
        Tokens { rest: rest.trim() }
    }

    fn requirements(mut self) -> Result<Vec<Requirement>, String> {
        let mut found = Vec::new();
        while !self.rest.is_empty() {
            found.push(self.requirement()?);
            match self.next() {
                "," if self.rest.is_empty() => return Err("found '', expected: identifier".into()),
                "," | "" => {}
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
        Ok(found)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.peek() == "!" {
            self.next();
            return Ok(Requirement { key: self.key()?, test: Test::Missing });
        }
        let key = self.key()?;
        let test = match self.peek() {
            "," | "" => Test::Exists,
            _ => match self.next() {
                "=" | "==" => Test::In(vec![self.value()?]),
                "!=" => Test::NotIn(vec![self.value()?]),
                "in" => Test::In(self.values()?),
                "notin" => Test::NotIn(self.values()?),
                ">" | "gt" => Test::Above(self.bound()?),
                "<" | "lt" => Test::Below(self.bound()?),
                other => {
                    let operators = "in, notin, =, ==, !=, gt, lt";
                    return Err(format!("found '{other}', expected: {operators}"));
                }
            },
        };
        Ok(Requirement { key, test })
    }

    fn key(&mut self) -> Result<String, String> {
        let key = self.next();
        let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        match key.chars().all(valid) && !key.is_empty() && key.len() <= 317 {
            true => Ok(key.to_owned()),
            false => Err(format!("found '{key}', expected: !, identifier, or 'end of string'")),
        }
    }

    fn value(&mut self) -> Result<String, String> {
        if ["", ","].contains(&self.peek()) {
            return Ok(String::new());
        }
        let value = self.next();
        let valid = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match value.chars().all(valid) && value.len() <= 63 {
            true => Ok(value.to_owned()),
            false => Err(format!("invalid label value: {value:?}")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            "(" => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        let mut values = Vec::new();
        loop {
            values.push(if self.peek() == ")" { String::new() } else { self.value()? });
            match self.next() {
                ")" => return Ok(values),
                "," => {}
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }

    fn bound(&mut self) -> Result<i64, String> {
        let word = self.next();
        word.parse().map_err(|_| format!("invalid value {word:?}: must be an integer"))
    }

    fn peek(&self) -> &'a str {
        let rest = self.rest;
        let signs = ["==", "!=", "=", "!", ",", "(", ")", "<", ">"];
        if let Some(sign) = signs.iter().find(|sign| rest.starts_with(**sign)) {
            return &rest[..sign.len()];
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.rest = self.rest[token.len()..].trim_start();
        token
    }
}

fn field_terms(text: &str) -> Result<Vec<FieldTerm>, Refused> {
    let mut terms = Vec::new();
    for term in split_unescaped(text).into_iter().filter(|term| !term.is_empty()) {
        let invalid = || {
            let why = format!("invalid selector: {text:?}; can't understand {term:?}");
            Refused::BadRequest(why)
        };
        let sign = term.find('=').ok_or_else(invalid)?;
        let (left, right) = term.split_at(sign);
        let (path, equal) = match left.strip_suffix('!') {
            Some(path) => (path, false),
            None => (left, true),
        };
        let right = &right[1..];
        let value = if equal { right.strip_prefix('=').unwrap_or(right) } else { right };
        terms.push(FieldTerm { path: path.trim().to_owned(), equal, value: unescape(value) });
    }
    Ok(terms)
}

/// Splits at commas that no backslash precedes.
fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> String {
    let (mut plain, mut escaped) = (String::with_capacity(value.len()), false);
    for c in value.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Object {
        let json = r#"{"metadata":{"name":"web","namespace":"shop",
            "labels":{"app":"web","rank":"7"}},"spec":{"containers":[]},
            "status":{"phase":"Running"}}"#;
        Kind::Pod.read_json(json.as_bytes()).expect("a pod")
    }

    #[test]
    fn labels_select() {
        let check = |labels: &str, want: Result<bool, u16>| {
            let found = Selector::parse(Kind::Pod, labels, "").map(|s| s.matches(&pod()));
            assert_eq!(found.map_err(|r| r.code()), want, "{labels}");
        };
        check("", Ok(true));
        check("app=web", Ok(true));
        check("app==web,rank", Ok(true));
        check("app!=web", Ok(false));
        check("other!=web", Ok(true));
        check("app in (db, web)", Ok(true));
        check("app notin (db,web)", Ok(false));
        check("!other , app", Ok(true));
        check("!app", Ok(false));
        check("rank>6", Ok(true));
        check("rank lt 7", Ok(false));
        check("app gt 1", Ok(false));
        check("app=", Ok(false));
        check("app in ()", Ok(false));
        check("in=web", Ok(false));
        check("app,", Err(400));
        check("app in web", Err(400));
        check("app in (web", Err(400));
        check("=x", Err(400));
        check("app=web web", Err(400));
        check("app=we/b", Err(400));
        check("ä=1", Err(400));
    }

    #[test]
    fn fields_select() {
        let check = |fields: &str, want: Result<bool, u16>| {
            let found = Selector::parse(Kind::Pod, "", fields).map(|s| s.matches(&pod()));
            assert_eq!(found.map_err(|r| r.code()), want, "{fields}");
        };
        check("metadata.name=web", Ok(true));
        check("metadata.name=web,metadata.namespace!=shop", Ok(false));
        check("status.phase==Running", Ok(true));
        check("status.phase!=Running", Ok(false));
        check("spec.nodeName=", Ok(true));
        check("spec.hostNetwork=false", Ok(true));
        check(r"metadata.name=a\,b", Ok(false));
        check("status.colour=red", Err(400));
        check("metadata.name", Err(400));
    }
}
