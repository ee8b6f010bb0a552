//! Manifests as people write them, and as nobody should: what is read, and what is said of the
//! rest.

use cronlet_api::kind::Kind;
use cronlet_api::manifest::{self, Strictness};
use serde_json::{Value, json};

/// One line for each document: `line: <JSON of the object>` or the error's own lines.
fn read(text: &str) -> Vec<String> {
    let each = manifest::read(text.as_bytes(), "f").into_iter();
    each.map(|document| match document {
        Ok(document) => {
            let object = serde_json::to_value(&document.object).expect("an object");
            format!("{}: {}", document.line, object)
        }
        Err(error) => error.to_string(),
    })
    .collect()
}

fn config_map(data: Value) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data, "metadata": {"name": "a"}})
        .to_string()
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[test]
fn documents_and_lists() {
    let check = |text: &str, want: &[&str]| {
        let found: Vec<String> = manifest::read(text.as_bytes(), "f")
            .into_iter()
            .map(|document| match document {
                Ok(one) => {
                    format!("{} {}/{}", one.line, one.object.kind().info().kind, one.object.name())
                }
                Err(error) => error.to_string(),
            })
            .collect();
        assert_eq!(found, want, "{text}");
    };
    let pod = |name: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}}}\n");
    check("", &[]);
    check("---\n# nothing\n---\n", &[]);
    check(
        &format!("{MAP}---\n{}...\n{}", pod("b"), pod("c")),
        &["1 ConfigMap/a", "5 Pod/b", "7 Pod/c"],
    );
    check(&format!("\u{feff}{}", MAP.replace('\n', "\r\n")), &["1 ConfigMap/a"]);
    check("%YAML 1.1\n---\napiVersion: v1\nkind: Pod\n", &["3 Pod/"]);
    let list = concat!(
        "apiVersion: v1\nkind: List\nitems:\n",
        "- {apiVersion: v1, kind: Pod}\n- apiVersion: v1\n  kind: Secret\n",
    );
    check(list, &["4 Pod/", "5 Secret/"]);
    let typed = "apiVersion: batch/v1\nkind: CronJobList\nitems:\n- metadata: {name: x}\n";
    check(typed, &["4 CronJob/x"]);
    check(
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}\n{\"apiVersion\": \"v1\",\n\"kind\": \"Pod\"}",
        &["1 Pod/", "2 Pod/"],
    );
    check("apiVersion: batch/v1beta1\nkind: CronJob\n", &["1 CronJob/"]);
    // A broken document leaves the others as they are.
    let broken = "f:6:6: simple key expected ':'";
    let text = format!("{MAP}---\nkind: Pod\n- [}}\n---\n{}", pod("b"));
    let found = read(&text);
    assert_eq!(found.len(), 3, "{found:?} {broken}");
    assert!(found[1].starts_with("f:6:") && found[2].starts_with("8: "), "{found:?}");
}

#[test]
fn scalars_are_read_as_kubernetes_reads_them() {
    let check = |data: &str, want: Value| {
        assert_eq!(read(&format!("{MAP}data: {data}\n")), [format!("1: {}", config_map(want))]);
    };
    check("{a: '1', b: \"x\\ty\", c: no way}", json!({"a": "1", "b": "x\ty", "c": "no way"}));
    check(
        "{a: 2001-12-14, b: 1:30, c: !!str 5}",
        json!({"a": "2001-12-14", "b": "1:30", "c": "5"}),
    );
    check("{yes: a, 5: b, 0x10: c, 1.5: d}", json!({"true": "a", "5": "b", "16": "c", "1.5": "d"}));
    check("{a: ~}", json!({"a": ""}));
    check("\n  a: |\n    x\n     y\n  b: >-\n    x\n    y", json!({"a": "x\n y\n", "b": "x y"}));
    check("{a: &x one, b: *x}", json!({"a": "one", "b": "one"}));
    check("{<<: {a: x, b: v}, a: z}", json!({"a": "z", "b": "v"}));
    check("{a: z, <<: [{a: x, b: u}, {b: w, c: v}]}", json!({"a": "z", "b": "u", "c": "v"}));
    // Base64 may be broken into lines.
    let secret = "apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    aGVs\n    bG8=\n";
    assert!(read(secret)[0].contains("\"a\":\"aGVsbG8=\""), "{:?}", read(secret));
    let modes = concat!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers: []\n",
        "  volumes:\n  - name: v\n    configMap: {name: c, defaultMode: 0644}\n",
    );
    assert!(read(modes)[0].contains("\"defaultMode\":420"), "{:?}", read(modes));
}

#[test]
fn all_problems_are_told_with_their_places() {
    let check = |text: &str, want: &[&str]| {
        let found = read(text);
        let lines: Vec<&str> = found.iter().flat_map(|one| one.lines()).collect();
        assert_eq!(lines, want, "{text}");
    };
    check(
        concat!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: 5\n",
            "spec:\n  schedul: x\n  suspend: 'yes'\n  jobTemplate:\n    spec:\n",
            "      template:\n        spec:\n          containers:\n          - nam: a\n",
        ),
        &[
            "f:4:9: metadata.name: expected a string, found integer `5`",
            "f:6:3: spec.schedul: unknown field, did you mean \"schedule\"?",
            "f:7:12: spec.suspend: expected a boolean, found string \"yes\"",
            concat!(
                "f:13:13: spec.jobTemplate.spec.template.spec.containers[0].nam: ",
                "unknown field, did you mean \"name\"?"
            ),
        ],
    );
    check(
        &format!("{MAP}data:\n  a: x\n  b: v\n  a: z\nimmutable: no\nimmutable: no\n"),
        &[
            "f:7:3: data.a: duplicate field: it is set above",
            "f:9:1: immutable: duplicate field: it is set above",
        ],
    );
    check(&format!("{MAP}data: [a]\n"), &["f:4:7: data: expected a map, found sequence"]);
    check(
        &format!("{MAP}data: {{a: yes}}\n"),
        &["f:4:11: data.a: expected a string, found boolean `true`"],
    );
    check(
        "apiversion: v1\nkind: Pod\n",
        &["f:1:1: apiVersion is not set: did you mean it by \"apiversion\"?"],
    );
    check("kind: Pod\n", &["f:1:1: apiVersion is not set; a manifest has apiVersion and kind"]);
    check("- a\n", &["f:1:1: expected a mapping with apiVersion and kind, found a list"]);
    check(
        "apiVersion: batch/v1\nkind: Cronjob\n",
        &[concat!(
            "f:2:7: no matches for kind \"Cronjob\" in version \"batch/v1\": ",
            "did you mean \"CronJob\"?"
        )],
    );
    check(
        "{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\",\n \"é\": 1, \"spek\": 1}",
        &["f:3:2: é: unknown field", "f:3:10: spek: unknown field, did you mean \"spec\"?"],
    );
    check(
        "{\"apiVersion\": \"v1\",\n \"kind\": \"Pod\",\n \"a\" 1}",
        &["f:3:6: expected `:` after the key, found '1'"],
    );
    check("a: b\0\n", &["f:1:5: a NUL byte is not allowed"]);
}

#[test]
fn hostile_texts_are_refused_at_once() {
    let check = |text: &str, want: &str| {
        let found = read(text);
        assert!(found.len() == 1 && found[0].contains(want), "{want}: {found:.300?}");
    };
    let mut laughs = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip("abcdefgh".chars()) {
        laughs += &format!(
            "{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n"
        );
    }
    check(&laughs, "aliases unfold to more than 100000 values");
    check("a: &a [*a]\n", "names an anchor that contains it");
    check(&"[".repeat(1 << 20), "nested more than 100 deep");
    check(&format!("{{\"a\":{}", "[".repeat(1 << 20)), "nested more than 100 deep");
    check(&format!("{}x", "- ".repeat(5000)), "nested more than 100 deep");
    check(&"x".repeat(manifest::BYTES_MAX + 1), "is too large for a manifest");
    let bytes = [b"a: b\nc: ".as_slice(), &[0xff, b'\n']].concat();
    let errors = manifest::read(&bytes, "f");
    let error = errors[0].as_ref().expect_err("not UTF-8");
    assert_eq!(error.to_string(), "f:2:4: the byte 0xff is not UTF-8");
}

#[test]
fn bodies_of_requests() {
    let check = |body: &str, strictness: Strictness, want: Result<&[&str], &str>| {
        let found = manifest::decode_json(Kind::Pod, body.as_bytes(), strictness);
        match (found, want) {
            (Ok((_, warnings)), Ok(want)) => assert_eq!(warnings, want, "{body}"),
            (Err(refused), Err(want)) => {
                assert_eq!(refused.to_string(), want, "{body}");
            }
            (found, want) => panic!("{body}: {found:?}, not {want:?}"),
        }
    };
    let strange = r#"{"kind": "Pod", "apiVersion": "v1", "a": 1, "spec": {"b": 2}, "spec": {}}"#;
    let unreadable = "Pod in version \"v1\" cannot be handled as a Pod: ";
    let found = r#"unknown field "a", unknown field "spec.b", duplicate field "spec""#;
    let told = &format!("{unreadable}strict decoding error: {found}");
    check(strange, Strictness::Strict, Err(told));
    let warnings: &[&str] =
        &[r#"unknown field "a""#, r#"unknown field "spec.b""#, r#"duplicate field "spec""#];
    check(strange, Strictness::Warn, Ok(warnings));
    check(strange, Strictness::Ignore, Ok(&[]));
    check("{}", Strictness::Strict, Ok(&[]));
    check(r#"{"metadata": {"labels": {"smile": "\ud83d\ude00"}}}"#, Strictness::Strict, Ok(&[]));
    check("", Strictness::Ignore, Err("the body is empty"));
    check("{} {}", Strictness::Ignore, Err("the body holds more than one value"));
    let kind = r#"{"kind": "Secret", "apiVersion": "v1"}"#;
    check(
        kind,
        Strictness::Ignore,
        Err("the object provided is unrecognized (must be of type Pod): it is a Secret"),
    );
    let number = r#"{"spec": {"hostNetwork": "yes"}}"#;
    check(
        number,
        Strictness::Ignore,
        Err(&format!("{unreadable}spec.hostNetwork: expected a boolean, found string \"yes\"")),
    );
    check(
        "{",
        Strictness::Ignore,
        Err(concat!(
            "the object provided is unrecognized (must be of type Pod): ",
            "line 1, column 2: expected a key in double quotes, found the end of the text"
        )),
    );
}

#[test]
fn a_secret_is_never_shown() {
    for text in [
        "apiVersion: v1\nkind: Secret\ndata: {a: hush!}\n",
        "apiVersion: v1\nkind: Secret\nstringData: {a: [hush]}\n",
        "apiVersion: v1\nkind: Secret\ndata: hush\n",
        "apiVersion: v1\nkind: Secret\nstringData: {hush: x}}\n",
        "apiVersion: v1\nkind: SecretList\nitems:\n- data: {a: hush!}\n",
    ] {
        let errors = manifest::read(text.as_bytes(), "f");
        let error = errors[0].as_ref().expect_err(text);
        let shown = format!("{}{:?}{}", error.report(), error, error);
        assert!(!shown.contains("hush"), "{shown}");
    }
}
