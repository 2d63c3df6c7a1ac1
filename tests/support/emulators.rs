//! Finds moto, ministack and sam on the PATH, and runs one of the first two on a free loopback port until it is dropped.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long an emulator may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// By this an emulator knows that a request is for S3; it does not check the signature.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20261126/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=none";

/// A running emulator of AWS. Dropping it ends the process.
pub struct Emulator {
    /// The endpoint of all its services.
    pub endpoint: String,
    /// The account that it plays.
    pub account: &'static str,
    child: Child,
}

impl Emulator {
    /// Puts something into S3: a bucket at `/bucket`, an object at `/bucket/key`.
    pub fn put(&self, path: &str, body: &[u8]) {
        let host = self.endpoint.trim_start_matches("http://");
        let mut connection = TcpStream::connect(host).unwrap();
        let length = body.len();
        let head = format!("PUT {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{SIGNED}\r\n\r\n");
        connection.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.lines().next().is_some_and(|first| first.contains(" 200")), "PUT {path}: {answer}");
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have died by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// moto's server; none when it is not installed.
pub async fn moto() -> Option<Emulator> {
    let program = find("moto", "moto_server")?;
    Some(start("123456789012", |port| {
        let mut command = Command::new(&program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    }))
}

/// ministack; none when it is not installed.
pub async fn ministack() -> Option<Emulator> {
    let program = find("ministack", "ministack")?;
    Some(start("000000000000", |port| {
        let mut command = Command::new(&program);
        command.envs([("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
        command.env("GATEWAY_PORT", port.to_string());
        command
    }))
}

/// AWS's deployment tool; none when it is not installed.
pub fn sam() -> Option<PathBuf> {
    find("sam", "sam")
}

/// The Python that moto lives in, which has AWS's own client library; none when it is not to be found.
pub fn motos_python() -> Option<PathBuf> {
    let server = find("moto", "moto_server")?;
    let linked = server.canonicalize().unwrap_or_else(|_| server.clone());
    let beside = [&server, &linked].into_iter().filter_map(|file| Some(file.parent()?.join("python3")));
    let knows_aws = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import botocore"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = beside.chain([PathBuf::from("python3")]).find(knows_aws);
    if found.is_none() {
        assert!(!is_required("moto"), "ALCH_TEST_REQUIRE names moto, but no Python with its botocore was found");
        let _ =
            std::io::stderr().write_all(b"\n*** SKIPPED: no Python with botocore; the ECS task was not judged ***\n");
    }
    found
}

/// Whether `ALCH_TEST_REQUIRE`, a comma list, names this tool: then its absence fails the test.
pub fn is_required(tool: &str) -> bool {
    env::var("ALCH_TEST_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name.trim() == tool))
}

impl Emulator {
    /// Has moto run functions without Docker, or with it again: without, a function answers with its payload.
    pub fn with_docker(&self, docker: bool) {
        let address = self.endpoint.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        let body = format!(r#"{{"lambda": {{"use_docker": {docker}}}}}"#);
        let length = body.len();
        let head = format!(
            "POST /moto-api/config HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        connection.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 201 ") || answer.contains(" 200 "), "{answer}");
    }
}

fn find(tool: &str, program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert!(!is_required(tool), "ALCH_TEST_REQUIRE names {tool}, but {program} is not on the PATH");
        skipped(&format!("{program} is not on the PATH; nothing was tested against {tool}"));
    }
    found
}

/// Not by a macro, whose output the test runner swallows when the test passes.
fn skipped(what: &str) {
    let _ = std::io::stderr().write_all(format!("\n*** SKIPPED: {what} ***\n").as_bytes());
}

fn start(account: &'static str, command: impl Fn(u16) -> Command) -> Emulator {
    // The port is free when it is chosen; should somebody else take it before the emulator does, it ends, and another
    // one is tried.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command(port).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut emulator = Emulator { endpoint: format!("http://127.0.0.1:{port}"), account, child };
        let started = Instant::now();
        while emulator.child.try_wait().unwrap().is_none() {
            if answers(port) {
                return emulator;
            }
            assert!(started.elapsed() < START_PATIENCE, "the emulator did not answer within {START_PATIENCE:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("the emulator ended right after its start, five times");
}

fn answers(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let Ok(mut connection) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    let _ = connection.set_read_timeout(Some(Duration::from_secs(5)));
    let mut first = [0; 5];
    connection.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").is_ok()
        && connection.read_exact(&mut first).is_ok()
        && first == *b"HTTP/"
}
