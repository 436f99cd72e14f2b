//! The five ports of the stack, taken all at once or not at all.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

/// Where the stack listens. Always on 127.0.0.1: nothing here is meant for other machines.
#[derive(Clone, Copy, Debug)]
pub enum Ports {
    /// This port and the four after it.
    From(u16),
    /// Whatever is free: for tests, any number of which may run at once.
    Ephemeral,
}

pub(crate) struct Listeners {
    pub api: TcpListener,
    pub function_url: TcpListener,
    pub dynamodb: TcpListener,
    pub secrets_manager: TcpListener,
    pub stripe: TcpListener,
}

impl Listeners {
    /// Errors: a port that is taken is named, with what it was wanted for.
    pub async fn bind(ports: Ports) -> Result<Listeners> {
        Ok(Listeners {
            api: listen(ports, 0, "API").await?,
            function_url: listen(ports, 1, "function URL").await?,
            dynamodb: listen(ports, 2, "DynamoDB").await?,
            secrets_manager: listen(ports, 3, "Secrets Manager").await?,
            stripe: listen(ports, 4, "Stripe sandbox").await?,
        })
    }
}

async fn listen(ports: Ports, offset: u16, purpose: &str) -> Result<TcpListener> {
    let port = match ports {
        Ports::Ephemeral => 0,
        Ports::From(first) => match first.checked_add(offset) {
            Some(port) => port,
            None => bail!("--port {first} is too high: the stack needs five ports in a row."),
        },
    };
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("Port {port} ({purpose}) is already in use: stop the other program or choose another with --port.")
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("Port {port} ({purpose}) needs administrator rights: choose one above 1023 with --port.")
        }
        Err(error) => Err(error).with_context(|| format!("listen on port {port} ({purpose})")),
    }
}

/// `http://127.0.0.1:9000`, without a slash at the end.
pub(crate) fn url_of(listener: &TcpListener) -> Result<String> {
    let address: SocketAddr = listener.local_addr().context("read a listener's own address")?;
    Ok(format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_it_was_for() {
        let (first, _taken) = a_free_port_before_a_taken_one().await;
        let error = Listeners::bind(Ports::From(first)).await.err().unwrap().to_string();
        assert_eq!(
            error,
            format!(
                "Port {} (function URL) is already in use: stop the other program or choose another with --port.",
                first + 1
            )
        );
    }

    #[tokio::test]
    async fn five_ports_must_fit() {
        let error = listen(Ports::From(65_534), 2, "DynamoDB").await.unwrap_err().to_string();
        assert!(error.contains("65534 is too high"), "{error}");
    }

    async fn a_free_port_before_a_taken_one() -> (u16, TcpListener) {
        loop {
            let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let before = taken.local_addr().unwrap().port() - 1;
            if TcpListener::bind((Ipv4Addr::LOCALHOST, before)).await.is_ok() {
                return (before, taken);
            }
        }
    }
}
