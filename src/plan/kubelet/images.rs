//! Which host program stands in for an image (`images:` of the configuration).

use cronlet_api::settings::{ImageProgram, Settings};
use std::collections::BTreeMap;

/// Base images that hold a shell and no entry point: a container's `args` are its whole command
/// there, and a shell runs without. They need no line in the configuration.
const BASES: [(&str, &str); 12] = [
    ("almalinux", "/bin/bash"),
    ("alpine", "/bin/sh"),
    ("amazonlinux", "/bin/bash"),
    ("archlinux", "/bin/bash"),
    ("bash", "bash"),
    ("busybox", "sh"),
    ("centos", "/bin/bash"),
    ("debian", "bash"),
    ("fedora", "/bin/bash"),
    ("opensuse/leap", "/bin/bash"),
    ("rockylinux", "/bin/bash"),
    ("ubuntu", "/bin/bash"),
];

/// What runs for an image: the longest pattern that matches it, else a base image's shell.
pub fn program(settings: &Settings, image: &str) -> Option<ImageProgram> {
    let longest = settings
        .images
        .iter()
        .filter(|(pattern, _)| matches(pattern, image))
        .max_by_key(|(pattern, _)| pattern.len());
    if let Some((_, program)) = longest {
        return Some(program.clone());
    }
    let (_, shell) = BASES.iter().find(|(name, _)| matches(name, image))?;
    let args = vec![(*shell).to_owned()];
    Some(ImageProgram { args, command: Vec::new(), env: BTreeMap::new() })
}

/// Does a pattern such as `redis`, `redis:7*` or `quay.io/*/app` name the image? A pattern without
/// tag takes any, and one without registry takes Docker's, however the image spells it.
fn matches(pattern: &str, image: &str) -> bool {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let untagged = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    [image, untagged]
        .into_iter()
        .flat_map(|name| [name, without_registry(name)])
        .any(|name| glob(pattern.as_bytes(), name.as_bytes()))
}

fn without_registry(name: &str) -> &str {
    let prefixes = ["docker.io/library/", "index.docker.io/library/", "library/", "docker.io/"];
    prefixes.into_iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// `*` takes any letters, `?` one. Goes back to the last star alone, so that the time is bounded by
/// the product of both lengths.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&letter) if letter == b'?' || letter == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_tolerate_tags_and_registries() {
        let check = |pattern: &str, image: &str, want: bool| {
            assert_eq!(matches(pattern, image), want, "{pattern} {image}");
        };
        check("redis", "redis", true);
        check("redis", "redis:7", true);
        check("redis", "docker.io/library/redis:7", true);
        check("redis", "docker.io/library/redis@sha256:00", true);
        check("redis", "redis:7@sha256:00", true);
        check("redis:7", "redis:7", true);
        check("redis:7", "redis:6", false);
        check("redis:7*", "library/redis:7.2", true);
        check("redis", "bitnami/redis", false);
        check("*/redis", "bitnami/redis:1", true);
        check("redis", "redis-sentinel", false);
        check("localhost:5000/app", "localhost:5000/app:1", true);
        check("localhost:5000/app", "localhost:5000/app", true);
        check("r?dis", "radis", true);
        check("a*b*c", "axxbxxc", true);
        check("a*b*c", "axxbxx", false);
        check("*", "anything/at:all", true);
        check("bitnami/*", "docker.io/bitnami/redis", true);
    }

    #[test]
    fn the_longest_pattern_wins() {
        let mut settings = Settings::default();
        let line = |word: &str| ImageProgram { command: vec![word.into()], ..Default::default() };
        settings.images.insert("*".into(), line("any"));
        settings.images.insert("redis".into(), line("redis"));
        settings.images.insert("redis:7".into(), line("seven"));
        let check = |image: &str, want: &str| {
            let program = program(&settings, image).expect("a program");
            assert_eq!(program.command, [want], "{image}");
        };
        check("redis:7", "seven");
        check("redis:6", "redis");
        check("nginx", "any");
    }

    #[test]
    fn base_images_run_their_shell() {
        let bare = program(&Settings::default(), "busybox:1.28").expect("a base image");
        assert_eq!((bare.command.len(), bare.args), (0, vec!["sh".to_owned()]));
        assert!(program(&Settings::default(), "nginx").is_none());
    }
}
