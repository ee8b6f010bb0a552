//! The query of a URL, read as Kubernetes reads it: flags, numbers, percent signs.

use cronlet_api::refused::Refused;

/// The `name=value` pairs after the question mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Query, Refused> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode_form(name)?, decode_form(value)?));
        }
        Ok(Query { pairs })
    }

    /// The first value of that name, empty values among them.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The first value of that name unless it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Kubernetes takes anything but `0` and `false` for true, even nothing at all (`?watch`).
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refused> {
        let read = |text: &str| {
            let why = |e| Refused::BadRequest(format!("invalid value {text:?} for {name}: {e}"));
            text.parse().map_err(why)
        };
        self.text(name).map(read).transpose()
    }

    /// `dryRun=All`
    pub(crate) fn dry_run(&self) -> Result<bool, Refused> {
        match self.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refused::BadRequest(format!(
                "dryRun: Unsupported value: {other:?}: supported values: \"All\""
            ))),
        }
    }
}

/// One segment of a URL's path.
pub(crate) fn decode_segment(text: &str) -> Result<String, Refused> {
    decode(text, false)
}

fn decode_form(text: &str) -> Result<String, Refused> {
    decode(text, true)
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, Refused> {
    let broken = || Refused::BadRequest(format!("invalid URL escape in {text:?}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = rest.next().and_then(hex_value).ok_or_else(broken)?;
                let low = rest.next().and_then(hex_value).ok_or_else(broken)?;
                bytes.push(high << 4 | low);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kubernetes_flags() {
        let check = |query: &str, want: bool| {
            assert_eq!(Query::parse(query).expect(query).flag("watch"), want, "{query}");
        };
        check("watch=1", true);
        check("watch=true&x=y", true);
        check("watch", true);
        check("watch=", true);
        check("watch=0", false);
        check("watch=False", false);
        check("", false);
    }

    #[test]
    fn values_are_unescaped() {
        let check = |query: &str, want: Option<&str>| {
            let value = Query::parse(query).ok().and_then(|q| q.get("a").map(str::to_owned));
            assert_eq!(value.as_deref(), want, "{query}");
        };
        check("a=b%20c+d%3d", Some("b c d="));
        check("b=1&a=2&a=3", Some("2"));
        check("a=%zz", None);
        check("a=%f", None);
        check("a=%ff", None);
        check("a=%+1", None);
    }

    #[test]
    fn numbers_must_be_numbers() {
        let limit = |query: &str| Query::parse(query).expect(query).number("limit");
        assert_eq!(limit("limit=500").ok(), Some(Some(500)));
        assert_eq!(limit("limit=").ok(), Some(None));
        assert_eq!(limit("limit=x").map_err(|r| r.code()), Err(400));
    }
}
