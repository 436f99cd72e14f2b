//! The functions in a process of their own, for attacks whose traces are the process's: its log and its memory.

use std::hint::black_box;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand};
use tests::{canaries, hostile, signature_cases};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    attack: Attack,
}

#[derive(Subcommand)]
enum Attack {
    /// Takes secret and personal values through every function; the log is on standard output.
    Canaries {
        /// Where this run's own secrets are written.
        found_again: PathBuf,
    },
    /// Sends mixed requests and prints what they cost as JSON.
    Crowd {
        #[arg(long, default_value_t = 100_000)]
        requests: usize,
    },
    /// Prints the microseconds that the first random numbers of this process take: TLS's and an idempotency key's.
    Randomness,
    /// Prints signature headers with the verdicts they deserve, one JSON object a line.
    SignatureCases,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().attack {
        Attack::Canaries { found_again } => canaries::play(&found_again).await,
        Attack::Crowd { requests } => {
            let cost = hostile::crowd(requests).await?;
            writeln!(stdout(), "{}", serde_json::to_string(&cost)?)?;
            Ok(())
        }
        Attack::Randomness => {
            let start = Instant::now();
            let mut for_tls = [0_u8; 32];
            let ring = rustls::crypto::ring::default_provider();
            ring.secure_random.fill(&mut for_tls).map_err(|_| anyhow::anyhow!("there is no randomness"))?;
            black_box((for_tls, uuid::Uuid::new_v4()));
            writeln!(stdout(), "{}", start.elapsed().as_micros())?;
            Ok(())
        }
        Attack::SignatureCases => {
            let mut out = stdout().lock();
            for case in signature_cases::all() {
                writeln!(out, "{}", serde_json::to_string(&case)?)?;
            }
            Ok(())
        }
    }
}
