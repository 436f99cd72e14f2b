//! A PostgreSQL of Debian's packages, started for one test in a folder of its own.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio_postgres::{Client, NoTls};

/// Ends with the value.
pub struct Postgres {
    server: Child,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Nothing, with a line that says so, where there is no PostgreSQL.
    pub fn start() -> Result<Option<Postgres>> {
        let Some(bin) = newest_bin() else {
            // Not by a macro, whose output of a test that passes nobody sees.
            writeln!(
                io::stderr(),
                "SKIPPED: no PostgreSQL (apt-get install postgresql); import-djstripe is not tested"
            )?;
            return Ok(None);
        };
        let folder = std::env::temp_dir().join(format!("manage-postgres-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder)?;
        let is_root = as_text(Command::new("id").arg("-u"))? == "0";
        if is_root {
            // PostgreSQL refuses to run as root; its package made a user for it.
            as_text(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let data = folder.join("data");
        as_text(as_its_user(is_root, &bin.join("initdb")).args(["-A", "trust", "-U", "test", "-N", "-D"]).arg(&data))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = as_its_user(is_root, &bin.join("postgres"));
        let server =
            server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-F", "-p", &port.to_string(), "-k"]).arg(&folder);
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Some(Postgres { server, folder, port }))
    }

    pub fn url(&self) -> String {
        format!("postgresql://test@127.0.0.1:{}/postgres", self.port)
    }

    pub async fn client(&mut self) -> Result<Client> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            ensure!(self.server.try_wait()?.is_none(), "PostgreSQL ended");
            match tokio_postgres::connect(&self.url(), NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return Ok(client);
                }
                Err(error) if Instant::now() > deadline => return Err(error).context("PostgreSQL does not answer"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn newest_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut bins: Vec<PathBuf> = versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect();
    bins.sort();
    bins.into_iter().rfind(|bin| bin.join("initdb").exists())
}

/// `setpriv` becomes the server, so that ending it ends the server.
fn as_its_user(is_root: bool, program: &Path) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program).current_dir("/");
    command
}

fn as_text(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
