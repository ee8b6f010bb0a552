//! `httpGet` and `tcpSocket`, as the kubelet asks and judges.

use crate::server::{Server, answer};
use cronlet_node::probes::{Answer, http, tcp};
use cronlet_plan::order::{Address, HttpGet};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Longer than any answer that is to come takes.
const PATIENT: Duration = Duration::from_secs(60);
/// For what never answers: whatever it is, it runs out.
const SHORT: Duration = Duration::from_millis(200);

fn block<T>(asking: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(asking)
}

fn get(at: SocketAddr, path: &str) -> HttpGet {
    let address = Address { host: at.ip().to_string(), port: at.port() };
    HttpGet { https: false, address, path: path.to_owned(), headers: Vec::new() }
}

fn failed(why: &str) -> Answer {
    Answer::Failed(why.to_owned())
}

/// A server that answers by the path: `/200` with 200, `/to/<where>` with a redirect.
fn by_path(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(location) = path.strip_prefix("/to/") {
        return answer("302 Found", &format!("Location: {location}\r\n"));
    }
    if path == "/loop" {
        return answer("307 Temporary Redirect", "Location: /loop\r\n");
    }
    answer(&format!("{} Word", &path[1..]), "")
}

#[test]
fn statuses_and_redirects() {
    let server = Server::new(by_path);
    let (host, port) = (server.at.ip(), server.at.port());
    let check = |path: &str, want: Answer| {
        assert_eq!(block(http::probe(&get(server.at, path), PATIENT)), want, "{path}");
    };
    check("/200", Answer::Passed);
    check("204", Answer::Passed);
    check("/399", Answer::Warned("Probe terminated redirects, Response body: body".into()));
    check("/400", failed("HTTP probe failed with statuscode: 400"));
    check("/503#x", failed("HTTP probe failed with statuscode: 503"));
    check("/to//200", Answer::Passed);
    check("/to//500", failed("HTTP probe failed with statuscode: 500"));
    check(&format!("/to/http://{host}:{port}/201"), Answer::Passed);
    let away = Answer::Warned("Probe terminated redirects, Response body: body".into());
    check(&format!("/to/http://127.9.9.9:{port}/500"), away);
    let url = format!("http://{host}:{port}/loop");
    check("/loop", failed(&format!("Get \"{url}\": stopped after 10 redirects")));
}

#[test]
fn the_request_is_the_kubelets() {
    let server = Server::new(|_| answer("200 OK", ""));
    let check = |headers: &[(&str, &str)], has: &[&str], lacks: &[&str]| {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(own).collect();
        let get = HttpGet { headers, ..get(server.at, "/a?b=c") };
        assert_eq!(block(http::probe(&get, PATIENT)), Answer::Passed);
        let heard = server.last();
        assert!(heard.starts_with("get /a?b=c http/1.1\n"), "{heard}");
        has.iter().for_each(|line| assert!(heard.contains(line), "{line} is not in {heard}"));
        lacks.iter().for_each(|word| assert!(!heard.contains(word), "{word} is in {heard}"));
    };
    let host = format!("host: {}", server.at);
    let usual = [&*host, "user-agent: kube-probe/", "accept: */*", "connection: close"];
    check(&[], &usual, &[]);
    let own = [("X-A", "1"), ("x-a", "2"), ("Host", "web.example"), ("User-Agent", "me")];
    let has = ["x-a: 1", "x-a: 2", "host: web.example", "user-agent: me"];
    check(&own, &has, &["127.0.0.1", "kube-probe"]);
    check(&[("Accept", ""), ("User-Agent", "")], &[], &["accept", "user-agent"]);
}

#[test]
fn no_certificate_is_looked_at() {
    let server = Server::secure(by_path);
    let get = |path: &str| HttpGet { https: true, ..get(server.at, path) };
    assert_eq!(block(http::probe(&get("/200"), PATIENT)), Answer::Passed);
    let want = failed("HTTP probe failed with statuscode: 500");
    assert_eq!(block(http::probe(&get("/500"), PATIENT)), want);
    let plain = Server::new(by_path);
    let get = HttpGet { https: true, ..crate::asking::get(plain.at, "/200") };
    let answer = block(http::probe(&get, PATIENT));
    assert!(
        matches!(&answer, Answer::Failed(why) if why.starts_with("Get \"https://")),
        "{answer:?}"
    );
}

#[test]
fn what_never_answers_fails() {
    // It takes connections and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = mute.local_addr().expect("an address");
    let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let got = block(http::probe(&get(at, "/"), SHORT));
    assert_eq!(got, failed(&format!("Get \"http://{at}/\": {late}")));
    let address = get(at, "/").address;
    assert_eq!(block(tcp::probe(&address, PATIENT)), Answer::Passed);
    drop(mute);
    let refused = format!("dial tcp {at}: connect: connection refused");
    assert_eq!(block(tcp::probe(&address, PATIENT)), failed(&refused));
    let got = block(http::probe(&get(at, "/"), PATIENT));
    assert_eq!(got, failed(&format!("Get \"http://{at}/\": {refused}")));
    let hangs_up = Server::new(|_| String::new());
    let got = block(http::probe(&get(hangs_up.at, "/"), PATIENT));
    assert_eq!(got, failed(&format!("Get \"http://{}/\": EOF", hangs_up.at)));
}

#[test]
fn what_listens_on_localhost_alone_is_not_found_but_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("an address");
    let pods = Address { host: "127.77.7.7".into(), port: at.port() };
    let Answer::Failed(why) = block(tcp::probe(&pods, PATIENT)) else { panic!("it passed") };
    let refused = format!("dial tcp 127.77.7.7:{}: connect: connection refused", at.port());
    assert!(why.starts_with(&refused), "{why}");
    assert!(why.contains(&format!("something listens on {at}")), "{why}");
    drop(listener);
    assert_eq!(block(tcp::probe(&pods, PATIENT)), failed(&refused));
}

#[test]
fn a_body_without_end_is_not_read_to_its_end() {
    let server = Server::new(|_| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n{}", "x".repeat(20_000))
    });
    assert_eq!(block(http::probe(&get(server.at, "/"), PATIENT)), Answer::Passed);
}
