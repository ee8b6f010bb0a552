//! Parser of YAML text into trees: anchors, aliases and merge keys resolved, within bounds.

use super::scalar;
use super::tree::{DEPTH_MAX, Entry, Mark, Node, Value, flag_duplicates};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// At most this many nodes of a document are copied by aliases: enough for any real manifest, and a
/// bound for "a billion laughs".
const ALIAS_NODES_MAX: usize = 100_000;

/// Reason why a text is not YAML that a manifest may hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(super) struct YamlError {
    pub mark: Mark,
    pub message: String,
}

/// A document of a stream: its tree, and whether a map in it has a key twice.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree<'s> {
    pub root: Node<'s>,
    pub has_duplicates: bool,
}

/// Reads every document of `text`, up to the first error. `lines_before` is added to the lines of
/// places.
pub(super) fn parse(text: &str, lines_before: u32) -> (Vec<Tree<'_>>, Option<YamlError>) {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder { lines_before, ..Builder::default() };
    while let Some(event) = parser.next_event() {
        let taken = match event {
            Ok((event, span)) => builder.take(event, builder.mark(&span.start)),
            Err(error) => {
                let message = explained(error.info());
                Err(YamlError { mark: builder.mark(error.marker()), message })
            }
        };
        if let Err(error) = taken {
            return (builder.trees, Some(error));
        }
    }
    (builder.trees, None)
}

/// Returns the parser's words, with a remedy where they give none.
fn explained(info: &str) -> String {
    if info == "recursion limit exceeded" {
        return format!("lists and mappings are nested more than {DEPTH_MAX} deep");
    }
    let hint = match info {
        "invalid indentation in flow construct" => {
            ": what stands in brackets must be indented more than the key before them"
        }
        "mapping values are not allowed in this context" => {
            ": a `: ` inside a value must be quoted, and keys of one mapping are indented alike"
        }
        _ => "",
    };
    format!("{info}{hint}")
}

#[derive(Default)]
struct Builder<'s> {
    lines_before: u32,
    trees: Vec<Tree<'s>>,
    open: Vec<Open<'s>>,
    anchors: HashMap<usize, Node<'s>>,
    alias_nodes: usize,
    has_duplicates: bool,
}

/// A list or map whose end was not read yet.
struct Open<'s> {
    mark: Mark,
    anchor: usize,
    content: Content<'s>,
}

enum Content<'s> {
    List(Vec<Node<'s>>),
    Map {
        entries: Vec<Entry<'s>>,
        /// A key whose value was not read yet.
        key: Option<Key<'s>>,
        merges: Vec<Node<'s>>,
    },
}

struct Key<'s> {
    mark: Mark,
    text: Cow<'s, str>,
    merges: bool,
}

impl<'s> Builder<'s> {
    fn mark(&self, marker: &Marker) -> Mark {
        let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Mark {
            line: self.lines_before.saturating_add(narrow(marker.line())),
            column: narrow(marker.col()).saturating_add(1),
        }
    }

    fn take(&mut self, event: Event<'s>, mark: Mark) -> Result<(), YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag, mark),
            Event::SequenceStart(anchor, _) => self.open(mark, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let content = Content::Map { entries: Vec::new(), key: None, merges: Vec::new() };
                self.open(mark, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::DocumentEnd => {
                // Anchors do not reach into the next document.
                self.anchors.clear();
                self.alias_nodes = 0;
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'s, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'s, Tag>>,
        mark: Mark,
    ) -> Result<(), YamlError> {
        let merges = text == "<<" && style == ScalarStyle::Plain;
        let value = match tag {
            Some(tag) if tag.is_yaml_core_schema() => scalar::resolve_tagged(text, &tag.suffix)
                .map_err(|message| YamlError { mark, message })?,
            Some(_) => Value::Text(text),
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None => Value::Text(text),
        };
        let node = Node { mark, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        if let Some(Open { content: Content::Map { key: key @ None, .. }, .. }) =
            self.open.last_mut()
        {
            let text = scalar::key_text(node.value).ok_or_else(|| YamlError {
                mark,
                message: "a key must not be empty or null".into(),
            })?;
            *key = Some(Key { mark, text, merges });
            return Ok(());
        }
        self.value(node)
    }

    fn open(&mut self, mark: Mark, anchor: usize, content: Content<'s>) -> Result<(), YamlError> {
        if self.open.len() == DEPTH_MAX {
            let message = format!("lists and mappings are nested more than {DEPTH_MAX} deep");
            return Err(YamlError { mark, message });
        }
        if let Some(Open { content: Content::Map { key: None, .. }, .. }) = self.open.last() {
            let message = "a list or mapping cannot be a key here".to_owned();
            return Err(YamlError { mark, message });
        }
        self.open.push(Open { mark, anchor, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let open = self.open.pop().expect("the parser balances starts and ends");
        let value = match open.content {
            Content::List(nodes) => Value::List(nodes),
            Content::Map { mut entries, merges, .. } => {
                self.has_duplicates |= flag_duplicates(&mut entries);
                for merge in merges {
                    merge_into(&mut entries, merge)?;
                }
                Value::Map(entries)
            }
        };
        let node = Node { mark: open.mark, value };
        if open.anchor != 0 {
            // The copy counts: an anchor around a tree of aliases doubles it.
            self.spend(&node)?;
            self.anchors.insert(open.anchor, node.clone());
        }
        self.value(node)
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), YamlError> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let message = "this alias names an anchor that contains it".to_owned();
            return Err(YamlError { mark, message });
        };
        self.spend(&Node { mark, ..node.clone() })?;
        let node = Node { mark, ..node };
        if let Some(Open { content: Content::Map { key: key @ None, .. }, .. }) =
            self.open.last_mut()
        {
            let text = scalar::key_text(node.value)
                .ok_or_else(|| YamlError { mark, message: "this alias cannot be a key".into() })?;
            *key = Some(Key { mark, text, merges: false });
            return Ok(());
        }
        self.value(node)
    }

    fn spend(&mut self, copied: &Node<'s>) -> Result<(), YamlError> {
        self.alias_nodes += copied.size(ALIAS_NODES_MAX + 1);
        if self.alias_nodes > ALIAS_NODES_MAX {
            let message = format!(
                "aliases unfold to more than {ALIAS_NODES_MAX} values; write them out or use fewer"
            );
            return Err(YamlError { mark: copied.mark, message });
        }
        Ok(())
    }

    /// Adds a complete value to the list or map that is open, or as a document of its own.
    fn value(&mut self, node: Node<'s>) -> Result<(), YamlError> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => {
                let has_duplicates = std::mem::take(&mut self.has_duplicates);
                self.trees.push(Tree { root: node, has_duplicates });
            }
            Some(Content::List(nodes)) => nodes.push(node),
            Some(Content::Map { entries, key, merges }) => {
                let key = key.take().expect("a value follows its key");
                if key.merges {
                    merges.push(node);
                } else {
                    let Key { mark, text, .. } = key;
                    entries.push(Entry { mark, key: text, duplicate: false, node });
                }
            }
        }
        Ok(())
    }
}

/// Merges `<<: *anchor`: adds keys that the map does not have itself. Of several maps, the first
/// that has a key wins.
fn merge_into<'s>(entries: &mut Vec<Entry<'s>>, from: Node<'s>) -> Result<(), YamlError> {
    match from.value {
        Value::Map(more) => {
            for entry in more {
                if entries.iter().all(|own| own.key != entry.key) {
                    entries.push(Entry { duplicate: false, ..entry });
                }
            }
            Ok(())
        }
        Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => {
            nodes.into_iter().try_for_each(|node| merge_into(entries, node))
        }
        _ => Err(YamlError {
            mark: from.mark,
            message: "`<<` merges a mapping or a list of mappings".into(),
        }),
    }
}
