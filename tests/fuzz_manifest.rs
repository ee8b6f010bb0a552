//! Bytes that nobody meant as a manifest, and manifests that went wrong on the way: never a panic,
//! every document answered, and what is admitted stays as it is when admitted again.
//!
//! `CRONLET_FUZZ_SECONDS` says how long (1 by default); a failure prints the seed and the input,
//! and `CRONLET_FUZZ_SEED` starts from that seed again.

use cronlet_api::admission;
use cronlet_api::kind::Kind;
use cronlet_api::manifest::{self, Strictness};
use cronlet_api::seed::Seed;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const BYTES_MAX: usize = 16 << 10;

const SAMPLES: &[&str] = &[
    r#"apiVersion: batch/v1beta1
kind: CronJob
metadata:
  name: hello
  annotations:
    cronlet.dev/jitter: 90s
spec:
  schedule: "*/5 * * * *"
  timeZone: Europe/Paris
  jobTemplate:
    spec:
      template:
        spec:
          containers:
          - name: hello
            image: busybox
            args: [/bin/sh, -c, "date; echo hi"]
          restartPolicy: OnFailure
"#,
    r#"apiVersion: batch/v1
kind: Job
metadata: {name: batch}
spec:
  completionMode: Indexed
  completions: 3
  backoffLimitPerIndex: 1
  maxFailedIndexes: 2
  successPolicy: {rules: [{succeededIndexes: '0,2', succeededCount: 1}]}
  podFailurePolicy:
    rules:
    - {action: FailIndex, onExitCodes: {operator: In, values: [1, 2]}}
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: b, resources: {limits: {cpu: 100m, memory: 64Mi}}}]
"#,
    r#"apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
  data: &d {k: v, n: "0644"}
- apiVersion: v1
  kind: Secret
  metadata: {name: s}
  stringData: {<<: *d}
---
apiVersion: v1
kind: Pod
metadata: {generateName: p-}
spec:
  volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]
  containers:
  - name: m
    image: i
    env: [{name: A, value: "$(B)"}]
    volumeMounts: [{name: v, mountPath: /v}]
"#,
    r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "j", "labels": {"a": "\u00e9"}},
 "spec": {"containers": [{"name": "c", "image": "i"}]}}"#,
];

/// What readers trip over.
const SHARDS: &[&str] = &[
    "---\n",
    "...\n",
    "\0",
    "\t",
    "\r\n",
    "\u{feff}",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "!!binary ",
    "? ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "|\n",
    ">-\n",
    "#",
    "'",
    "\"",
    "\\u",
    "~",
    "null",
    "yes",
    "0x",
    "1e999",
    "-1",
    "99999999999999999999",
    ".nan",
    "%YAML 1.1\n",
    "\u{2028}",
    "é",
    "\n  ",
    "kind: List\n",
    "items:\n",
    "apiVersion: v1\n",
    "\\ud800",
    "@every 1s",
    "TZ=",
    "2147483648",
];

/// A sample with a few wounds, or plain noise.
fn input(seed: &mut Seed) -> Vec<u8> {
    if seed.below(10) == 0 {
        let length = seed.below(200);
        return (0..length).map(|_| seed.draw() as u8).collect();
    }
    let mut bytes = SAMPLES[seed.below(SAMPLES.len() as u64) as usize].as_bytes().to_vec();
    for _ in 0..=seed.below(6) {
        wound(&mut bytes, seed);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn wound(bytes: &mut Vec<u8>, seed: &mut Seed) {
    let at = seed.below(bytes.len() as u64 + 1) as usize;
    let end = (at + seed.below(40) as usize).min(bytes.len());
    match seed.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let copy = bytes[at..end].to_vec();
            let to = seed.below(bytes.len() as u64 + 1) as usize;
            bytes.splice(to..to, copy);
        }
        2 => {
            let copy = bytes[at..end].repeat(seed.below(60) as usize);
            bytes.splice(at..at, copy);
        }
        3 if at < bytes.len() => bytes[at] = seed.draw() as u8,
        4 => bytes.truncate(at),
        _ => {
            let shard = SHARDS[seed.below(SHARDS.len() as u64) as usize];
            bytes.splice(at..at, shard.bytes());
        }
    }
}

/// Reads and admits; an object that is admitted must be admitted again as it came out.
fn answer(bytes: &[u8]) {
    for document in manifest::read(bytes, "fuzz") {
        match document {
            Ok(document) => admit(document.object),
            Err(error) => {
                assert!(!error.problems.is_empty() && !error.report().is_empty(), "{error:?}");
                for problem in &error.problems {
                    let place = manifest::place(bytes, "fuzz", error.line, &problem.field);
                    assert!(place.is_none_or(|place| place.line > 0));
                }
            }
        }
    }
    for kind in [Kind::CronJob, Kind::Job, Kind::Pod, Kind::Secret] {
        let _ = manifest::decode_json(kind, bytes, Strictness::Warn);
    }
}

fn admit(object: cronlet_api::kind::Object) {
    let identity =
        admission::Identity { uid: "00000000-0000-4000-8000-000000000001", suffix: "abcde" };
    let namespace = match object.namespace() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let Ok(first) = admission::create(object, &namespace, &identity) else { return };
    let again = admission::create(first.object.clone(), &namespace, &identity);
    let again = again.expect("what was admitted is admitted again").object;
    assert_eq!(again, first.object, "defaults are not stable");
    let updated = admission::update(&first.object, first.object.clone());
    assert_eq!(updated.expect("an update that changes nothing").object, first.object);
}

#[test]
fn no_input_is_too_strange() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("CRONLET_FUZZ_SECONDS").unwrap_or(1);
    let mut next = number("CRONLET_FUZZ_SEED").unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut inputs, mut slowest) = (0u64, (Duration::ZERO, 0));
    while inputs == 0 || Instant::now() < until {
        let bytes = input(&mut Seed::new(next));
        let started = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| answer(&bytes)));
        let shown = String::from_utf8_lossy(&bytes);
        assert!(result.is_ok(), "CRONLET_FUZZ_SEED={next} breaks with:\n{shown}");
        slowest = slowest.max((started.elapsed(), next));
        (next, inputs) = (next + 1, inputs + 1);
    }
    let (took, seed) = slowest;
    println!("{inputs} inputs, none too strange; the slowest, of seed {seed}, took {took:?}");
}
