//! `alch health`: asks the server of this machine how it is. For containers, whose image has no shell and no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::say;
use crate::cli::HealthArgs;
use crate::config::Variables;

/// How long the server may take. Whoever asks has a limit, too, and ours says more.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than it says of itself.
const MAX_ANSWER: usize = 64 * 1024;

pub(super) async fn health(args: &HealthArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let (config, _) = super::load(&args.config, variables)?;
    let address = reachable(config.server.address().context("server.listen is not an address")?);
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let asked = tokio::time::timeout(PATIENCE, ask(address, path)).await;
    let (status, body) = asked
        .with_context(|| format!("nothing answers at {address} within {} s", PATIENCE.as_secs()))?
        .with_context(|| format!("nothing answers at {address}: is `alch serve` running here?"))?;
    say(body.trim_end());
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where somebody reaches from this machine what listens there.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<(http::StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get(path).header(http::header::HOST, "localhost").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    connection.abort();
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        for (listens, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("127.0.0.2:80", "127.0.0.2:80"),
            ("10.0.0.7:8080", "10.0.0.7:8080"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
