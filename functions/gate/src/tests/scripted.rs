//! A server that answers what the test says, byte by byte: also what no well-behaved server would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// Every value of the header, in order.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn header_names(&self) -> Vec<String> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

#[derive(Clone)]
pub(super) enum Answer {
    Bytes(Vec<u8>),
    /// The connection is closed after these.
    Last(Vec<u8>),
    /// The first bytes, then the second again and again with this pause between.
    Endless(&'static str, Vec<u8>, Duration),
    Never,
}

impl Answer {
    pub fn text(text: &str) -> Answer {
        Answer::Bytes(text.as_bytes().to_vec())
    }

    pub fn ok(body: &str) -> Answer {
        Answer::Bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

type Answering = dyn Fn(usize, &Received) -> Answer + Send + Sync;

#[derive(Clone)]
pub(super) struct Scripted {
    pub url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Scripted {
    /// `answering` is told how many requests came before.
    pub async fn start(answering: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (log, answering): (_, Arc<Answering>) = (Arc::clone(&received), Arc::new(answering));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&answering)));
            }
        });
        Scripted { url, received }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The one request that came.
    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }
}

/// Where nobody listens.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Ends when the other side is gone.
async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Received>>>, answering: Arc<Answering>) -> Option<()> {
    loop {
        let received = read_request(&mut stream).await?;
        let before = {
            let mut log = log.lock().unwrap();
            log.push(received.clone());
            log.len() - 1
        };
        match answering(before, &received) {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Answer::Last(bytes) => return stream.write_all(&bytes).await.ok(),
            Answer::Endless(head, piece, pause) => {
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(&piece).await.ok()?;
                    tokio::time::sleep(pause).await;
                }
            }
            Answer::Never => std::future::pending().await,
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(place) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break place + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut received = Received { head, body: Vec::new() };
    let length: usize = received.header("content-length").first().map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    received.body = bytes.split_off(head_end);
    Some(received)
}
