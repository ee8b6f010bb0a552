//! Writes JSON values as YAML, the way kubectl prints it: keys sorted, lists not indented, quotes
//! where a plain word would be read as something else.
//!
//! The YAML crates that still have a keeper either bind C or read what they write by other rules
//! than YAML 1.1, which Kubernetes reads; this is small enough to be exact.

use serde_json::Value;

/// One document, ended by a line break.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => write_fields(&mut out, fields, 0, true),
        Value::Array(items) if !items.is_empty() => write_items(&mut out, items, 0),
        scalar => {
            write_scalar(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

/// `inline`: the first field goes on the line that is open, behind `- `.
fn write_fields(
    out: &mut String,
    fields: &serde_json::Map<String, Value>,
    indent: usize,
    inline: bool,
) {
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 || !inline {
            push_spaces(out, indent);
        }
        write_text(out, name, None);
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                write_fields(out, inner, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                write_items(out, items, indent);
            }
            scalar => {
                out.push(' ');
                write_scalar(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn write_items(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        push_spaces(out, indent);
        out.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => {
                write_fields(out, fields, indent + 2, true);
            }
            Value::Array(inner) if !inner.is_empty() => {
                let mut nested = String::new();
                write_items(&mut nested, inner, indent + 2);
                out.push_str(&nested[indent + 2..]);
            }
            scalar => {
                write_scalar(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(out, text, Some(indent)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// `block_indent`: where the lines of a literal block start; `None` for keys, which have no blocks.
fn write_text(out: &mut String, text: &str, block_indent: Option<usize>) {
    if let Some(indent) = block_indent
        && fits_block(text)
    {
        write_block(out, text, indent);
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        // A JSON string is a YAML double-quoted one, but for the line breaks that only YAML knows.
        let quoted = Value::from(text).to_string();
        for c in quoted.chars() {
            match c {
                '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                    out.push_str(&format!("\\u{:04x}", c as u32));
                }
                plain => out.push(plain),
            }
        }
    }
}

/// Lines of plain text; what ends in blank space or starts with it could not be told from
/// indentation.
fn fits_block(text: &str) -> bool {
    let plain = |c: char| c == '\n' || (c >= ' ' && !('\u{7f}'..='\u{9f}').contains(&c));
    let odd = ['\u{2028}', '\u{2029}', '\u{feff}'];
    let body = text.strip_suffix('\n').unwrap_or(text);
    text.contains('\n')
        && text.chars().all(|c| plain(c) && !odd.contains(&c))
        && !body.starts_with([' ', '\n'])
        && !body.ends_with([' ', '\n'])
        && !body.is_empty()
        && !text.contains(" \n")
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            push_spaces(out, indent);
            out.push_str(line);
        }
    }
}

/// May the text stand without quotes and still be read as that text, by YAML 1.1 and 1.2 alike?
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || " _-./,()<>=+@$;%^~'\"!?*&|\\:#".contains(c);
    starts_plainly(text)
        && text.chars().all(inner)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !text.contains(" #")
        && !is_word(text)
}

fn starts_plainly(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next().unwrap_or(' ');
    match first {
        // Letters that no number, date or infinity has.
        '0'..='9' => text.contains(|c: char| "ghjklmpqrsuvwyGHJKLMPQRSUVWY/".contains(c)),
        '-' | '.' => second.is_ascii_alphabetic() && !is_word(&text[1..]),
        '/' | '_' => true,
        '<' => second != '<',
        letter => letter.is_ascii_alphabetic(),
    }
}

/// What YAML 1.1 reads as null, a truth value or, behind a dot, a special number.
fn is_word(text: &str) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "inf", "nan"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_read_as_kubectl_prints_them() {
        let value = json!({
            "b": {"list": [{"name": "x", "args": ["-c", "echo 1"]}, {}], "empty": {}, "none": []},
            "a": "one\ntwo\n",
            "nested": [[1, 2], [3]],
        });
        let want = "\
a: |
  one
  two
b:
  empty: {}
  list:
  - args:
    - -c
    - echo 1
    name: x
  - {}
  none: []
nested:
- - 1
  - 2
- - 3
";
        assert_eq!(document(&value), want);
    }

    #[test]
    fn what_would_be_read_as_something_else_is_quoted() {
        let check =
            |text: &str, want: &str| assert_eq!(document(&json!(text)), format!("{want}\n"));
        check("busybox:1.28", "busybox:1.28");
        check("/bin/sh", "/bin/sh");
        check("10m", "10m");
        check("0/1", "0/1");
        check("a: b", r#""a: b""#);
        check("a #b", r#""a #b""#);
        check("* * * * *", r#""* * * * *""#);
        check("0644", r#""0644""#);
        check("1e3", r#""1e3""#);
        check("0x1F", r#""0x1F""#);
        check("2026-11-23T11:08:00Z", r#""2026-11-23T11:08:00Z""#);
        check("Yes", r#""Yes""#);
        check("n", r#""n""#);
        check("~", r#""~""#);
        check("", r#""""#);
        check(".inf", r#"".inf""#);
        check("-1", r#""-1""#);
        check("---", r#""---""#);
        check("x ", r#""x ""#);
        check("ä", r#""ä""#);
        check("bell\u{7}", r#""bell\u0007""#);
        check("a\u{2028}b", r#""a\u2028b""#);
        check(" lead\nline", r#"" lead\nline""#);
        check("two\n\n", r#""two\n\n""#);
    }

    /// A ConfigMap whose data are these texts, by way of YAML and this program's own reader.
    fn read_again(texts: &[String]) -> Vec<String> {
        let keys = (0..texts.len()).map(|i| format!("key{i:03}"));
        let data: serde_json::Map<_, _> =
            keys.zip(texts).map(|(key, text)| (key, json!(text))).collect();
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" }, "data": data,
        });
        let yaml = document(&map);
        let mut documents = cronlet_api::manifest::read(yaml.as_bytes(), "yaml");
        let read = documents.pop().expect("one document");
        let read = read.unwrap_or_else(|error| panic!("{}\n{yaml}", error.report()));
        assert!(documents.is_empty(), "{yaml}");
        let cronlet_api::kind::Object::ConfigMap(map) = read.object else { panic!("{yaml}") };
        map.data.iter().flatten().map(|(_, text)| text.clone()).collect()
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(texts in proptest::collection::vec(".{0,12}", 1..8)) {
            proptest::prop_assert_eq!(read_again(&texts), texts);
        }

        #[test]
        fn odd_text_comes_back(
            texts in proptest::collection::vec(
                "[-?:#&*!|>%@`'\"{}, .0-9eExXoOyYnN~=<\\n\\t]{0,9}",
                1..8,
            ),
        ) {
            proptest::prop_assert_eq!(read_again(&texts), texts);
        }
    }
}
