//! The downward API: what `fieldRef` and `resourceFieldRef` read.

use super::address;
use super::launch::Problem;
use cronlet_api::quantity::Quantity;
use cronlet_api::settings::Settings;
use k8s_openapi::api::core::v1::{
    Container, ObjectFieldSelector, Pod, PodSpec, ResourceFieldSelector,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The value of a field of the pod, as Kubernetes prints it.
pub fn field(
    pod: &Pod,
    settings: &Settings,
    selector: &ObjectFieldSelector,
) -> Result<String, Problem> {
    let path = selector.field_path.as_str();
    if let Some((map, key)) = subscript(path) {
        let map = match map {
            "metadata.labels" => &pod.metadata.labels,
            "metadata.annotations" => &pod.metadata.annotations,
            _ => return Err(unsupported(path)),
        };
        return Ok(map.as_ref().and_then(|map| map.get(key)).cloned().unwrap_or_default());
    }
    let spec = pod.spec.as_ref();
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    Ok(match path {
        "metadata.name" => text(pod.metadata.name.as_ref()),
        "metadata.namespace" => text(pod.metadata.namespace.as_ref()),
        "metadata.uid" => text(pod.metadata.uid.as_ref()),
        "metadata.labels" => lines(pod.metadata.labels.as_ref()),
        "metadata.annotations" => lines(pod.metadata.annotations.as_ref()),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.hostIP" | "status.hostIPs" => settings.host_ip.clone(),
        "status.podIP" | "status.podIPs" => address::of(pod, settings),
        _ => return Err(unsupported(path)),
    })
}

/// `metadata.labels['key']` in two.
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

fn unsupported(path: &str) -> Problem {
    Problem::config(format!("unsupported fieldPath: {path}"))
}

/// A map as lines of `key="value"`, in the order of the keys, without a newline at the end.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let mut output = String::new();
    for (key, value) in map.into_iter().flatten() {
        let newline = if output.is_empty() { "" } else { "\n" };
        write!(output, "{newline}{key}={}", quoted(value)).expect("writing to a String");
    }
    output
}

/// As Go's `%q`.
fn quoted(value: &str) -> String {
    let mut output = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\u{7}' => output.push_str("\\a"),
            '\u{8}' => output.push_str("\\b"),
            '\u{b}' => output.push_str("\\v"),
            '\u{c}' => output.push_str("\\f"),
            '\0'..' ' | '\u{7f}' => {
                write!(output, "\\x{:02x}", letter as u32).expect("writing to a String");
            }
            '\u{80}'..='\u{a0}' | '\u{ad}' => {
                write!(output, "\\u{:04x}", letter as u32).expect("writing to a String");
            }
            _ => output.push(letter),
        }
    }
    output.push('"');
    output
}

/// The value of a container's resource in units of the divisor, rounded up. What has no limit may
/// use the whole host.
pub fn resource(
    spec: &PodSpec,
    container: &Container,
    settings: &Settings,
    selector: &ResourceFieldSelector,
) -> Result<String, Problem> {
    let container = match selector.container_name.as_deref().filter(|name| !name.is_empty()) {
        None => container,
        Some(name) => spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .find(|container| container.name == name)
            .ok_or_else(|| Problem::config(format!("container {name} not found")))?,
    };
    let amount = amount(container, settings, &selector.resource)?;
    let divisor = match &selector.divisor {
        Some(divisor) => parse(&divisor.0)?,
        None => Quantity::ZERO,
    };
    let one = parse("1")?;
    let divisor = if divisor.is_zero() { one } else { divisor };
    let whole = amount.divided_by(&divisor).unwrap_or_default();
    Ok(whole.to_string())
}

fn amount(container: &Container, settings: &Settings, resource: &str) -> Result<Quantity, Problem> {
    let unknown = || Problem::config(format!("Unsupported container resource : {resource}"));
    let (map, name) = resource.split_once('.').ok_or_else(unknown)?;
    let resources = container.resources.as_ref();
    let map = match map {
        "limits" => resources.and_then(|resources| resources.limits.as_ref()),
        "requests" => resources.and_then(|resources| resources.requests.as_ref()),
        _ => return Err(unknown()),
    };
    if let Some(quantity) = map.and_then(|map| map.get(name)) {
        return parse(&quantity.0);
    }
    match resource {
        "limits.cpu" => parse(&format!("{}m", settings.host_cpu_millis)),
        "limits.memory" => parse(&settings.host_memory_bytes.to_string()),
        _ => Ok(Quantity::ZERO),
    }
}

fn parse(text: &str) -> Result<Quantity, Problem> {
    text.parse().map_err(|why| Problem::config(format!("{text:?}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_quoted_as_go_quotes() {
        let check = |value: &str, want: &str| {
            let map = BTreeMap::from([("k".to_owned(), value.to_owned())]);
            assert_eq!(lines(Some(&map)), format!("k={want}"));
        };
        check("plain 'x' ü", r#""plain 'x' ü""#);
        check("a\"b\\c", r#""a\"b\\c""#);
        check("\n\r\t\u{7}\u{8}\u{b}\u{c}", r#""\n\r\t\a\b\v\f""#);
        check("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#);
        check("\u{85}\u{a0}", r#""\u0085\u00a0""#);
        assert_eq!(lines(None), "");
    }
}
