//! One function behind AWS's runtime interface emulator: <https://github.com/aws/aws-lambda-runtime-interface-emulator>.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::Mutex;

use super::Paths;
use crate::policy::Function;

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A running function. Dropping it ends the emulator, which ends the function.
pub struct Emulator {
    url: String,
    client: reqwest::Client,
    process: Child,
    log: PathBuf,
    /// An environment of Lambda answers one request at a time.
    turn: Mutex<()>,
}

impl Emulator {
    /// # Errors
    /// When the function was not built or the emulator does not start.
    pub async fn start(function: &Function, environment: &BTreeMap<String, String>, paths: &Paths) -> Result<Emulator> {
        let bootstrap = paths.bootstraps.join(&function.folder).join("bootstrap");
        if !bootstrap.is_file() {
            bail!("{} is not built", bootstrap.display());
        }
        std::fs::create_dir_all(&paths.logs).context("make the folder of logs")?;
        let log = paths.logs.join(format!("{}.log", function.folder));
        let output = File::create(&log).with_context(|| format!("write {}", log.display()))?;
        let (port, runtime_port) = (free_port()?, free_port()?);
        let timeout = function.properties["Timeout"].as_u64().unwrap_or(29);
        let memory = function.properties["MemorySize"].as_u64().unwrap_or(256);
        let process = Command::new(&paths.emulator)
            .arg("--runtime-interface-emulator-address")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--runtime-api-address")
            .arg(format!("127.0.0.1:{runtime_port}"))
            .arg(&bootstrap)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_FUNCTION_NAME", &function.folder)
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.to_string())
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("share the log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", paths.emulator.display()))?;
        let client = reqwest::Client::builder().no_proxy().build().context("build a client")?;
        let url = format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations");
        let emulator = Emulator { url, client, process, log, turn: Mutex::new(()) };
        emulator.wait_until_it_listens(port).await?;
        Ok(emulator)
    }

    async fn wait_until_it_listens(&self, port: u16) -> Result<()> {
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > START_TIMEOUT {
                bail!("the emulator did not start: see {}", self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// What the function answers to the event, or `{"errorType", "errorMessage"}`.
    ///
    /// # Errors
    /// When the emulator itself does not answer.
    pub async fn invoke(&self, event: &Value) -> Result<String> {
        let _turn = self.turn.lock().await;
        let answer = self.client.post(&self.url).json(event).send().await.context("call the emulator")?;
        answer.text().await.context("read the emulator's answer")
    }

    /// Everything the function and the emulator have written.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(&self.log).with_context(|| format!("read {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Asked to end it ends the function too; killed it would leave it behind.
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        if asked.is_ok_and(|status| status.success()) {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(3) {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?.port())
}
