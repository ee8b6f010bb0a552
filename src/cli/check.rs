//! `cronlet check`: are these manifests good, and what does the API server make of them?

use super::failure::Failure;
use super::yaml;
use cronlet_api::admission::{self, Admitted};
use cronlet_api::kind::{Key, Object};
use cronlet_api::manifest::{self, Document, ManifestError, Problem, Versions};
use cronlet_api::refused::Refused;
use cronlet_api::template;
use std::collections::HashMap;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Check manifests as the API server would: defaults, rules and all
///
/// Exits with 0 if all are good, 1 if one was refused, 2 if a file could not be read.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Files or folders (.yaml, .yml and .json in them); `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How to show the result; json and yaml show each object with its defaults, or why it was
    /// refused
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// Refuse what has warnings
    #[arg(long)]
    pub warnings_as_errors: bool,
    /// Convert what Kubernetes no longer takes, and print the corrected manifests
    ///
    /// apps/v1beta1, apps/v1beta2 and extensions/v1beta1 become apps/v1, and a missing
    /// spec.selector becomes the labels of the template. What was found goes to standard error.
    #[arg(long)]
    pub fix: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// Lines for a reader
    #[default]
    Table,
    /// One JSON value a line for each document
    Json,
    /// A YAML document for each document
    Yaml,
    /// Lines for a reader, of what is wrong alone: for commands that need the good ones
    #[value(skip)]
    Trouble,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut checking = Checking::new(args, &mut out, std::io::stderr());
    for file in &args.files {
        checking.argument(file)?;
    }
    let code = checking.finish()?;
    out.flush()?;
    if code == 0 { Ok(()) } else { Err(Failure::Quiet(code)) }
}

/// Checks files for another command: the good objects as they are written, and
/// the exit code that `cronlet check` would have. What is wrong is told on standard error.
pub(crate) fn good_objects(
    files: &[PathBuf],
    namespace: &str,
) -> std::io::Result<(Vec<Object>, u8)> {
    let args = Args {
        files: files.to_owned(),
        output: Output::Trouble,
        namespace: namespace.to_owned(),
        warnings_as_errors: false,
        fix: false,
    };
    let mut checking = Checking::new(&args, std::io::stderr(), std::io::stderr());
    for file in files {
        checking.argument(file)?;
    }
    let code = checking.finish()?;
    Ok((checking.kept, code))
}

/// One run over some files.
struct Checking<'a, O, E> {
    args: &'a Args,
    out: O,
    err: E,
    good: usize,
    refused: usize,
    unreadable: usize,
    /// Where each object was seen first.
    seen: HashMap<Key, String>,
    /// Good objects, for [`good_objects`].
    kept: Vec<Object>,
}

/// A document and where it is written.
struct Place<'a> {
    bytes: &'a [u8],
    source: &'a str,
    line: u32,
    /// `cronjob/hello`
    what: String,
}

impl<'a, O: Write, E: Write> Checking<'a, O, E> {
    fn new(args: &'a Args, out: O, err: E) -> Self {
        let (seen, kept) = Default::default();
        Checking { args, out, err, good: 0, refused: 0, unreadable: 0, seen, kept }
    }

    fn argument(&mut self, path: &Path) -> std::io::Result<()> {
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let limit = manifest::BYTES_MAX as u64 + 1;
            return match std::io::stdin().lock().take(limit).read_to_end(&mut bytes) {
                Ok(_) => self.text(&bytes, "standard input"),
                Err(error) => self.unreadable(&format!("standard input: {error}")),
            };
        }
        let files = match manifest::files(path) {
            Ok(files) => files,
            Err(error) => return self.unreadable(&error),
        };
        if files.is_empty() {
            writeln!(self.err, "{}: holds no manifests", path.display())?;
        }
        for file in files {
            match manifest::load(&file) {
                Ok(bytes) => self.text(&bytes, &file.display().to_string())?,
                Err(error) => self.unreadable(&error)?,
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, error: &dyn std::fmt::Display) -> std::io::Result<()> {
        self.unreadable += 1;
        writeln!(self.err, "{error}")
    }

    fn text(&mut self, bytes: &[u8], source: &str) -> std::io::Result<()> {
        let versions = if self.args.fix { Versions::Removed } else { Versions::Served };
        let documents = manifest::read_versions(bytes, source, versions);
        if documents.is_empty() {
            writeln!(self.err, "{source}: holds no manifests")?;
        }
        for document in documents {
            match document {
                Ok(document) => self.document(document, bytes, source)?,
                Err(error) if error.is_of_file() => self.unreadable(&error)?,
                Err(error) if error.is_unserved && !self.args.warnings_as_errors => {
                    self.unserved(&error)?;
                }
                Err(error) => self.broken(&error)?,
            }
        }
        Ok(())
    }

    fn document(&mut self, document: Document, bytes: &[u8], source: &str) -> std::io::Result<()> {
        let Document { mut object, line, mut warnings, .. } = document;
        let place = Place { bytes, source, line, what: what(&object) };
        if self.args.fix {
            warnings.extend(template::fix_selector(&mut object).map(str::to_owned));
        }
        let is_wanted = self.args.fix || self.args.output == Output::Trouble;
        let written = is_wanted.then(|| object.clone());
        object.default_namespace(&self.args.namespace);
        let namespace = object.namespace().to_owned();
        let result = admission::preview(object, &namespace).and_then(|admitted| {
            warnings.extend(admitted.warnings);
            let twice = self.seen_before(&admitted.object, &place);
            warnings.extend(twice);
            match warnings.is_empty() || !self.args.warnings_as_errors {
                true => Ok(Admitted {
                    object: admitted.object,
                    warnings: std::mem::take(&mut warnings),
                }),
                false => Err(Refused::BadRequest(format!(
                    "warnings are errors: {}",
                    warnings.join("; ")
                ))),
            }
        });
        match result {
            Ok(admitted) => match written {
                Some(object) if self.args.fix => {
                    self.show_corrected(&object, &admitted.warnings, &place)
                }
                written => {
                    self.kept.extend(written);
                    self.show_good(&admitted, &place)
                }
            },
            Err(refused) => self.show_refused(&refused, &place),
        }
    }

    /// The same object in two places: the later one would replace the first.
    fn seen_before(&mut self, object: &Object, place: &Place<'_>) -> Option<String> {
        let here = format!("{}:{}", place.source, place.line);
        // A generated name is another each time.
        if object.name().starts_with('<') {
            return None;
        }
        let first = self.seen.insert(object.key(), here)?;
        Some(format!("{} is defined at {first} too", place.what))
    }

    fn show_good(&mut self, admitted: &Admitted, place: &Place<'_>) -> std::io::Result<()> {
        self.good += 1;
        let Place { source, line, what, .. } = place;
        match self.args.output {
            Output::Table | Output::Trouble => {
                if self.args.output == Output::Table {
                    writeln!(self.out, "{source}:{line}: {what} ok")?;
                }
                for warning in &admitted.warnings {
                    let at = place.of(warning).map_or(*line, |spot| spot.line);
                    writeln!(self.out, "{source}:{at}: {what} warning: {warning}")?;
                }
                Ok(())
            }
            _ => {
                for warning in &admitted.warnings {
                    writeln!(self.err, "Warning: {source}:{line}: {what}: {warning}")?;
                }
                self.value(&admitted.shown())
            }
        }
    }

    /// The manifest as it is written, but for what was converted.
    fn show_corrected(
        &mut self,
        object: &Object,
        warnings: &[String],
        place: &Place<'_>,
    ) -> std::io::Result<()> {
        self.good += 1;
        let Place { source, line, what, .. } = place;
        for warning in warnings {
            writeln!(self.err, "{source}:{line}: {what} warning: {warning}")?;
        }
        self.value(object)
    }

    fn show_refused(&mut self, refused: &Refused, place: &Place<'_>) -> std::io::Result<()> {
        self.refused += 1;
        match self.args.output {
            _ if self.args.fix => self.err.write_all(place.why(refused).as_bytes()),
            Output::Table | Output::Trouble => self.out.write_all(place.why(refused).as_bytes()),
            _ => self.value(&refused.status()),
        }
    }

    /// A document that cronlet passes over: a value of its own all the same, the refusal that a
    /// request would get.
    fn unserved(&mut self, error: &ManifestError) -> std::io::Result<()> {
        self.good += 1;
        let warning = error.no_effect();
        match self.args.output {
            _ if self.args.fix => writeln!(self.err, "{warning}"),
            Output::Table | Output::Trouble => writeln!(self.out, "{warning}"),
            _ => {
                writeln!(self.err, "{warning}")?;
                self.value(&Refused::from(error).status())
            }
        }
    }

    /// A document that is no object of its kind.
    fn broken(&mut self, error: &ManifestError) -> std::io::Result<()> {
        self.refused += 1;
        match self.args.output {
            _ if self.args.fix => self.err.write_all(error.report().to_string().as_bytes()),
            Output::Table | Output::Trouble => write!(self.out, "{}", error.report()),
            _ => self.value(&Refused::from(error).status()),
        }
    }

    fn value(&mut self, value: &impl serde::Serialize) -> std::io::Result<()> {
        match self.args.output {
            Output::Json => {
                serde_json::to_writer(&mut self.out, value)?;
                writeln!(self.out)
            }
            Output::Yaml | Output::Table | Output::Trouble => {
                let value = serde_json::to_value(value)?;
                write!(self.out, "---\n{}", yaml::document(&value))
            }
        }
    }

    /// The exit code.
    fn finish(&mut self) -> std::io::Result<u8> {
        let documents = self.good + self.refused;
        let (good, refused) = (self.good, self.refused);
        let summary = format!("{documents} documents: {good} ok, {refused} refused\n");
        match self.args.output {
            _ if documents < 2 => {}
            _ if self.args.fix => self.err.write_all(summary.as_bytes())?,
            Output::Table => self.out.write_all(summary.as_bytes())?,
            Output::Json | Output::Yaml | Output::Trouble => {}
        }
        Ok(match (self.unreadable, self.refused) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        })
    }
}

impl Place<'_> {
    /// Where a field is written, or the nearest thing above it.
    fn spot(&self, field: &str) -> Option<Problem> {
        manifest::place(self.bytes, self.source, self.line, field)
    }

    /// Lines that say why the document is refused, each with its place.
    fn why(&self, refused: &Refused) -> String {
        let Place { source, line, what, .. } = self;
        let Refused::Invalid { causes, .. } = refused else {
            return format!("{source}:{line}: {what} refused: {refused}\n");
        };
        let mut text = String::new();
        for cause in causes {
            let (field, message) = (&cause.field, &cause.message);
            let refused = format!("{what} refused: {field}: {message}");
            text += &match self.spot(field) {
                Some(Problem { line, column, snippet, .. }) if snippet.is_empty() => {
                    format!("{source}:{line}:{column}: {refused}\n")
                }
                Some(Problem { line, column, snippet, .. }) => {
                    format!("{source}:{line}:{column}: {refused}\n{snippet}\n")
                }
                None => format!("{source}:{line}: {refused}\n"),
            };
        }
        text
    }

    /// Where the field is written that a warning begins with.
    fn of(&self, warning: &str) -> Option<Problem> {
        let (field, _) = warning.split_once(": ")?;
        if field.contains(' ') { None } else { self.spot(field) }
    }
}

fn what(object: &Object) -> String {
    let info = object.kind().info();
    match (object.name(), object.meta().generate_name.as_deref()) {
        ("", Some(base)) => format!("{}/{base}…", info.singular),
        (name, _) => format!("{}/{name}", info.singular),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    const BAD: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: A\n";
    const BROKEN: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetdata: {}\n";
    const SECRET: &str =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: hush!}\n";
    const JOB: &str = concat!(
        "---\napiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: j}\n",
        "spec:\n  schedule: '0 0 * * *'\n",
        "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never,\n",
        "     schedulerName: s, containers: [{name: m, image: i}]}}}}\n",
    );

    /// What is written for `text` under `arguments`, and the exit code.
    fn check(text: &str, arguments: &[&str]) -> (String, String, u8) {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let line = ["check", "-"].iter().chain(arguments);
        let line: Line = clap::Parser::try_parse_from(line).expect("arguments");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut checking = Checking::new(&line.args, &mut out, &mut err);
        checking.text(text.as_bytes(), "f").expect("memory takes it");
        let exit = checking.finish().expect("memory takes it");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(out), text(err), exit)
    }

    #[test]
    fn lines_for_a_reader() {
        let (out, _, exit) = check(&format!("{GOOD}{BAD}{BROKEN}"), &[]);
        let bad = "f:8:3: configmap/A refused: metadata.name: Invalid value: \"A\": ";
        let broken = "f:12:1: metdata: unknown field, did you mean \"metadata\"?\n\
                      12 | metdata: {}\n   | ^\n";
        assert!(out.starts_with("f:1: configmap/a ok\n"), "{out}");
        assert!(out.contains(bad), "{out}");
        assert!(out.contains("8 |   name: A\n  |   ^\n"), "{out}");
        assert!(out.contains(broken), "{out}");
        assert!(out.ends_with("3 documents: 1 ok, 2 refused\n"), "{out}");
        assert_eq!(exit, 1);
    }

    #[test]
    fn a_kind_that_is_not_served_is_passed_over() {
        let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\n";
        let text = format!("{GOOD}{account}");
        let warning =
            "f:5: serviceaccount/sa warning: has no effect: cronlet does not serve this kind\n";
        let (out, _, exit) = check(&text, &[]);
        let want = format!("f:1: configmap/a ok\n{warning}2 documents: 2 ok, 0 refused\n");
        assert_eq!((out, exit), (want, 0));
        let (out, err, exit) = check(&text, &["-o", "json"]);
        assert_eq!((out.lines().count(), err, exit), (2, warning.to_owned(), 0));
        assert_eq!(check(&text, &["--warnings-as-errors"]).2, 1);
    }

    #[test]
    fn objects_of_any_namespace_are_checked() {
        let of = |name: &str, namespace: &str| {
            let meta = format!("metadata: {{name: {name}, namespace: {namespace}}}");
            format!("---\napiVersion: v1\nkind: ConfigMap\n{meta}\n")
        };
        let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n";
        let text = format!("{GOOD}{namespace}{}{}", of("a", "team-a"), of("a", "team-b"));
        for arguments in [&[][..], &["-n", "team-c"]] {
            let (out, _, exit) = check(&text, arguments);
            assert!(out.ends_with("4 documents: 4 ok, 0 refused\n"), "{out}");
            assert!(!out.contains("warning") && exit == 0, "{out}");
        }
        let (out, ..) = check(GOOD, &["-n", "team-c", "-o", "json"]);
        assert!(out.contains(r#""namespace":"team-c""#), "{out}");
    }

    #[test]
    fn one_json_value_a_document() {
        let (out, _, exit) = check(&format!("{GOOD}{BAD}{BROKEN}"), &["-o", "json"]);
        let values: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let part = |field: &str| -> Vec<&Value> { values.iter().map(|one| &one[field]).collect() };
        assert_eq!(part("kind"), ["ConfigMap", "Status", "Status"]);
        assert_eq!(part("code"), [&Value::Null, &Value::from(422), &Value::from(400)]);
        assert_eq!(values[1]["details"]["causes"][0]["field"], "metadata.name");
        let message = values[2]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("f:12:1: metdata: "), "{message}");
        assert_eq!(exit, 1);
    }

    #[test]
    fn warnings_are_told_and_may_be_errors() {
        let (out, _, exit) = check(JOB, &[]);
        assert!(out.starts_with("f:2: cronjob/j ok\n"), "{out}");
        assert!(out.contains("f:2: cronjob/j warning: batch/v1beta1 CronJob is read as"), "{out}");
        let field = "spec.jobTemplate.spec.template.spec.schedulerName";
        let warning = format!("f:8: cronjob/j warning: {field}: has no effect: ");
        assert!(out.contains(&warning), "{out}");
        assert_eq!(exit, 0);
        let (out, _, exit) = check(JOB, &["--warnings-as-errors"]);
        assert!(out.contains("refused: warnings are errors: "), "{out}");
        assert_eq!(exit, 1);
        let (_, err, _) = check(JOB, &["-o", "yaml"]);
        assert_eq!(err.matches("Warning: f:2: cronjob/j: ").count(), 2, "{err}");
        let (out, _, _) = check(&format!("{GOOD}---\n{GOOD}"), &[]);
        assert!(out.contains("configmap/a is defined at f:1 too"), "{out}");
    }

    #[test]
    fn a_secret_stays_secret() {
        for format in ["table", "json", "yaml"] {
            let (out, err, exit) = check(SECRET, &["-o", format]);
            assert!(!format!("{out}{err}").contains("hush"), "{out}{err}");
            assert_eq!(exit, 1, "{format}");
        }
    }

    #[test]
    fn old_manifests_are_corrected_on_demand() {
        let old = concat!(
            "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\n",
            "spec:\n  template:\n    metadata: {labels: {app: web}}\n",
            "    spec: {containers: [{name: m, image: i}]}\n",
        );
        let (out, _, exit) = check(old, &[]);
        assert!(out.contains("or let `cronlet check --fix` convert the manifest"), "{out}");
        assert_eq!(exit, 1);
        let unselected = old.replace("extensions/v1beta1", "apps/v1");
        let (out, _, exit) = check(&unselected, &[]);
        assert!(out.contains("spec.selector: Required value: "), "{out}");
        assert!(out.contains("`cronlet check --fix` adds it"), "{out}");
        assert_eq!(exit, 1);
        for text in [old, &unselected] {
            let (fixed, err, exit) = check(text, &["--fix"]);
            assert!(err.contains("deployment/web warning: spec.selector: added"), "{err}");
            assert_eq!(err.contains("extensions/v1beta1 Deployment is read as"), text == old);
            assert!(fixed.contains("apiVersion: apps/v1\n"), "{fixed}");
            assert!(fixed.contains("  selector:\n    matchLabels:\n      app: web\n"), "{fixed}");
            assert!(!fixed.contains("replicas"), "no defaults: {fixed}");
            assert_eq!(exit, 0);
            assert_eq!(check(&fixed, &[]).2, 0, "{fixed}");
        }
        let bad = old.replace("name: web", "name: WEB");
        let (out, err, exit) = check(&bad, &["--fix"]);
        assert!(out.is_empty() && err.contains("metadata.name: Invalid value"), "{out}{err}");
        assert_eq!(exit, 1);
    }

    #[test]
    fn what_cannot_be_read_exits_with_2() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("huge.yaml");
        let huge = std::fs::File::create(&file).expect("a file");
        huge.set_len(100 << 20).expect("a sparse file");
        std::os::unix::fs::symlink("loop.yaml", folder.path().join("loop.yaml")).expect("a link");
        std::os::unix::fs::symlink(".", folder.path().join("round")).expect("a link");
        let args = Args {
            files: Vec::new(),
            output: Output::Table,
            namespace: "default".into(),
            warnings_as_errors: false,
            fix: false,
        };
        let mut err = Vec::new();
        let mut checking = Checking::new(&args, Vec::new(), &mut err);
        checking.argument(folder.path()).expect("memory takes it");
        assert_eq!(checking.finish().expect("memory takes it"), 2);
        let err = String::from_utf8(err).expect("UTF-8");
        assert!(err.contains("huge.yaml: is too large for a manifest: 104857600 bytes"), "{err}");
        assert!(err.contains("loop.yaml: cannot be read: Too many levels"), "{err}");
        assert_eq!(err.lines().count(), 2, "{err}");
    }
}
