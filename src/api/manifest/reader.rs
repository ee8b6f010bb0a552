//! A serde `Deserializer` over a tree: serde passes it each struct's fields, so unknown ones are
//! found with their place.
//!
//! It is as lenient as Go: `null` is the zero value of any expected type. Every other value must
//! have the expected type.

use super::tree::{Entry, Node, Value};
use crate::quantity::Quantity;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::cell::RefCell;
use std::fmt::{self, Display};

/// The findings of one pass over a tree besides the object.
#[derive(Default)]
pub(super) struct Findings<'t, 's> {
    pub unknown: RefCell<Vec<Unknown<'t, 's>>>,
    /// Nodes that an earlier pass could not read: they are read as null, to find the next problem.
    pub skipped: Vec<*const ()>,
}

/// A field that its struct does not have.
pub(super) struct Unknown<'t, 's> {
    pub entry: &'t Entry<'s>,
    /// The fields that the struct has.
    pub known: &'static [&'static str],
}

/// Deserializer of `node` and everything below it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t, 's> {
    pub node: &'t Node<'s>,
    pub findings: &'t Findings<'t, 's>,
    /// True if `node` is the object itself: its `apiVersion` and `kind` were read before.
    pub is_root: bool,
}

/// A value of the wrong type, or one that the type refuses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReadError {
    pub message: String,
    /// The address of the innermost node that was being read when the error occurred.
    pub node: *const (),
}

impl std::error::Error for ReadError {}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        ReadError { message: message.to_string(), node: std::ptr::null() }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        de::Error::custom(format_args!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        de::Error::custom(format_args!("expected {expected}, found {found}"))
    }
}

impl<'t, 's> Reader<'t, 's> {
    fn below(&self, node: &'t Node<'s>) -> Reader<'t, 's> {
        Reader { node, findings: self.findings, is_root: false }
    }

    fn address(&self) -> *const () {
        (self.node as *const Node<'s>).cast()
    }

    fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null) || self.findings.skipped.contains(&self.address())
    }

    /// Records this node as the place of the error, unless a node further in is recorded.
    fn located<T>(&self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|mut error| {
            if error.node.is_null() {
                error.node = self.address();
            }
            error
        })
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            _ if self.is_null() => visitor.visit_unit(),
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Unsigned(number) => visitor.visit_u64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(nodes) => visitor.visit_seq(List { reader: self, nodes: nodes.iter() }),
            Value::Map(entries) => visitor.visit_map(self.map(entries, None)),
        }
    }

    /// Returns the text of a quantity, which may be written as a number, too. One that cannot be
    /// read is an error at its place.
    fn quantity(&self) -> Result<String, ReadError> {
        let text = match &self.node.value {
            _ if self.is_null() => "0".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Unsigned(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Text(text) => text.trim().to_owned(),
            _ => {
                let noun = self.node.noun();
                return Err(de::Error::custom(format_args!("expected a quantity, found {noun}")));
            }
        };
        match text.parse::<Quantity>() {
            Ok(_) => Ok(text),
            Err(error) => Err(de::Error::custom(error)),
        }
    }

    fn map(self, entries: &'t [Entry<'s>], known: Option<&'static [&'static str]>) -> Map<'t, 's> {
        Map { reader: self, entries: entries.iter(), node: None, known }
    }
}

/// Methods for types that have a zero value, which null stands for.
macro_rules! or_zero {
    ($($method:ident: $visit:ident($zero:expr);)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.located(if self.is_null() { visitor.$visit($zero) } else { self.any(visitor) })
        })*
    };
}

impl<'de, 't, 's> Deserializer<'de> for Reader<'t, 's> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(self.any(visitor))
    }

    or_zero! {
        deserialize_bool: visit_bool(false);
        deserialize_i8: visit_i64(0);
        deserialize_i16: visit_i64(0);
        deserialize_i32: visit_i64(0);
        deserialize_i64: visit_i64(0);
        deserialize_u8: visit_u64(0);
        deserialize_u16: visit_u64(0);
        deserialize_u32: visit_u64(0);
        deserialize_u64: visit_u64(0);
        deserialize_f32: visit_f64(0.0);
        deserialize_f64: visit_f64(0.0);
        deserialize_string: visit_str("");
    }

    /// Reads a string. Among Kubernetes' types only bytes call this: base64, perhaps with line
    /// ends.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(match &self.node.value {
            _ if self.is_null() => visitor.visit_str(""),
            Value::Text(text) if is_broken_base64(text) => {
                visitor.visit_str(&text.replace(['\r', '\n'], ""))
            }
            _ => self.any(visitor),
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(match name {
            "Quantity" => self.quantity().and_then(|text| {
                let text: de::value::StringDeserializer<ReadError> =
                    de::IntoDeserializer::into_deserializer(text);
                visitor.visit_newtype_struct(text)
            }),
            _ => visitor.visit_newtype_struct(self),
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let empty = List { reader: self, nodes: [].iter() };
        self.located(if self.is_null() { visitor.visit_seq(empty) } else { self.any(visitor) })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let empty = self.map(&[], None);
        self.located(if self.is_null() { visitor.visit_map(empty) } else { self.any(visitor) })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(match &self.node.value {
            _ if self.is_null() => visitor.visit_map(self.map(&[], None)),
            Value::Map(entries) => visitor.visit_map(self.map(entries, Some(fields))),
            _ => Err(de::Error::custom(format_args!(
                "expected a mapping, found {}",
                self.node.noun()
            ))),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    /// Reads a variant without a value: a word. The configuration has no others.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(match &self.node.value {
            Value::Text(text) => {
                let word: de::value::StrDeserializer<'_, ReadError> =
                    de::IntoDeserializer::into_deserializer(&**text);
                visitor.visit_enum(word)
            }
            _ => {
                let noun = self.node.noun();
                Err(de::Error::custom(format_args!("expected a string, found {noun}")))
            }
        })
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// True if the text is base64 with line ends. A time has other letters, and no line ends.
fn is_broken_base64(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte);
    text.contains(['\r', '\n']) && text.bytes().all(is_known)
}

struct List<'t, 's> {
    reader: Reader<'t, 's>,
    nodes: std::slice::Iter<'t, Node<'s>>,
}

impl<'de> SeqAccess<'de> for List<'_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        self.nodes.next().map(|node| seed.deserialize(self.reader.below(node))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.nodes.len())
    }
}

struct Map<'t, 's> {
    reader: Reader<'t, 's>,
    entries: std::slice::Iter<'t, Entry<'s>>,
    /// The value of the key that was returned last.
    node: Option<&'t Node<'s>>,
    /// The fields of a struct; `None` for a map with free keys.
    known: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Map<'_, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        for entry in self.entries.by_ref() {
            if self.reader.is_root && matches!(&*entry.key, "apiVersion" | "kind") {
                continue;
            }
            if let Some(known) = self.known.filter(|known| !known.contains(&&*entry.key)) {
                self.reader.findings.unknown.borrow_mut().push(Unknown { entry, known });
                continue;
            }
            self.node = Some(&entry.node);
            let key: de::value::StrDeserializer<'_, ReadError> =
                de::IntoDeserializer::into_deserializer(&*entry.key);
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let node = self.node.take().expect("a key was given out before its value");
        seed.deserialize(self.reader.below(node))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}
