//! Bodies in protocol buffers, which clients that are written in Go like to send (`kubectl create
//! job`), read as the JSON that they stand for.
//!
//! Answers are JSON always: those clients take it too.

mod wire;

use crate::protobuf::wire::{Malformed, Reader, Scalar};
use cronlet_api::refused::Refused;
use cronlet_api::time::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What a body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Deeper than any of Kubernetes' objects.
const DEPTH_MAX: usize = 32;

/// Kubernetes' messages: the numbers of their fields with names and types as in JSON. `*` is before
/// the type of what may come several times, `%` before that of a map's values; `-` stands for the
/// name where the fields of the inner message are the outer one's in JSON.
static MESSAGES: LazyLock<HashMap<&str, Message>> =
    LazyLock::new(|| read_table(include_str!("messages.txt")));

type Message = HashMap<u32, Field>;

struct Field {
    name: &'static str,
    kind: &'static str,
    many: Many,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Many {
    One,
    List,
    Map,
}

fn read_table(text: &'static str) -> HashMap<&'static str, Message> {
    let mut messages: HashMap<&str, Message> = HashMap::new();
    let mut current = "";
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !line.starts_with(' ') {
            current = words.next().expect("a message has a name");
        }
        let message = messages.entry(current).or_default();
        for word in words {
            let mut parts = word.splitn(3, ':');
            let mut part = || parts.next().expect("a field has a number, a name and a type");
            let number = part().parse().expect("a number");
            let (name, kind) = (part(), part());
            let (many, kind) = match (kind.strip_prefix('*'), kind.strip_prefix('%')) {
                (Some(kind), _) => (Many::List, kind),
                (_, Some(kind)) => (Many::Map, kind),
                _ => (Many::One, kind),
            };
            message.insert(number, Field { name, kind, many });
        }
    }
    messages
}

/// The JSON of a body.
pub(crate) fn to_json(body: &[u8]) -> Result<Vec<u8>, Refused> {
    let value = object(body).map_err(|Malformed(why)| {
        Refused::BadRequest(format!("the body cannot be read as a protocol buffer: {why}"))
    })?;
    Ok(value.to_string().into_bytes())
}

/// `runtime.Unknown`: the type's name, and the object's own bytes.
fn object(body: &[u8]) -> Result<Value, Malformed> {
    let unknown =
        body.strip_prefix(MAGIC).ok_or(Malformed("it does not begin with k8s and NUL"))?;
    let (mut api_version, mut kind, mut raw): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut fields = Reader::new(unknown);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => {
                let mut names = Reader::new(value.bytes()?);
                while let Some((number, value)) = names.next()? {
                    match number {
                        1 => api_version = value.bytes()?,
                        2 => kind = value.bytes()?,
                        _ => {}
                    }
                }
            }
            2 => raw = value.bytes()?,
            _ => {}
        }
    }
    let (api_version, kind) = (wire::text(api_version)?, wire::text(kind)?);
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    let message = MESSAGES.get(kind).ok_or(Malformed("nothing is known of its kind"))?;
    read(message, raw, &mut object, DEPTH_MAX)?;
    Ok(Value::Object(object))
}

/// Adds the fields of a message to an object; what the table does not name is left out.
fn read(
    message: &Message,
    bytes: &[u8],
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), Malformed> {
    let mut fields = Reader::new(bytes);
    while let Some((number, found)) = fields.next()? {
        let Some(field) = message.get(&number) else { continue };
        if field.name == "-" {
            let inner = MESSAGES.get(field.kind).expect("the table is whole");
            read(inner, found.bytes()?, object, depth)?;
            continue;
        }
        match field.many {
            Many::One => {
                if let Some(value) = value(field.kind, &found, depth)? {
                    object.insert(field.name.to_owned(), value);
                }
            }
            Many::List => {
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                let list = list.as_array_mut().expect("a list by the table");
                list.extend(value(field.kind, &found, depth)?);
            }
            Many::Map => {
                let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                let map = map.as_object_mut().expect("a map by the table");
                map.extend(entry(field.kind, found.bytes()?, depth)?);
            }
        }
    }
    Ok(())
}

fn entry(kind: &str, bytes: &[u8], depth: usize) -> Result<Option<(String, Value)>, Malformed> {
    let mut key = String::new();
    let mut held = value(kind, &Scalar::Bytes(&[]), depth)?;
    let mut fields = Reader::new(bytes);
    while let Some((number, found)) = fields.next()? {
        match number {
            1 => key = wire::text(found.bytes()?)?.to_owned(),
            2 => held = value(kind, &found, depth)?,
            _ => {}
        }
    }
    Ok(held.map(|value| (key, value)))
}

/// One value; `None` where nothing is the same as its absence.
fn value(kind: &str, found: &Scalar, depth: usize) -> Result<Option<Value>, Malformed> {
    Ok(Some(match kind {
        "string" => wire::text(found.bytes()?)?.into(),
        "text" => match wire::text(found.bytes()?)? {
            "" => return Ok(None),
            text => text.into(),
        },
        "bytes" => {
            let bytes = ByteString(found.bytes()?.to_vec());
            serde_json::to_value(bytes).expect("bytes are a string in base64")
        }
        "int" => found.integer()?.into(),
        "bool" => (found.integer()? != 0).into(),
        "Quantity" => text_of(found.bytes()?, 1, "0")?.into(),
        "Time" | "MicroTime" => return time(found.bytes()?),
        "IntOrString" => int_or_string(found.bytes()?)?,
        _ => {
            let message = MESSAGES.get(kind).ok_or(Malformed("it holds what is not understood"))?;
            let depth = depth.checked_sub(1).ok_or(Malformed("it is too deep"))?;
            let mut object = Map::new();
            read(message, found.bytes()?, &mut object, depth)?;
            object.into()
        }
    }))
}

/// Seconds and nanoseconds; the zero time has neither.
fn time(bytes: &[u8]) -> Result<Option<Value>, Malformed> {
    let of = |number| wire::first(bytes, number)?.map(|one| one.integer()).transpose();
    let (Some(seconds), nanoseconds) = (of(1)?, of(2)?) else { return Ok(None) };
    let nanoseconds = i32::try_from(nanoseconds.unwrap_or(0)).unwrap_or(0);
    let at = Timestamp::new(seconds, nanoseconds);
    Ok(Some(at.map_err(|_| Malformed("a time is out of range"))?.to_string().into()))
}

fn text_of<'a>(bytes: &'a [u8], number: u32, otherwise: &'a str) -> Result<&'a str, Malformed> {
    match wire::first(bytes, number)? {
        Some(text) => wire::text(text.bytes()?),
        None => Ok(otherwise),
    }
}

fn int_or_string(bytes: &[u8]) -> Result<Value, Malformed> {
    let of = |number| wire::first(bytes, number);
    let is_text = of(1)?.map_or(Ok(0), |kind| kind.integer())? == 1;
    Ok(match is_text {
        true => text_of(bytes, 3, "")?.into(),
        false => of(2)?.map_or(Ok(0), |number| number.integer())?.into(),
    })
}
