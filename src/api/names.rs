//! The grammars of names: what Kubernetes accepts as a label, subdomain, port name, key or number
//! of a kind.
//!
//! Each function returns the faults of a value in Kubernetes' own words, none when it is well
//! formed. A value can have two faults (too long and ill formed); the API server reports each as a
//! cause of its own.

use std::net::IpAddr;

/// The faults of a value, in Kubernetes' words; empty if it is accepted.
pub type Faults = Vec<String>;

const LABEL_LENGTH_MAX: usize = 63;
const SUBDOMAIN_LENGTH_MAX: usize = 253;
const PORT_NAME_LENGTH_MAX: usize = 15;

const DNS_LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// Checks a label of DNS by RFC 1123, such as a container's name.
pub fn dns_label(value: &str) -> Faults {
    let mut faults = longer_than(LABEL_LENGTH_MAX, value);
    if is_dns_label(value) {
        return faults;
    }
    faults.push(if is_dns_subdomain(value) {
        "must not contain dots".to_owned()
    } else {
        ill_formed(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
             and must start and end with an alphanumeric character",
            DNS_LABEL,
            &["my-name", "123-abc"],
        )
    });
    faults
}

/// Checks labels of DNS joined by dots, such as the name of most objects.
pub fn dns_subdomain(value: &str) -> Faults {
    let mut faults = longer_than(SUBDOMAIN_LENGTH_MAX, value);
    if !is_dns_subdomain(value) {
        faults.push(ill_formed(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
            &format!("{DNS_LABEL}(\\.{DNS_LABEL})*"),
            &["example.com"],
        ));
    }
    faults
}

/// Checks a part of a path, such as the name of an Event.
pub fn path_segment(value: &str) -> Faults {
    if [".", ".."].contains(&value) {
        return vec![format!("may not be '{value}'")];
    }
    let illegal = ["/", "%"].into_iter().filter(|illegal| value.contains(illegal));
    illegal.map(|illegal| format!("may not contain '{illegal}'")).collect()
}

/// Checks a subdomain whose labels may hold underscores, as those of DNS search domains do.
pub fn dns_subdomain_with_underscore(value: &str) -> Faults {
    let mut faults = longer_than(SUBDOMAIN_LENGTH_MAX, value);
    let is_label = |label: &str| {
        let bare = label.strip_prefix('_').unwrap_or(label);
        is_word(bare, is_lower_or_digit, |byte| is_lower_or_digit(byte) || b"-_".contains(&byte))
    };
    if !value.split('.').all(is_label) {
        let label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
        faults.push(ill_formed(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '_', '-' or '.', and must start and end with an alphanumeric character",
            &format!("{label}(\\.{label})*"),
            &["example.com"],
        ));
    }
    faults
}

/// Checks a label of DNS by RFC 1035, such as the name of a Service: like [`dns_label`], but a
/// letter comes first.
pub fn dns_1035_label(value: &str) -> Faults {
    let mut faults = longer_than(LABEL_LENGTH_MAX, value);
    if !is_dns_label(value) || value.starts_with(|c: char| c.is_ascii_digit()) {
        faults.push(ill_formed(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    faults
}

/// Masks a trailing dash of `metadata.generateName` for a check: the random suffix will follow it.
pub fn mask_trailing_dash(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let kept: String = rest.chars().take(rest.chars().count() - 1).collect();
            kept + "a"
        }
        _ => prefix.to_owned(),
    }
}

/// Checks the key of a label or annotation: a name with an optional subdomain and slash before it.
pub fn qualified_name(value: &str) -> Faults {
    let mut faults = Faults::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        ["", name] => {
            faults.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            faults.extend(dns_subdomain(prefix).iter().map(|fault| format!("prefix part {fault}")));
            name
        }
        _ => {
            let form = name_ill_formed();
            return vec![format!(
                "a valid label key {form} with an optional DNS subdomain prefix and '/' (e.g. \
                 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    }
    faults.extend(longer_than(LABEL_LENGTH_MAX, name).iter().map(|f| format!("name part {f}")));
    if !is_plain_name(name) {
        faults.push(format!("name part {}", name_ill_formed()));
    }
    faults
}

/// Checks the value of a label; it may be empty.
pub fn label_value(value: &str) -> Faults {
    let mut faults = longer_than(LABEL_LENGTH_MAX, value);
    if !value.is_empty() && !is_plain_name(value) {
        faults.push(ill_formed(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' \
             or '.', and must start and end with an alphanumeric character",
            &format!("({QUALIFIED_NAME})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    faults
}

/// Checks the name of a port (`IANA_SVC_NAME`).
pub fn port_name(value: &str) -> Faults {
    let mut faults = longer_than(PORT_NAME_LENGTH_MAX, value);
    let rules = [
        (
            !value.is_empty() && value.bytes().all(|b| is_lower_or_digit(b) || b == b'-'),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            value.bytes().any(|byte| byte.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        (!value.contains("--"), "must not contain consecutive hyphens"),
        (!value.starts_with('-') && !value.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    faults.extend(rules.iter().filter(|(holds, _)| !holds).map(|(_, fault)| (*fault).to_owned()));
    faults
}

/// Checks the name of an environment variable: any printable ASCII but `=` (the rule since
/// Kubernetes 1.34).
pub fn environment_variable(value: &str) -> Faults {
    if value.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=') {
        return Faults::new();
    }
    vec![
        "a valid environment variable name must consist only of printable ASCII characters other \
         than '='"
            .to_owned(),
    ]
}

/// Checks an identifier of C.
pub fn c_identifier(value: &str) -> Faults {
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Faults::new();
    }
    vec![ill_formed(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of \
         alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// Checks a key of a ConfigMap or Secret, which becomes a file's name.
pub fn config_map_key(value: &str) -> Faults {
    let mut faults = longer_than(SUBDOMAIN_LENGTH_MAX, value);
    let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_key_byte) {
        faults.push(ill_formed(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match value {
        "." => faults.push("must not be '.'".to_owned()),
        ".." => faults.push("must not be '..'".to_owned()),
        _ if value.starts_with("..") => faults.push("must not start with '..'".to_owned()),
        _ => {}
    }
    faults
}

/// Checks the name of an HTTP header.
pub fn http_header(value: &str) -> Faults {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Faults::new();
    }
    vec![ill_formed(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// Checks a share such as `25%`.
pub fn percent(value: &str) -> Faults {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if value.strip_suffix('%').is_some_and(is_number) {
        return Faults::new();
    }
    vec![ill_formed(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// Checks a port of TCP, UDP or SCTP.
pub fn port_number(value: i64) -> Faults {
    within(1, 65535, value)
}

/// Checks a uid or gid (`IsValidUserID`): Linux has twice as many, Kubernetes takes the lower half.
pub fn user_or_group_id(value: i64) -> Faults {
    within(0, i32::MAX.into(), value)
}

/// Checks that a number is between two others, both inclusive.
pub fn within(low: i64, high: i64, value: i64) -> Faults {
    if (low..=high).contains(&value) {
        return Faults::new();
    }
    vec![format!("must be between {low} and {high}, inclusive")]
}

/// Checks an IP address, written without leading zeros and not as IPv4 within IPv6 (the rule since
/// Kubernetes 1.36).
pub fn ip_address(value: &str) -> Faults {
    let is_octet = |octet: &str| {
        octet.bytes().all(|byte| byte.is_ascii_digit())
            && octet.parse::<u64>().is_ok_and(|number| number <= 255)
    };
    let octets: Vec<&str> = value.split('.').collect();
    let is_v4 = octets.len() == 4 && octets.iter().all(|octet| is_octet(octet));
    let fault = match value.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) if ip.to_ipv4_mapped().is_some() => {
            "must not be an IPv4-mapped IPv6 address"
        }
        Ok(_) => return Faults::new(),
        Err(_) if is_v4 => "must not have leading 0s in IP address",
        Err(_) => "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
    };
    vec![fault.to_owned()]
}

/// Checks a range of IP addresses: the first address, as in [`ip_address`], and the number of
/// shared bits.
pub fn cidr(value: &str) -> Faults {
    let fault = |why: &str| vec![why.to_owned()];
    let ill_formed = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let Some((address, bits)) = value.split_once('/') else { return fault(ill_formed) };
    let faults = ip_address(address);
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let (Ok(ip), true, Ok(bits_shared)) =
        (address.parse::<IpAddr>(), is_number, bits.parse::<u32>())
    else {
        return if faults.is_empty() { fault(ill_formed) } else { faults };
    };
    let (number, length): (u128, u32) = match ip {
        IpAddr::V4(ip) => (u32::from(ip).into(), 32),
        IpAddr::V6(ip) => (ip.into(), 128),
    };
    if bits_shared > length {
        return fault(ill_formed);
    }
    if !faults.is_empty() {
        return faults;
    }
    if bits.len() > 1 && bits.starts_with('0') {
        return fault("must not have leading 0s in prefix length");
    }
    let own = 1u128.checked_shl(length - bits_shared).map_or(u128::MAX, |size| size - 1);
    if number & own != 0 {
        return fault("must not have bits set beyond the prefix length");
    }
    Faults::new()
}

/// Checks a path below some folder: relative, and never leaving it.
pub fn local_path(value: &str) -> Faults {
    let mut faults = Faults::new();
    if value.starts_with('/') {
        faults.push("must be a relative path".to_owned());
    }
    faults.extend(no_backsteps(value));
    faults
}

/// Checks a path like [`local_path`]; it may not begin with two dots, which volumes keep for their
/// own files.
pub fn local_unreserved_path(value: &str) -> Faults {
    let mut faults = local_path(value);
    if value.starts_with("..") && !value.starts_with("../") {
        faults.push("must not start with '..'".to_owned());
    }
    faults
}

/// Checks that no step of a path is `..`.
pub fn no_backsteps(value: &str) -> Faults {
    if value.split('/').any(|step| step == "..") {
        return vec!["must not contain '..'".to_owned()];
    }
    Faults::new()
}

fn longer_than(length_max: usize, value: &str) -> Faults {
    if value.len() <= length_max {
        return Faults::new();
    }
    vec![format!("must be no more than {length_max} characters")]
}

fn ill_formed(rule: &str, regex: &str, examples: &[&str]) -> String {
    // Kubernetes puts two spaces after each comma but the last.
    let examples = examples.join("',  or '");
    format!("{rule} (e.g. '{examples}', regex used for validation is '{regex}')")
}

fn name_ill_formed() -> String {
    ill_formed(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character",
        QUALIFIED_NAME,
        &["MyName", "my.name", "123-abc"],
    )
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// True if the value has at least one byte, the first and last of them `edge`, and all `inner`.
fn is_word(value: &str, edge: fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = value.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => edge(first) && edge(last) && bytes.iter().all(|&b| inner(b)),
        _ => false,
    }
}

fn is_dns_label(value: &str) -> bool {
    is_word(value, is_lower_or_digit, |byte| is_lower_or_digit(byte) || byte == b'-')
}

fn is_dns_subdomain(value: &str) -> bool {
    value.split('.').all(is_dns_label)
}

fn is_plain_name(value: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_alphanumeric();
    is_word(value, is_edge, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of the values must have so many faults.
    #[track_caller]
    fn check(grammar: fn(&str) -> Faults, faults: usize, values: &[&str]) {
        for value in values {
            assert_eq!(grammar(value).len(), faults, "{value:?}: {:?}", grammar(value));
        }
    }

    #[test]
    fn labels_and_subdomains() {
        let long = "a".repeat(64);
        let long_and_wrong = "A".repeat(64);
        check(dns_label, 0, &["a", "0", "a-b", "1a", &long[..63]]);
        check(dns_label, 1, &["", "A", "a.b", "-a", "a-", "a_b", "ä", &long]);
        check(dns_label, 2, &[&long_and_wrong]);
        check(dns_1035_label, 0, &["a", "a-1"]);
        check(dns_1035_label, 1, &["", "1a", "a-", "a.b"]);
        check(dns_subdomain, 0, &["a", "a.b", "1.2", &long]);
        check(dns_subdomain, 1, &["", ".", "a.", ".a", "a..b", "a.-b", "a.B"]);
        check(dns_subdomain_with_underscore, 0, &["_sip._tcp.a", "a_b.c"]);
        check(dns_subdomain_with_underscore, 1, &["", "__a", "a_", "A"]);
        assert_eq!(dns_label("a.b"), ["must not contain dots"]);
        assert_eq!(mask_trailing_dash("demo-"), "dema");
        assert_eq!(mask_trailing_dash("-"), "-");
    }

    #[test]
    fn keys_and_values() {
        let long = "a".repeat(64);
        check(qualified_name, 0, &["a", "a.b/c", "A_b.c", "1"]);
        check(qualified_name, 1, &["a b", "a/b/c", "/a", "A/b", "_a", "a_", &long]);
        check(qualified_name, 2, &["", "a/", "A/b c"]);
        check(label_value, 0, &["", "a", "A.b_c-d", "1"]);
        check(label_value, 1, &["a b", "-a", "a/b", &long]);
        check(config_map_key, 0, &["a", ".a", "a..b", "A_b-c.d"]);
        check(config_map_key, 1, &["", "a b", "a/b", ".", "..", "..a"]);
        check(environment_variable, 0, &["A", "1A", "a b", "-.~"]);
        check(environment_variable, 1, &["", "A=B", "ä", "a\u{7f}", "a\n"]);
        check(c_identifier, 0, &["A", "_1"]);
        check(c_identifier, 1, &["", "1", "a-b"]);
    }

    #[test]
    fn ports_headers_shares_paths_and_addresses() {
        check(port_name, 0, &["http", "a-1", "0a"]);
        check(port_name, 1, &["80", "a--b", "-a", "Aa", "waytoolongportname"]);
        check(port_name, 2, &["", "8-"]);
        check(http_header, 0, &["X-A", "1"]);
        check(http_header, 1, &["", "a b", "a_b"]);
        check(percent, 0, &["0%", "150%"]);
        check(percent, 1, &["", "%", "1", "-1%", "1.5%"]);
        check(local_path, 0, &["a/b", "a..b/c", ""]);
        check(local_path, 1, &["/a", "a/../b", ".."]);
        check(local_unreserved_path, 0, &["a", ".a"]);
        check(local_unreserved_path, 1, &["..a", "../a", "/a"]);
        check(local_unreserved_path, 2, &[".."]);
        check(ip_address, 0, &["1.2.3.4", "::1", "2001:db8::"]);
        check(ip_address, 1, &["", "nope", "1.2.3", "1.2.3.256", "1.2.3.4.5", "fe80::1%eth0"]);
        check(ip_address, 1, &["010.0.0.1", "::ffff:1.2.3.4"]);
        check(cidr, 0, &["10.0.0.0/8", "0.0.0.0/0", "::/0", "1.2.3.4/32", "2001:db8::/32"]);
        check(cidr, 1, &["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.0/08", "10.0.0.1/8"]);
        check(cidr, 1, &["010.0.0.0/8", "::ffff:1.2.3.4/128", "10.0.0.0/", "::1/64"]);
        assert!(port_number(1).is_empty() && port_number(65535).is_empty());
        assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
        assert_eq!(user_or_group_id(-1), ["must be between 0 and 2147483647, inclusive"]);
    }
}
