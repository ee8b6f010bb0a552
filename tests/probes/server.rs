//! A small server of HTTP/1.1 under the test's thumb.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Answers each request by what it was: the head, as it came.
type Answer = dyn Fn(&str) -> String + Send + Sync;

pub struct Server {
    pub at: SocketAddr,
    /// The heads of all requests so far.
    pub heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn new(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
        Server::begin(answer, |stream, talk| {
            let reader = stream.try_clone().expect("a second handle");
            talk(Box::new(reader), Box::new(stream));
        })
    }

    /// With a certificate that no one would trust.
    pub fn secure(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
        let config = Arc::new(tls_config());
        Server::begin(answer, move |stream, talk| {
            let session = ServerConnection::new(config.clone()).expect("a session");
            let stream = Shared(Arc::new(Mutex::new(StreamOwned::new(session, stream))));
            talk(Box::new(stream.clone()), Box::new(stream));
        })
    }

    fn begin(
        answer: impl Fn(&str) -> String + Send + Sync + 'static,
        wrap: impl Fn(TcpStream, &dyn Fn(Box<dyn Read>, Box<dyn Write>)) + Send + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (answer, notes): (Arc<Answer>, _) = (Arc::new(answer), heard.clone());
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                wrap(stream, &|reader, writer| converse(reader, writer, &*answer, &notes));
            }
        });
        Server { at, heard }
    }

    /// The request that came last, in small letters.
    pub fn last(&self) -> String {
        self.heard.lock().expect("sound").last().cloned().unwrap_or_default().to_lowercase()
    }
}

fn converse(
    reader: Box<dyn Read>,
    mut writer: Box<dyn Write>,
    answer: &Answer,
    heard: &Mutex<Vec<String>>,
) {
    let lines = BufReader::new(reader).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let head = head.join("\n");
    heard.lock().expect("sound").push(head.clone());
    // Whoever hung up does not want it.
    let _ = writer.write_all(answer(&head).as_bytes()).and_then(|()| writer.flush());
}

/// An answer with that first line and these headers, and `body` as its body.
pub fn answer(first: &str, headers: &str) -> String {
    format!("HTTP/1.1 {first}\r\n{headers}Content-Length: 4\r\n\r\nbody")
}

#[derive(Clone)]
struct Shared(Arc<Mutex<StreamOwned<ServerConnection, TcpStream>>>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sound").read(buffer)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sound").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().expect("sound").flush()
    }
}

/// Made for this test alone, by `openssl req -x509`; over since 2026-11-24.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgChZ6g+V5eT+RTFKW
8oChasFizx7bXhfNqgmELoqfET2hRANCAASA6MCTVFWp6Vi9ssvmZIn+8VCVwSW0
fxrDvMC3pehi+vPzoouf7Ou4Wo4wgFfYVA4SrFSWWawTOMyTtZhP+Oe8
-----END PRIVATE KEY-----
";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUZSlSdYdEAD2B6xtimWKMJ9nJGc8wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwObm9ib2R5LmludmFsaWQwHhcNMjYxMTIzMTYzMzU5WhcNMjYx
MTI0MTYzMzU5WjAZMRcwFQYDVQQDDA5ub2JvZHkuaW52YWxpZDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABIDowJNUVanpWL2yy+Zkif7xUJXBJbR/GsO8wLel6GL6
8/Oii5/s67hajjCAV9hUDhKsVJZZrBM4zJO1mE/457yjUzBRMB0GA1UdDgQWBBT5
Ln9tCHSyPoeHCY8MLgRME5CcejAfBgNVHSMEGDAWgBT5Ln9tCHSyPoeHCY8MLgRM
E5CcejAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIHdWQmn3TvTD
zkyuK131Is8qjBeNxzSV43k0q70jUEeFAiEAwJpi95hSoDqNjIXnvDw6XTaVxOI7
Dk7I7U+TdEcW9jg=
-----END CERTIFICATE-----
";

fn tls_config() -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let certificate =
        CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they fit")
}
