//! What no function can go below: Lambda's Runtime API itself, asked by `lambda_http` and by nothing but the kernel.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, anyhow};
use lambda_http::{Body, Request, Response, service_fn};

/// A function that reads its event and answers nothing.
pub(super) async fn function() -> Result<()> {
    let nothing = |_: Request| async { Ok::<_, Infallible>(Response::new(Body::Empty)) };
    lambda_http::run(service_fn(nothing)).await.map_err(|error| anyhow!("{error}"))
}

/// The same exchanges on one blocking connection, without a runtime, a log or a look at the event.
#[expect(clippy::disallowed_methods, reason = "it is no function of ours, whose settings config.rs reads")]
pub(super) fn sockets() -> Result<()> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").context("read AWS_LAMBDA_RUNTIME_API")?;
    let mut output = TcpStream::connect(address).context("connect to the Runtime API")?;
    output.set_nodelay(true)?;
    let mut input = BufReader::new(output.try_clone()?);
    let reply = r#"{"statusCode":200,"headers":{},"body":""}"#;
    loop {
        output.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: runtime\r\n\r\n")?;
        let id = read(&mut input)?.context("the event has no id")?;
        let length = reply.len();
        let answer = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: runtime\r\n\
             content-length: {length}\r\n\r\n{reply}"
        );
        output.write_all(answer.as_bytes())?;
        read(&mut input)?;
    }
}

/// Reads one answer whole. The id of the event, when it is one.
fn read(input: &mut BufReader<TcpStream>) -> Result<Option<String>> {
    let (mut id, mut length, mut line) = (None, 0, String::new());
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            // The Runtime API is gone, and its functions with it.
            std::process::exit(0);
        }
        match line.trim_end().split_once(": ") {
            Some(("lambda-runtime-aws-request-id", value)) => id = Some(value.to_owned()),
            Some(("content-length", value)) => length = value.parse()?,
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            // The status.
            None => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(id)
}
