//! Very many probes at once: a connection for each question, a thread for none.

use cronlet_api::time::Timestamp;
use cronlet_node::probes::ProbeThread;
use cronlet_node::probes::exec::{Exec, Run};
use cronlet_plan::kubelet::probe::{Probe, ProbeKind, Probed};
use cronlet_plan::order::{Address, ContainerEvent, Handler, Report};
use cronlet_plan::prober::Prober;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

const PODS: usize = 10_000;
/// Far beyond what it takes.
const LONG: Duration = Duration::from_secs(120);

struct NoExec;

impl Exec for NoExec {
    fn run(&self, run: Run) {
        panic!("nothing is to be run: {run:?}");
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("readable").count()
}

#[test]
fn ten_thousand_probes_a_second() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (sender, reports) = channel();
    let tell = move |report: Report| sender.send(report).expect("the test listens");
    let mut prober = ProbeThread::new(Arc::new(NoExec), tell);
    let before = threads();
    for number in 0..PODS {
        let address = Address { host: at.ip().to_string(), port: at.port() };
        let probe = Probe {
            container: "main".into(),
            attempt: 0,
            kind: ProbeKind::Readiness,
            handler: Handler::TcpSocket(address),
            // As after a start of the daemon: all begin together, each at its time in a period.
            answered_by: None,
            started_at: Timestamp::UNIX_EPOCH,
            initial_delay_seconds: 0,
            period_seconds: 1,
            timeout_seconds: 60,
            success_threshold: 3,
            failure_threshold: 1,
        };
        prober.watch(&number.to_string(), Arc::new([probe]));
    }
    let mut passed = BTreeSet::new();
    while passed.len() < PODS {
        let report = reports.recv_timeout(LONG).expect("every probe passes");
        let probed = Probed { kind: ProbeKind::Readiness, verdict: Some(true), told: None };
        assert_eq!(report.event, ContainerEvent::Probed(probed), "pod {}", report.pod_uid);
        assert!(passed.insert(report.pod_uid), "told once");
    }
    // The prober's own, beside those of tests that run meanwhile.
    let after = threads();
    assert!(after < before + 100, "{before} threads, then {after}");
    let usage = std::fs::read_to_string("/proc/self/stat").expect("readable");
    let fields: Vec<&str> = usage.rsplit(')').next().expect("text").split_whitespace().collect();
    println!("user and system time: {} + {} ticks", fields[11], fields[12]);
}
