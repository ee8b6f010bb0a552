//! Tables as `kubectl get` shows them: the columns of each kind, one row an object.

use crate::time::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use std::collections::BTreeMap;

/// A column of a table (`meta.k8s.io/v1 TableColumnDefinition`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name in the API; kubectl prints it in capitals.
    pub name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub kind: &'static str,
    /// `name` for the object's name, else empty.
    pub format: &'static str,
    /// Greater than 0 if the column is shown only with `-o wide`.
    pub priority: i32,
}

/// The content of a row under a column.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Cell {
    Text(String),
    Number(i64),
}

/// The text that kubectl prints for a missing value.
pub const NONE: &str = "<none>";

impl Column {
    pub const fn name() -> Column {
        Column { name: "Name", kind: "string", format: "name", priority: 0 }
    }

    pub const fn text(name: &'static str) -> Column {
        Column { name, kind: "string", format: "", priority: 0 }
    }

    pub const fn number(name: &'static str) -> Column {
        Column { name, kind: "integer", format: "", priority: 0 }
    }

    /// Creates a text column that is shown only with `-o wide`.
    pub const fn wide(name: &'static str) -> Column {
        Column { name, kind: "string", format: "", priority: 1 }
    }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Number(number) => write!(f, "{number}"),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

/// Returns a text, or `<none>` if it is missing or empty.
pub fn or_none(text: Option<&str>) -> Cell {
    text.filter(|text| !text.is_empty()).unwrap_or(NONE).into()
}

/// Returns a cell with a number of things.
pub fn count(things: usize) -> Cell {
    Cell::Number(i64::try_from(things).unwrap_or(i64::MAX))
}

pub fn name(meta: &ObjectMeta) -> Cell {
    meta.name.as_deref().unwrap_or_default().into()
}

pub fn age(meta: &ObjectMeta, now: Timestamp) -> Cell {
    since(meta.creation_timestamp.as_ref(), now).into()
}

/// Returns the time since `time`, or `<unknown>`. The API has whole seconds, so a fraction that is
/// still in memory does not count.
pub fn since(time: Option<&Time>, now: Timestamp) -> String {
    let Some(time) = time else { return "<unknown>".to_owned() };
    let whole = Timestamp::from_second(time.0.as_second()).unwrap_or(time.0);
    human_duration(now.duration_since(whole))
}

/// Returns the names and images of a template's containers.
pub fn containers(template: &PodTemplateSpec) -> [Cell; 2] {
    let containers = template.spec.as_ref().map(|spec| spec.containers.as_slice());
    let containers = containers.unwrap_or_default();
    let names: Vec<&str> = containers.iter().map(|one| one.name.as_str()).collect();
    let images: Vec<&str> = containers.iter().filter_map(|one| one.image.as_deref()).collect();
    [names.join(",").into(), images.join(",").into()]
}

/// Formats labels as kubectl does (`FormatLabels`).
pub fn labels(labels: Option<&BTreeMap<String, String>>) -> Cell {
    let labels = labels.into_iter().flatten();
    let parts: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
    or_none(Some(&parts.join(",")))
}

/// Formats a selector as kubectl does (`FormatLabelSelector`).
pub fn selector(selector: Option<&LabelSelector>) -> Cell {
    let Some(selector) = selector else { return NONE.into() };
    let labels = selector.match_labels.iter().flatten();
    let mut parts: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
    for one in selector.match_expressions.iter().flatten() {
        let values = one.values.as_deref().unwrap_or_default().join(",");
        let key = &one.key;
        parts.push(match one.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.clone(),
        });
    }
    parts.sort();
    or_none(Some(&parts.join(",")))
}

/// Formats a duration as kubectl does (`duration.HumanDuration`): two or three significant digits.
pub fn human_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let two = |big: i64, unit: char, small: i64, small_unit: char| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        // A clock that is slightly behind is no error.
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn durations_read_as_kubectl_writes_them() {
        let check = |seconds: i64, want: &str| {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), want, "{seconds} s");
        };
        let (minute, hour, day) = (60, 3600, 86_400);
        check(-2, "<invalid>");
        check(-1, "0s");
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(149, "2m29s");
        check(10 * minute - 1, "9m59s");
        check(10 * minute + 1, "10m");
        check(3 * hour - 1, "179m");
        check(3 * hour, "3h");
        check(3 * hour + 5 * minute, "3h5m");
        check(8 * hour - 1, "7h59m");
        check(8 * hour + 59 * minute, "8h");
        check(48 * hour - 1, "47h");
        check(48 * hour, "2d");
        check(2 * day + hour, "2d1h");
        check(8 * day - 1, "7d23h");
        check(8 * day + hour, "8d");
        check(2 * 365 * day - 1, "729d");
        check(2 * 365 * day, "2y");
        check(2 * 365 * day + day, "2y1d");
        check(8 * 365 * day - 1, "7y364d");
        check(8 * 365 * day + day, "8y");
    }

    #[test]
    fn every_kind_has_a_cell_for_each_column() {
        for kind in Kind::ALL {
            let object = kind.read_json(br#"{"metadata": {"name": "x"}}"#);
            let object = object.expect("an empty object");
            let cells = object.cells(Timestamp::UNIX_EPOCH);
            assert_eq!(cells.len(), kind.columns().len(), "{kind:?}");
            assert!(cells.contains(&Cell::from("x")), "{kind:?} shows its name");
        }
    }
}
