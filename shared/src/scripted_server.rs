//! A server for tests that answers each request, in order, with what the test wrote down: also the ways of failing
//! that a well-behaved server library would not offer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of one request.
#[derive(Clone)]
pub(crate) enum Reaction {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection is closed after the request was read.
    Reset,
    /// No answer ever.
    Hang,
    /// A head that promises a body which never comes.
    HangInBody,
}

impl Reaction {
    pub(crate) fn reply(status: u16, body: impl ToString) -> Reaction {
        Reaction::Reply { status, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn ok(body: impl ToString) -> Reaction {
        Reaction::reply(200, body)
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl ToString) -> Reaction {
        if let Reaction::Reply { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }
}

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Script {
    reactions: Mutex<VecDeque<Reaction>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
}

pub(crate) struct ScriptedServer {
    address: std::net::SocketAddr,
    script: Arc<Script>,
    accepting: JoinHandle<()>,
}

impl ScriptedServer {
    pub(crate) async fn start(reactions: Vec<Reaction>) -> ScriptedServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script { reactions: Mutex::new(reactions.into()), ..Script::default() });
        let accepting = tokio::spawn(accept(listener, script.clone()));
        ScriptedServer { address, script, accepting }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.script.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.script.connections.load(Ordering::SeqCst)
    }

    /// Nobody listens any more.
    pub(crate) async fn stop(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    while let Ok((stream, _)) = listener.accept().await {
        script.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(stream, script.clone()));
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>) {
    while let Some(received) = read_request(&mut stream).await {
        script.received.lock().unwrap().push(received);
        let reaction = script.reactions.lock().unwrap().pop_front();
        match reaction.expect("the test wrote down an answer for every request") {
            Reaction::Reply { status, headers, body } => {
                let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let length = body.len();
                let reply = format!("HTTP/1.1 {status} Scripted\r\n{headers}content-length: {length}\r\n\r\n{body}");
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
            Reaction::Reset => return,
            Reaction::Hang => std::future::pending().await,
            Reaction::HangInBody => {
                stream.write_all(b"HTTP/1.1 200 Scripted\r\ncontent-length: 5\r\n\r\n12").await.unwrap();
                std::future::pending().await
            }
        }
    }
}

/// Nothing when the client is gone.
async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(place) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break place;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut request_line = lines.next()?.split(' ');
    let (method, path) = (request_line.next()?.to_owned(), request_line.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(Some(0), |(_, value)| value.parse().ok())?;
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes.split_off(head_end + 4)).ok()?;
    Some(Received { method, path, headers, body })
}
