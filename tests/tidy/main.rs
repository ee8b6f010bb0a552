//! The house rules that a compiler does not enforce: which room may depend on which, how long
//! functions and lines may be, that every file says what it is, where unsafe code may live, and
//! what the top level holds.

use code::{Code, Word};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

mod code;

/// Rooms of the house, and the rooms that each may depend on (`src/<room>/Cargo.toml`).
const ARROWS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("plan", &["api"]),
    ("engine", &["api", "plan"]),
    ("host", &[]),
    ("node", &["api", "host", "plan"]),
    ("server", &["api", "engine", "plan"]),
    ("cli", &["api"]),
    ("daemon", &["api", "engine", "host", "node", "plan", "server"]),
    ("simulate", &["api", "engine", "plan"]),
];

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
    complaints.extend(rooms(package));
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

/// Complaints about folders of `src` that are no room, and about what the rooms depend on.
fn rooms(package: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(package.join("src")).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if !path.is_dir() {
            continue;
        }
        let room = path.file_name().expect("it has a name").to_string_lossy();
        let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
        found.extend(arrows(&room, &manifest));
    }
    found
}

/// Complaints about the dependencies of `room` that `manifest` names and [`ARROWS`] does not.
fn arrows(room: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == room) else {
        return vec![format!("src/{room} is no room")];
    };
    let names = manifest.lines().filter_map(|line| line.strip_prefix("cronlet-"));
    let names = names.filter_map(|rest| rest.split(['.', ' ', '=']).next());
    names
        .filter(|name| !allowed.contains(name))
        .map(|name| format!("src/{room} depends on {name}, against the arrows"))
        .collect()
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
    for (room, manifest, expected) in [
        ("plan", "[dependencies]\ncronlet-api.workspace = true\nserde = \"1\"\n", &[][..]),
        ("plan", "cronlet-engine.workspace = true\n", &["src/plan depends on engine"]),
        ("cli", "cronlet-plan = { path = \"../plan\" }\n", &["src/cli depends on plan"]),
        ("kinds", "", &["src/kinds is no room"]),
    ] {
        let complaints = arrows(room, manifest);
        let fits = complaints.len() == expected.len()
            && complaints.iter().zip(expected).all(|(complaint, part)| complaint.contains(part));
        assert!(fits, "{room}: {complaints:?}");
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
        check("src/api/time.rs", &body, expected);
    }
    for text in ["", "use std::fmt;\n", "//!\n//! Late.\n", "// Not a module's comment.\n"] {
        let complaints = complaints_about("src/api/time.rs", text);
        assert_eq!(complaints.len(), 1, "{text:?}: {complaints:?}");
        assert!(complaints[0].contains("does not open"), "{complaints:?}");
    }
}

#[test]
fn unsafe_code_lives_in_host_and_gives_its_proof() {
    let missing = &["without a SAFETY"][..];
    for (name, body, expected) in [
        ("src/engine/store/disk.rs", "// SAFETY: no.\nunsafe fn f() {}", &["src/host alone"][..]),
        ("tests/any.rs", "fn f() { unsafe { g() } }", &["src/host alone"]),
        ("src/engine/store/disk.rs", "// unsafe\nfn f() { \"unsafe\"; not_unsafe() }", &[]),
        ("src/host/lib.rs", "fn f() {\n    unsafe { g() }\n}", missing),
        (
            "src/host/lib.rs",
            "fn f() {\n    // SAFETY: g takes nothing.\n    unsafe { g() }\n}",
            &[],
        ),
        ("src/host/lib.rs", "// SAFETY: fine.\nlet x =\n    unsafe { g() };", &[]),
        ("src/host/lib.rs", "// SAFETY: for a.\nunsafe { a() };\nunsafe { b() };", missing),
        ("src/host/lib.rs", "// SAFETY: far off.\n\nunsafe { b() };", missing),
        (
            "src/host/lib.rs",
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
