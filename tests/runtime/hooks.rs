//! Lifecycle hooks: after the start, before the stop, within the grace.

use crate::world::{World, alive, sh, until};
use cronlet_plan::order::{
    Address, ContainerEvent, Hook, HookState, HttpGet, Launch, Mount, MountSource,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

fn exec(script: &str) -> Option<Hook> {
    Some(Hook::Exec(["/bin/sh", "-c", script].map(String::from).into()))
}

fn post_start(world: &mut World, launch: &Launch) -> Result<(), String> {
    world.wait(launch, |event| match event {
        ContainerEvent::PostStart(end) => Some(end.clone()),
        _ => None,
    })
}

fn with_data(launch: Launch) -> Launch {
    let source = MountSource::EmptyDir { memory: false, size_bytes_max: None };
    let (at, volume) = ("/data".into(), "work".into());
    let mounts =
        vec![Mount { at, read_only: false, sub_path: None, sub_path_called: None, volume, source }];
    Launch { mounts, ..launch }
}

#[test]
fn after_the_start_in_the_container() {
    let mut world = World::new();
    let wait = "while [ ! -e /data/go ]; do sleep 0.02; done";
    let launch = with_data(sh(&format!("{wait}; cat /data/hook")));
    let hook = exec("echo $WORD $(id -u) > /data/hook");
    let mut launch = Launch { post_start: hook, user: Some(1234), ..launch };
    launch.env.push(("WORD".into(), "hello".into()));
    world.start(&launch);
    let state = world.wait(&launch, |event| match event {
        ContainerEvent::Started { post_start, .. } => Some(post_start.clone()),
        _ => None,
    });
    assert_eq!(state, HookState::Running);
    assert_eq!(post_start(&mut world, &launch), Ok(()));
    std::fs::write(world.folder(&launch).join("volumes/work/go"), "").expect("write");
    assert_eq!(world.exited(&launch).code, 0);
    assert_eq!(world.output(&launch), "hello 1234\n");
    let sleep = Launch { post_start: Some(Hook::Sleep { seconds: 0 }), ..sh("sleep 1000") };
    world.start(&sleep);
    assert_eq!(post_start(&mut world, &sleep), Ok(()));
}

#[test]
fn a_failed_start_hook_is_told() {
    let mut world = World::new();
    let launch = Launch { post_start: exec("echo reason; exit 3"), ..sh("sleep 1000") };
    world.start(&launch);
    let want = "command '/bin/sh -c echo reason; exit 3' exited with 3: reason\n";
    assert_eq!(post_start(&mut world, &launch), Err(want.into()));
    // Its plan stops it, with the time to end that it has.
    world.stop(&launch, 30);
    assert_eq!(world.exited(&launch).code, 143);
    let argv = vec!["/no/such".to_owned()];
    let launch = Launch { post_start: Some(Hook::Exec(argv)), ..sh("sleep 1000") };
    world.start(&launch);
    let end = post_start(&mut world, &launch);
    assert!(end.as_ref().is_err_and(|e| e.contains("no such file or directory")), "{end:?}");
}

/// Takes one request and answers it; gives what it heard.
fn answer_one(listener: TcpListener, answer: &'static str) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut heard = [0; 4096];
        let length = stream.read(&mut heard).expect("a request");
        stream.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8_lossy(&heard[..length]).into_owned()
    })
}

#[test]
fn a_hook_may_ask_a_server() {
    let mut world = World::new();
    let listen = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let get = |listener: &TcpListener, path: &str| {
        let at = listener.local_addr().expect("an address");
        let address = Address { host: at.ip().to_string(), port: at.port() };
        let (https, path, headers) = (false, path.to_owned(), Vec::new());
        Some(Hook::HttpGet(HttpGet { https, address, path, headers }))
    };
    let (start, stop) = (listen(), listen());
    let (post_start_hook, pre_stop) = (get(&start, "/started"), get(&stop, "/stops"));
    let launch = Launch { post_start: post_start_hook, pre_stop, ..sh("exec sleep 1000") };
    let heard = answer_one(start, "HTTP/1.1 500 As it likes\r\nContent-Length: 0\r\n\r\n");
    world.start(&launch);
    // What the answer says is not looked at.
    assert_eq!(post_start(&mut world, &launch), Ok(()));
    let heard = heard.join().expect("heard");
    assert!(heard.starts_with("GET /started HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("kube-lifecycle/"), "{heard}");
    let heard = answer_one(stop, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    world.stop(&launch, 60);
    assert!(heard.join().expect("heard").starts_with("GET /stops "));
    assert_eq!(world.exited(&launch).code, 143);
    let gone = listen();
    let launch = Launch { post_start: get(&gone, "/"), ..sh("exec sleep 1000") };
    drop(gone);
    world.start(&launch);
    let why = post_start(&mut world, &launch).expect_err("nobody answers");
    assert!(why.contains("connection refused"), "{why}");
    let unknown = Some(Hook::Unknown("no such thing".into()));
    let launch = Launch { post_start: unknown, ..sh("exec sleep 1000") };
    world.start(&launch);
    assert_eq!(post_start(&mut world, &launch), Err("no such thing".into()));
}

#[test]
fn before_the_stop_and_within_the_grace() {
    let mut world = World::new();
    let stopper = "trap 'echo term; exit 0' TERM; touch /data/ready; while :; do sleep 0.02; done";
    let run = |world: &mut World, hook, grace| {
        let launch = Launch { pre_stop: hook, ..with_data(sh(stopper)) };
        world.start(&launch);
        world.started(&launch);
        until(|| world.folder(&launch).join("volumes/work/ready").exists());
        world.stop(&launch, grace);
        let exit = world.exited(&launch);
        (launch, exit)
    };
    let (launch, exit) = run(&mut world, exec("echo hook > /data/hook"), 60);
    assert_eq!(exit.code, 0);
    let left = world.folder(&launch).join("volumes/work/hook");
    assert_eq!(std::fs::read_to_string(left).expect("the hook ran"), "hook\n");
    assert_eq!(world.output(&launch), "term\n");

    let (launch, exit) = run(&mut world, exec("exit 4"), 60);
    let said = world.wait(&launch, |event| match event {
        ContainerEvent::PreStopFailed(why) => Some(why.clone()),
        _ => None,
    });
    assert_eq!((said.as_str(), exit.code), ("command '/bin/sh -c exit 4' exited with 4: ", 0));

    // A hook that takes longer than the grace is cut short; TERM still comes before KILL.
    let (_, exit) = run(&mut world, exec("sleep 1000"), 1);
    assert_eq!(exit.code, 0);
    let (_, exit) = run(&mut world, Some(Hook::Sleep { seconds: 1000 }), 1);
    assert_eq!(exit.code, 0);
}

#[test]
fn a_stop_without_grace_leaves_no_hook_behind() {
    for cgroups in [true, false] {
        let mut world = World::with(cgroups);
        let launch = with_data(sh("sleep 1000"));
        // The shell and what it started.
        let hook = exec("sleep 1000 & echo $! > /data/pid; wait");
        let launch = Launch { pre_stop: hook, ..launch };
        world.start(&launch);
        world.started(&launch);
        world.stop(&launch, 3600);
        let file = world.folder(&launch).join("volumes/work/pid");
        let pid: u32 = crate::world::read_when_there(&file).parse().expect("a pid");
        world.stop(&launch, 0);
        assert_eq!(world.exited(&launch).code, 137);
        until(|| !alive(pid));
    }
}
