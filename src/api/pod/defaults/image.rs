//! When to pull an image: read from its reference, `[host/]path[:tag][@digest]`.

const TAG_LENGTH_MAX: usize = 128;

/// An image whose tag is `latest`, written or implied, is pulled each time. One that is no
/// reference at all has no tag.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// `latest` where neither tag nor digest is written.
fn tag(image: &str) -> Option<&str> {
    let (named, digest) = image.split_once('@').map_or((image, None), |(n, d)| (n, Some(d)));
    let path_start = named.rfind('/').map_or(0, |slash| slash + 1);
    let colon = named[path_start..].find(':').map(|colon| path_start + colon);
    let (repository, tag) = match colon {
        Some(colon) => (&named[..colon], Some(&named[colon + 1..])),
        None => (named, None),
    };
    if !is_repository(repository) || tag.is_some_and(|tag| !is_tag(tag)) {
        return None;
    }
    tag.or(if digest.is_none() { Some("latest") } else { None })
}

fn is_repository(repository: &str) -> bool {
    let path = match repository.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => repository,
    };
    path.split('/').all(is_path_component)
}

/// Tells a host from the first step of a path on the default registry.
fn is_host(first: &str) -> bool {
    let is_host_like = first.contains(['.', ':']) || first == "localhost";
    is_host_like || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_path_component(component: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    bytes.first().copied().is_some_and(is_edge)
        && bytes.last().copied().is_some_and(is_edge)
        && bytes.iter().all(|&byte| is_edge(byte) || b"._-".contains(&byte))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= TAG_LENGTH_MAX
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_images_are_pulled_each_time() {
        let check = |image: &str, want: &str| assert_eq!(pull_policy(image), want, "{image:?}");
        check("nginx", "Always");
        check("nginx:latest", "Always");
        check("host:5000/nginx", "Always");
        check("a/b/nginx", "Always");
        check("Host/nginx", "Always");
        check("nginx:1.2", "IfNotPresent");
        check("host:5000/a/nginx:1.2", "IfNotPresent");
        check("nginx@sha256:0123", "IfNotPresent");
        check("nginx:1@sha256:0123", "IfNotPresent");
        check("nginx:latest@sha256:0123", "Always");
        check("", "IfNotPresent");
        check("Nginx", "IfNotPresent");
        check(" nginx", "IfNotPresent");
        check("nginx:", "IfNotPresent");
        check("a//b", "IfNotPresent");
    }
}
