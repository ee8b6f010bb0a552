//! A manifest as a tree of values, each with the place in the file that it came from.

use std::borrow::Cow;

/// A place in the text: both count from 1. A column counts characters in YAML and bytes in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'s> {
    pub mark: Mark,
    pub value: Value<'s>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'s> {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number beyond `i64`.
    Unsigned(u64),
    Float(f64),
    Text(Cow<'s, str>),
    List(Vec<Node<'s>>),
    Map(Vec<Entry<'s>>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry<'s> {
    pub mark: Mark,
    pub key: Cow<'s, str>,
    /// True if an earlier entry of the same map has this key.
    pub duplicate: bool,
    pub node: Node<'s>,
}

/// At most this many levels of lists and maps, since readers recurse into them.
pub(super) const DEPTH_MAX: usize = 100;

/// The largest map in which duplicate keys are found by comparing all pairs.
const SMALL_MAP: usize = 16;

impl<'s> Node<'s> {
    /// Returns the value under `key` of a map; the last one, as in JSON decoders.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'s>> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().rev().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a noun for the value, for error messages.
    pub(super) fn noun(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Counts the node and all below it, but no further than `limit`.
    pub(super) fn size(&self, limit: usize) -> usize {
        let mut total = 1;
        let mut each = |node: &Node<'s>| {
            if total < limit {
                total += node.size(limit - total);
            }
        };
        match &self.value {
            Value::List(nodes) => nodes.iter().for_each(&mut each),
            Value::Map(entries) => entries.iter().for_each(|entry| each(&entry.node)),
            _ => {}
        }
        total
    }

    /// Returns the path of the node `target` (found by its address) below this one, such as
    /// `spec.containers[0].name`, and its place.
    pub(super) fn find(&self, target: *const ()) -> Option<(String, Mark)> {
        if std::ptr::eq((self as *const Node<'_>).cast(), target) {
            return Some((String::new(), self.mark));
        }
        let below = |step: &str, node: &Node<'s>| {
            node.find(target).map(|(rest, mark)| (join(step, &rest), mark))
        };
        match &self.value {
            Value::List(nodes) => {
                nodes.iter().enumerate().find_map(|(i, node)| below(&format!("[{i}]"), node))
            }
            Value::Map(entries) => entries.iter().find_map(|one| below(&one.key, &one.node)),
            _ => None,
        }
    }

    /// Returns the place of the node that `field` leads to, or of the nearest above it that exists,
    /// to point at a refused field. Labels and keys are written `labels[key]`, elements `list[0]`.
    pub(super) fn nearest(&self, field: &str) -> Mark {
        let (mut node, mut mark, mut rest) = (self, self.mark, field);
        while !rest.is_empty() {
            let Some((entry_mark, next, left)) = step(node, rest) else { break };
            (node, mark, rest) = (next, entry_mark, left);
        }
        mark
    }

    /// Calls `found` for every duplicate key with its path.
    pub(super) fn duplicates(&self, path: &str, found: &mut impl FnMut(String, Mark)) {
        match &self.value {
            Value::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    node.duplicates(&format!("{path}[{index}]"), found);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let at = join(path, &entry.key);
                    if entry.duplicate {
                        found(at.clone(), entry.mark);
                    }
                    entry.node.duplicates(&at, found);
                }
            }
            _ => {}
        }
    }
}

/// Follows one step of a path; returns the place, the node, and the rest of the path.
fn step<'a, 's, 'p>(node: &'a Node<'s>, path: &'p str) -> Option<(Mark, &'a Node<'s>, &'p str)> {
    if let Some(inner) = path.strip_prefix('[') {
        let (name, rest) = inner.split_once(']')?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        return match &node.value {
            Value::List(nodes) => {
                nodes.get(name.parse::<usize>().ok()?).map(|node| (node.mark, node, rest))
            }
            Value::Map(_) => entry(node, name).map(|(mark, node)| (mark, node, rest)),
            _ => None,
        };
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    let (mark, node) = entry(node, name)?;
    Some((mark, node, rest.strip_prefix('.').unwrap_or(rest)))
}

fn entry<'a, 's>(node: &'a Node<'s>, key: &str) -> Option<(Mark, &'a Node<'s>)> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().rev().find(|entry| entry.key == key).map(|entry| (entry.mark, &entry.node))
}

/// Joins two parts of a path, with a dot where one belongs.
pub(super) fn join(path: &str, rest: &str) -> String {
    match (path, rest) {
        ("", rest) => rest.to_owned(),
        (path, "") => path.to_owned(),
        (path, rest) if rest.starts_with('[') => format!("{path}{rest}"),
        (path, rest) => format!("{path}.{rest}"),
    }
}

/// Flags the later of equal keys; returns true if there are any.
pub(super) fn flag_duplicates(entries: &mut [Entry<'_>]) -> bool {
    let mut any = false;
    if entries.len() <= SMALL_MAP {
        for later in 1..entries.len() {
            let (before, after) = entries.split_at_mut(later);
            after[0].duplicate = before.iter().any(|entry| entry.key == after[0].key);
            any |= after[0].duplicate;
        }
        return any;
    }
    let mut seen = std::collections::HashSet::with_capacity(entries.len());
    for entry in entries {
        entry.duplicate = !seen.insert(entry.key.as_ref());
        any |= entry.duplicate;
    }
    any
}
