//! What probes do to a pod: what waits for them, what they kill, and what is remembered.

use super::{World, check, staged};
use crate::kubelet::probe::Probe;
use crate::order::{Handler, Order, PodObserved};
use serde_json::{Value, json};

/// A container `main` with the probes of these kinds, and more fields for each.
fn probed(restart_policy: &str, kinds: &[&str], more: &Value) -> Value {
    let mut main = json!({"name": "main", "image": "x", "command": ["run"]});
    for kind in kinds {
        let mut probe = json!({"exec": {"command": ["ask", kind]}});
        for (name, value) in more.as_object().into_iter().flatten() {
            probe[name] = value.clone();
        }
        main[format!("{kind}Probe")] = probe;
    }
    json!({"restartPolicy": restart_policy, "terminationGracePeriodSeconds": 30,
        "containers": [main]})
}

const ALL: [&str; 3] = ["startup", "liveness", "readiness"];

#[test]
fn startup_holds_back_the_others_and_readiness_gates() {
    check(
        probed("Always", &ALL, &json!({})),
        "0 bind\n1 started main\n2 passes main startup\n3 passes main readiness
         4 fails main readiness\n5 passes main readiness\n6 delete 30\n7 exit main 143\n8 cleaned",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIrcS main:run~
         probe startup main#0
         -- 2 passes main startup
         Running PIrcS main:run
         probe liveness main#0, readiness main#0
         -- 3 passes main readiness
         Running PIRCS main:run*
         -- 4 fails main readiness
         Running PIrcS main:run
         -- 5 passes main readiness
         Running PIRCS main:run*
         -- 6 delete 30
         Killing{main} Stopping container main
         stop main#0 30s
         probe readiness main#0
         -- 7 exit main 143
         Failed pIrcS main:end(143 Error)
         probe
         clean
         -- 8 cleaned
         remove",
    );
}

#[test]
fn a_failed_probe_kills_by_its_grace_and_the_policy_goes_on() {
    check(
        probed("OnFailure", &["liveness"], &json!({"terminationGracePeriodSeconds": 5})),
        "0 bind\n1 started main\n2 fails main liveness\n3 exit main 0\n4 started main
         60 exit main 0",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         probe liveness main#0
         -- 2 fails main liveness
         Killing{main} Container main failed liveness probe, will be restarted
         stop main#0 5s
         probe
         -- 3 exit main 0
         start main#1
         -- 4 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<0
         probe liveness main#1
         -- 60 exit main 0
         Succeeded pIrcS main:end(0 Completed)#1<0
         probe",
    );
}

#[test]
fn a_container_that_is_never_restarted_is_killed_all_the_same() {
    check(
        probed("Never", &["startup"], &json!({})),
        "0 bind\n1 started main\n2 fails main startup\n3 exit main 143",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIrcS main:run~
         probe startup main#0
         -- 2 fails main startup
         Killing{main} Container main failed startup probe
         stop main#0 30s
         probe
         -- 3 exit main 143
         Failed pIrcS main:end(143 Error)",
    );
}

#[test]
fn kills_in_quick_succession_back_off() {
    check(
        probed("Always", &["liveness"], &json!({})),
        "0 bind\n1 started main\n2 fails main liveness\n3 exit main 143\n4 started main
         5 fails main liveness\n6 exit main 143\n7 started main\n8 fails main liveness
         9 exit main 143\n19 look",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pIrcS main:wait(creating)
         start main#0
         -- 1 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*
         probe liveness main#0
         -- 2 fails main liveness
         Killing{main} Container main failed liveness probe, will be restarted
         stop main#0 30s
         probe
         -- 3 exit main 143
         start main#1
         -- 4 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#1<143
         probe liveness main#1
         -- 5 fails main liveness
         Killing{main} Container main failed liveness probe, will be restarted
         stop main#1 30s
         probe
         -- 6 exit main 143
         start main#2
         -- 7 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS main:run*#2<143
         probe liveness main#2
         -- 8 fails main liveness
         Killing{main} Container main failed liveness probe, will be restarted
         stop main#2 30s
         probe
         -- 9 exit main 143
         BackOff{main} Back-off restarting failed container main in pod p_default(u)
         Running PIrcS main:wait(CrashLoopBackOff)#2<143
         wake 19
         -- 19 look
         start main#3",
    );
}

#[test]
fn a_sidecar_holds_back_what_follows_until_its_startup_probe_passes() {
    let mut spec = staged("Never");
    spec["initContainers"][1]["startupProbe"] = json!({"tcpSocket": {"port": 80}});
    spec["initContainers"][1]["livenessProbe"] = json!({"tcpSocket": {"port": 80}});
    check(
        spec,
        "0 bind\n1 started first\n2 exit first 0\n3 started side\n4 fails side startup
         5 exit side 1\n6 started side\n7 passes side startup\n8 started main",
        "-- 0 bind
         Pending S
         Scheduled{} Successfully assigned default/p to localhost
         Pending pircS first:wait(init) side:wait(init) main:wait(init)
         start first#0
         -- 1 started first
         Created{first} Container created
         Started{first} Container started
         Pending PircS first:run side:wait(init) main:wait(init)
         -- 2 exit first 0
         Pending PircS first:end(0 Completed)* side:wait(init) main:wait(init)
         start side#0
         -- 3 started side
         Created{side} Container created
         Started{side} Container started
         Pending PircS first:end(0 Completed)* side:run~ main:wait(init)
         probe startup side#0
         -- 4 fails side startup
         Killing{side} Init container side failed startup probe
         stop side#0 30s
         probe
         -- 5 exit side 1
         start side#1
         -- 6 started side
         Created{side} Container created
         Started{side} Container started
         Pending PircS first:end(0 Completed)* side:run~#1<1 main:wait(init)
         probe startup side#1
         -- 7 passes side startup
         Pending PIrcS first:end(0 Completed)* side:run*#1<1 main:wait(init)
         start main#0
         probe liveness side#1
         -- 8 started main
         Created{main} Container created
         Started{main} Container started
         Running PIRCS first:end(0 Completed)* side:run*#1<1 main:run*",
    );
}

/// The same pod after the daemon was away: it knows what runs, and its prober has said nothing.
fn forget_verdicts(observed: &mut PodObserved) {
    observed.containers.values_mut().for_each(|seen| seen.verdicts = Default::default());
    observed.probing = Default::default();
}

#[test]
fn a_daemon_that_comes_back_forgets_no_verdict() {
    let mut world = World::new(probed("Always", &ALL, &json!({})));
    for step in ["0 bind", "1 started main", "2 passes main startup", "3 passes main readiness"] {
        world.step(step);
    }
    forget_verdicts(&mut world.observed);
    world.answer.clear();
    world.step("4 look");
    assert_eq!(world.answer, ["probe liveness main#0, readiness main#0"]);
    world.step("5 fails main readiness");
    assert_eq!(world.answer[1..], ["Running PIrcS main:run"]);
    forget_verdicts(&mut world.observed);
    world.answer.clear();
    world.step("6 look");
    assert_eq!(world.answer, ["probe liveness main#0, readiness main#0"]);
}

#[test]
fn questions_are_resolved() {
    let check = |probe: Value, want: &str| {
        let main = json!({"name": "main", "image": "x", "command": ["run"],
            "ports": [{"name": "web", "containerPort": 8080}], "livenessProbe": probe});
        let mut world = World::new(json!({"containers": [main]}));
        world.pod.status.as_mut().expect("a status").pod_ip = Some("127.9.8.7".into());
        world.step("0 bind");
        world.step("1 started main");
        let probe: &Probe = &world.observed.probing.as_ref().expect("it was ordered")[0];
        let handler = match &probe.handler {
            Handler::HttpGet(get) => {
                let scheme = if get.https { "https" } else { "http" };
                let (host, port) = (&get.address.host, get.address.port);
                format!("{scheme}://{host}:{port} {} {:?}", get.path, get.headers)
            }
            Handler::TcpSocket(address) => format!("{}:{}", address.host, address.port),
            Handler::Exec(command) => format!("{command:?}"),
            Handler::Grpc { address, service } => {
                format!("{}:{} {service}", address.host, address.port)
            }
            Handler::Unknown(why) => why.clone(),
        };
        let Probe { initial_delay_seconds, period_seconds, timeout_seconds, .. } = probe;
        let Probe { success_threshold, failure_threshold, .. } = probe;
        let times = format!("{initial_delay_seconds} {period_seconds} {timeout_seconds}");
        let got = format!("{handler} | {times} | {success_threshold} {failure_threshold}");
        assert_eq!(got, want);
    };
    let get = |fields: Value| json!({"httpGet": fields});
    check(get(json!({"port": 80})), "http://127.9.8.7:80  [] | 0 10 1 | 1 3");
    check(
        get(json!({"port": "web", "path": "/a?b", "scheme": "HTTPS", "host": "db",
            "httpHeaders": [{"name": "A", "value": "b"}]})),
        "https://db:8080 /a?b [(\"A\", \"b\")] | 0 10 1 | 1 3",
    );
    check(get(json!({"port": "81"})), "http://127.9.8.7:81  [] | 0 10 1 | 1 3");
    check(get(json!({"port": "no"})), "container main has no port \"no\" | 0 10 1 | 1 3");
    check(json!({"tcpSocket": {"port": "web", "host": ""}}), "127.9.8.7:8080 | 0 10 1 | 1 3");
    check(json!({"grpc": {"port": 9, "service": "x"}}), "127.9.8.7:9 x | 0 10 1 | 1 3");
    check(
        json!({"exec": {"command": ["a", "b"]}, "initialDelaySeconds": 3, "periodSeconds": 4,
            "timeoutSeconds": 5, "successThreshold": 1, "failureThreshold": 7}),
        "[\"a\", \"b\"] | 3 4 5 | 1 7",
    );
}

#[test]
fn probes_go_with_their_containers() {
    let mut world = World::new(probed("Always", &["readiness"], &json!({})));
    world.step("0 bind");
    world.step("1 started main");
    let handler = Handler::Exec(vec!["ask".into(), "readiness".into()]);
    let ordered = world.observed.probing.as_ref().expect("it was ordered");
    assert_eq!(ordered[0].handler, handler);
    world.observed.apply_order(&Order::Clean { pod_uid: "u".into() });
    assert!(world.observed.probing.is_none());
}
