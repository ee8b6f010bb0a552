//! The house rules that a compiler does not enforce: which room may import which, how long
//! functions and lines may be, that every file says what it is, where unsafe code may live, and
//! what the top level holds.

use code::{Code, Word};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod code;

/// Which rooms a room may import, beside itself. What is absent here may import everything
/// (`main.rs`).
const ARROWS: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("seed", &["time"]),
    ("startup", &[]),
    ("manifest", &["time", "seed", "kinds"]),
    ("kinds", &["time", "seed", "manifest"]),
    ("store", &["time", "seed", "manifest", "kinds"]),
    ("engine", &["time", "seed", "manifest", "kinds", "store"]),
    ("host", &["time"]),
    ("probes", &["time", "seed", "kinds", "host"]),
    ("runtimes", &["time", "kinds", "host", "probes"]),
    ("server", &["time", "seed", "manifest", "kinds", "store", "engine"]),
    ("cli", &["time", "startup", "manifest", "kinds", "server"]),
    (
        "daemon",
        &[
            "time", "seed", "startup", "manifest", "kinds", "store", "engine", "host", "probes",
            "runtimes", "server",
        ],
    ),
    (
        "sim",
        &[
            "time", "seed", "manifest", "kinds", "store", "engine", "host", "probes", "runtimes",
            "server",
        ],
    ),
];

/// `manifest` and `kinds` would be a circle if `manifest` saw more than these names of `kinds`.
const KINDS_FOR_MANIFEST: &[&str] = &["Kind", "Object", "quantity", "refused"];

/// What may lie at the top beside files that begin with a dot.
const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "jobs",
    "src",
    "systemd",
    "target",
    "tests",
];

const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

#[test]
fn the_house_is_tidy() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut complaints = top_level(package);
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        rust_files(&package.join(folder), &mut files);
    }
    assert!(files.len() > 20, "the sources were not found");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a source file is readable UTF-8");
        let name = path.strip_prefix(package).expect("it lies in the package");
        complaints.extend(complaints_about(&name.to_string_lossy(), &text));
    }
    assert!(complaints.is_empty(), "{}", listed(&complaints));
}

fn listed(complaints: &[String]) -> String {
    let mut text = format!("{} complaints:\n", complaints.len());
    for complaint in complaints {
        writeln!(text, "  {complaint}").expect("a String takes everything");
    }
    text
}

fn top_level(package: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(package).expect("the package is readable");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names
        .filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()))
        .map(|name| format!("{name} does not belong at the top level"))
        .collect()
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// All that is wrong with the file `name` (its path within the package), each as `path:line: what`.
fn complaints_about(name: &str, text: &str) -> Vec<String> {
    let code = Code::read(text);
    let mut found = Vec::new();
    opening(text, &mut found);
    columns(text, &mut found);
    macros(&code, &mut found);
    debug_parameters(name, text, &mut found);
    functions(&code, &mut found);
    if !name.starts_with("src/host") {
        let used = code.words().filter(|word| word.text == "unsafe");
        found.extend(used.map(|word| (word.line, "unsafe lives in src/host alone".to_owned())));
    } else {
        safety(&code, text, &mut found);
    }
    arrows(name, &code, &mut found);
    found.sort();
    found.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")).collect()
}

type Found = Vec<(usize, String)>;

fn opening(text: &str, found: &mut Found) {
    let first = text.lines().next().unwrap_or("");
    if first.strip_prefix("//! ").is_none_or(|says| says.trim().len() < 10) {
        found.push((1, "does not open with `//!` and what the file is".to_owned()));
    }
}

fn columns(text: &str, found: &mut Found) {
    for (index, line) in text.lines().enumerate() {
        let count = line.chars().count();
        if count > COLUMNS_MAX {
            found.push((index + 1, format!("{count} columns, more than {COLUMNS_MAX}")));
        }
    }
}

fn macros(code: &Code, found: &mut Found) {
    for word in code.words() {
        let banned = matches!(word.text, "todo" | "unimplemented" | "dbg");
        if banned && code.text[word.end..].starts_with('!') {
            found.push((word.line, format!("{}! is left behind", word.text)));
        }
    }
}

/// A parameter that is only known to be `Debug` is shown to a user as Rust writes it. Texts and
/// numbers look the same in every language; everything else is shown as JSON.
fn debug_parameters(name: &str, text: &str, found: &mut Found) {
    if !name.starts_with("src/") {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        let is_bound = ["impl ", ": ", "+ "].iter().any(|before| {
            ["Debug", "fmt::Debug", "std::fmt::Debug"].iter().any(|bound| {
                line.split_once(&format!("{before}{bound}"))
                    .is_some_and(|(_, rest)| !rest.starts_with(" for"))
            })
        });
        if is_bound {
            found.push((index + 1, "a parameter of `Debug` shows Rust's words".to_owned()));
        }
    }
}

fn functions(code: &Code, found: &mut Found) {
    let words: Vec<Word> = code.words().collect();
    for pair in words.windows(2) {
        let [keyword, name] = pair else { continue };
        // `fn(u8) -> u8` is a type: its parenthesis follows at once.
        if keyword.text != "fn" || !code.text[keyword.end..name.start].trim().is_empty() {
            continue;
        }
        let Some(lines) = code.body_lines(name.end) else { continue };
        let count = lines.1 - keyword.line + 1;
        if count > FUNCTION_LINES_MAX {
            let what =
                format!("fn {} has {count} lines, more than {FUNCTION_LINES_MAX}", name.text);
            found.push((keyword.line, what));
        }
    }
}

/// Each `unsafe` has its proof right above the statement it is in.
fn safety(code: &Code, text: &str, found: &mut Found) {
    let raw: Vec<&str> = text.lines().collect();
    let bare: Vec<&str> = code.text.lines().collect();
    for word in code.words().filter(|word| word.text == "unsafe") {
        let mut proved = raw[word.line - 1].contains("SAFETY:");
        for above in (0..word.line - 1).rev() {
            let line = raw[above].trim();
            let ends_statement = bare[above].trim_end().ends_with([';', '}']);
            if proved || line.is_empty() || ends_statement {
                break;
            }
            proved =
                line.starts_with("//") && (line.contains("SAFETY:") || line.contains("# Safety"));
        }
        if !proved {
            found.push((word.line, "unsafe without a SAFETY comment above it".to_owned()));
        }
    }
}

fn arrows(name: &str, code: &Code, found: &mut Found) {
    let Some(inside) = name.strip_prefix("src/") else { return };
    let modules: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    let room = modules[0];
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == room) else { return };
    let depth = modules.iter().filter(|module| **module != "mod").count();
    for import in code.imports(depth) {
        let known = ARROWS.iter().any(|(room, _)| *room == import.room);
        let drawn = import.room == room || allowed.contains(&import.room.as_str());
        if known && !drawn {
            let what = format!("{room} imports {}, against the arrows", import.room);
            found.push((import.line, what));
        }
        if room == "manifest" && import.room == "kinds" {
            let rest = import.names.iter().filter(|n| !KINDS_FOR_MANIFEST.contains(&n.as_str()));
            found.extend(rest.map(|n| (import.line, format!("manifest imports kinds::{n}"))));
        }
    }
}

/// Says that the file `name` with `body` under a fit opening earns exactly these complaints, in
/// part or in full.
fn check(name: &str, body: &str, expected: &[&str]) {
    let complaints = complaints_about(name, &format!("//! What the file is.\n{body}"));
    let fits = complaints.len() == expected.len()
        && complaints.iter().zip(expected).all(|(complaint, part)| complaint.contains(part));
    assert!(fits, "{name}:\n{body}\nexpected {expected:?}\nbut was {complaints:?}");
}

#[test]
fn arrows_point_to_the_left() {
    for (name, body, expected) in [
        ("src/kinds/job/plan.rs", "use crate::store::Reader;", &["kinds imports store"][..]),
        ("src/store/mod.rs", "use crate::{kinds::{Key, Object}, time};", &[]),
        ("src/store/mod.rs", "use crate::{kinds::Key, engine::Event};", &["store imports engine"]),
        ("src/seed.rs", "fn f() { super::engine::run() }", &["seed imports engine"]),
        ("src/kinds/mod.rs", "use super::super::engine;", &["kinds imports engine"]),
        ("src/kinds/job/mod.rs", "use super::engine;", &[]),
        ("src/kinds/job/mod.rs", "use super::super::engine;", &["kinds imports engine"]),
        ("src/kinds/job/plan.rs", "use super::super::engine;", &[]),
        ("src/time.rs", "mod tests { use super::engine; }", &[]),
        ("src/time.rs", "mod tests { use super::super::engine; }", &["time imports engine"]),
        ("src/manifest/mod.rs", "use crate::kinds::{Kind, Object};", &[]),
        ("src/manifest/mod.rs", "use crate::kinds::check;", &["manifest imports kinds::check"]),
        ("src/host/mod.rs", "// crate::store\nfn f() { \"crate::store\"; }", &[]),
        ("src/daemon/mod.rs", "use crate::sim;", &["daemon imports sim"]),
        ("src/main.rs", "use cronlet::daemon; use crate::sim;", &[]),
        ("tests/any.rs", "use crate::sim;", &[]),
    ] {
        check(name, body, expected);
    }
}

#[test]
fn lengths_openings_and_leftovers() {
    let long =
        |lines: usize| format!("fn f<'a>(x: [u8; 3]) -> &'a u8 {{\n{}}}", "\n".repeat(lines - 2));
    for (body, expected) in [
        (long(70), &[][..]),
        (long(71), &["2: fn f has 71 lines"]),
        (format!("trait T {{ fn f(&self); }}\nstatic X: fn(u8) = g;\n{}", "\n".repeat(90)), &[]),
        (format!("// {}", "é".repeat(97)), &[]),
        (format!("// {}", "é".repeat(98)), &["2: 101 columns"]),
        ("fn f() {\n    todo!()\n}".to_owned(), &["3: todo! is left behind"]),
        ("fn f() { dbg!(1); unimplemented!() }".to_owned(), &["dbg!", "unimplemented!"]),
        ("// todo!()\nfn f() { \"dbg!\"; todo(); }".to_owned(), &[]),
        ("/* /* todo!() */ dbg!() */ fn f() { r#\"a\" dbg!()\"#; b'\\''; '\"'; }".to_owned(), &[]),
        ("fn f<'r>(c: &'r str) { '{'; b'\"'; \"\\\"{\"; todo!() }".to_owned(), &["todo!"]),
    ] {
        check("src/time.rs", &body, expected);
    }
    for text in ["", "use std::fmt;\n", "//!\n//! Late.\n", "// Not a module's comment.\n"] {
        let complaints = complaints_about("src/time.rs", text);
        assert_eq!(complaints.len(), 1, "{text:?}: {complaints:?}");
        assert!(complaints[0].contains("does not open"), "{complaints:?}");
    }
}

#[test]
fn unsafe_code_lives_in_host_and_gives_its_proof() {
    let missing = &["without a SAFETY"][..];
    for (name, body, expected) in [
        ("src/store/disk.rs", "// SAFETY: no.\nunsafe fn f() {}", &["src/host alone"][..]),
        ("tests/any.rs", "fn f() { unsafe { g() } }", &["src/host alone"]),
        ("src/store/disk.rs", "// unsafe\nfn f() { \"unsafe\"; not_unsafe() }", &[]),
        ("src/host/mod.rs", "fn f() {\n    unsafe { g() }\n}", missing),
        (
            "src/host/mod.rs",
            "fn f() {\n    // SAFETY: g takes nothing.\n    unsafe { g() }\n}",
            &[],
        ),
        ("src/host/mod.rs", "// SAFETY: fine.\nlet x =\n    unsafe { g() };", &[]),
        ("src/host/mod.rs", "// SAFETY: for a.\nunsafe { a() };\nunsafe { b() };", missing),
        ("src/host/mod.rs", "// SAFETY: far off.\n\nunsafe { b() };", missing),
        (
            "src/host/mod.rs",
            "/// # Safety\n/// `fd` is open.\n#[inline]\npub unsafe fn f() {}",
            &[],
        ),
    ] {
        check(name, body, expected);
    }
}

#[test]
fn the_top_level_is_short() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["Cargo.toml", ".gitignore", "notes.md"] {
        std::fs::write(folder.path().join(name), "").expect("a file is written");
    }
    assert_eq!(top_level(folder.path()), ["notes.md does not belong at the top level"]);
}
