//! Meaning of a plain YAML scalar: YAML 1.1 as in go-yaml v2, with which Kubernetes reads
//! manifests.
//!
//! `0644` and `0o644` are octal, `yes` and `on` are booleans, `1_000` is a number, a time is a
//! string.

use super::tree::Value;
use std::borrow::Cow;

/// Returns the value of a plain scalar without a tag.
pub(super) fn resolve(text: Cow<'_, str>) -> Value<'_> {
    let Some(&first) = text.as_bytes().first() else { return Value::Null };
    let found = match first {
        b'~' | b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(&text),
        b'.' => special_float(&text).or_else(|| go_float(&text)),
        b'+' | b'-' | b'0'..=b'9' => special_float(&text).or_else(|| number(&text)),
        _ => None,
    };
    found.unwrap_or(Value::Text(text))
}

/// Returns the value under an explicit tag of the core schema (`!!str`, `!!int`, …); the error
/// names what does not fit.
pub(super) fn resolve_tagged<'s>(text: Cow<'s, str>, tag: &str) -> Result<Value<'s>, String> {
    match tag {
        "str" => return Ok(Value::Text(text)),
        "binary" => return binary(&text).map(|text| Value::Text(Cow::Owned(text))),
        _ => {}
    }
    let shown = text.clone().into_owned();
    match (tag, resolve(text)) {
        ("float", Value::Integer(whole)) => Ok(float(whole as f64)),
        ("null", value @ Value::Null)
        | ("bool", value @ Value::Bool(_))
        | ("int", value @ (Value::Integer(_) | Value::Unsigned(_)))
        | ("float", value @ (Value::Float(_) | Value::Unsigned(_)))
        | ("timestamp", value @ Value::Text(_)) => Ok(value),
        ("null" | "bool" | "int" | "float" | "timestamp", _) => {
            Err(format!("cannot read {shown:?} as !!{tag}"))
        }
        // go-yaml reads a scalar with an unknown tag as a string.
        _ => Ok(Value::Text(Cow::Owned(shown))),
    }
}

/// Returns a map key as in JSON: numbers and booleans become their text.
pub(super) fn key_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Text(text) => text,
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Unsigned(number) => Cow::Owned(number.to_string()),
        Value::Float(number) => Cow::Owned(number.to_string()),
        Value::Bool(flag) => Cow::Borrowed(if flag { "true" } else { "false" }),
        Value::Null | Value::List(_) | Value::Map(_) => return None,
    })
}

fn word(text: &str) -> Option<Value<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => return None,
    })
}

fn special_float(text: &str) -> Option<Value<'static>> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Value::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

/// Parses integers in any base and floats. Text that looks like a time (`2001-12-14`) is none of
/// these, so it stays a string.
fn number(text: &str) -> Option<Value<'static>> {
    let plain: Cow<'_, str> =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, &plain[..]),
    };
    integer(negative, digits).or_else(|| is_float(digits).then(|| go_float(&plain)).flatten())
}

fn integer(negative: bool, digits: &str) -> Option<Value<'static>> {
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| (digit as char).is_digit(base)) {
        return None;
    }
    match u64::from_str_radix(digits, base) {
        Ok(number) if negative => 0i64.checked_sub_unsigned(number).map(Value::Integer),
        Ok(number) => Some(i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer)),
        Err(_) => None,
    }
}

/// True if the digits are `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with or without an exponent.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => {
            all_digits(whole) && all_digits(part) && !(whole.is_empty() && part.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    mantissa_fits && exponent_fits
}

fn go_float(text: &str) -> Option<Value<'static>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_float(digits) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(float)
}

/// Returns a float, or an integer if it is whole, as on the way through JSON (`1.0` is written
/// `1`).
fn float(number: f64) -> Value<'static> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        Value::Integer(number as i64)
    } else {
        Value::Float(number)
    }
}

fn binary(text: &str) -> Result<String, String> {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    let packed: String = text.split_whitespace().collect();
    let from: serde::de::value::StringDeserializer<serde::de::value::Error> =
        packed.into_deserializer();
    let bytes = k8s_openapi::ByteString::deserialize(from)
        .map_err(|_| "!!binary holds what is not base64".to_owned())?;
    Ok(String::from_utf8_lossy(&bytes.0).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_yaml_1_1() {
        let check = |text: &str, want: Value<'_>| {
            assert_eq!(resolve(Cow::Borrowed(text)), want, "{text}");
        };
        for (text, number) in [
            ("0644", 0o644),
            ("0o644", 0o644),
            ("-0644", -0o644),
            ("0x1F", 31),
            ("0b101", 5),
            ("1_000", 1000),
            ("+7", 7),
            ("1e3", 1000),
            ("1.0", 1),
            ("-9223372036854775808", i64::MIN),
        ] {
            check(text, Value::Integer(number));
        }
        for text in ["y", "Yes", "ON", "true"] {
            check(text, Value::Bool(true));
        }
        for text in ["n", "No", "off", "FALSE"] {
            check(text, Value::Bool(false));
        }
        for text in ["", "~", "null", "Null"] {
            check(text, Value::Null);
        }
        check(".5", Value::Float(0.5));
        check("1.5e-3", Value::Float(0.0015));
        check(".inf", Value::Float(f64::INFINITY));
        check("18446744073709551615", Value::Unsigned(u64::MAX));
        for text in [
            "2001-12-14",
            "1:30",
            "12h",
            "089x",
            "yEs",
            "tRue",
            "0x",
            "1e",
            ".",
            "-",
            "+",
            "..",
            "1.2.3",
            "on ",
            "0xZ",
            "inf",
            "nan",
            "--1",
        ] {
            check(text, Value::Text(Cow::Borrowed(text)));
        }
        // Not octal, but a float to go-yaml.
        check("089", Value::Integer(89));
    }

    #[test]
    fn tags_are_obeyed() {
        let check = |text: &'static str, tag: &str, want: Option<Value<'static>>| {
            assert_eq!(resolve_tagged(Cow::Borrowed(text), tag).ok(), want, "!!{tag} {text}");
        };
        check("5", "str", Some(Value::Text("5".into())));
        check("5", "float", Some(Value::Integer(5)));
        check("aGk=", "binary", Some(Value::Text("hi".into())));
        check("%%", "binary", None);
        check("x", "int", None);
        check("yes", "bool", Some(Value::Bool(true)));
        check("5", "mine", Some(Value::Text("5".into())));
    }
}
