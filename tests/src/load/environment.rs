//! One running function: a process behind the Runtime API, and what it has cost so far.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::runtime_api::RuntimeApi;

/// What is run as the functions.
#[derive(Clone, Debug)]
pub enum Program {
    /// This program itself, which serves any function when asked to: built with the release profile, as they are.
    Itself(PathBuf),
    /// A folder per function with its `bootstrap`, as `cargo lambda build` leaves them.
    Bootstraps(PathBuf),
}

impl Program {
    fn command(&self, function: &str) -> Command {
        match self {
            Program::Itself(program) => {
                let mut command = Command::new(program);
                command.args(["function", function]);
                command
            }
            Program::Bootstraps(folder) => Command::new(folder.join(function).join("bootstrap")),
        }
    }
}

/// A running function. Dropping it ends it.
pub struct Environment {
    process: Child,
}

impl Environment {
    /// With the variables given, those Lambda sets, and no others.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(
        program: &Program,
        function: &str,
        api: &RuntimeApi,
        variables: &BTreeMap<String, String>,
    ) -> Result<Environment> {
        Environment::of(program.command(function), function, api, variables)
    }

    /// The same, within a CPU cgroup: it joins before it becomes the function.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_in_cgroup(
        program: &Program,
        function: &str,
        api: &RuntimeApi,
        variables: &BTreeMap<String, String>,
        cgroup: &Path,
    ) -> Result<Environment> {
        let wanted = program.command(function);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(cgroup.join("cgroup.procs"));
        command.arg(wanted.get_program()).args(wanted.get_args());
        Environment::of(command, function, api, variables)
    }

    fn of(
        mut command: Command,
        function: &str,
        api: &RuntimeApi,
        variables: &BTreeMap<String, String>,
    ) -> Result<Environment> {
        let process = command
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("start {function}"))?;
        Ok(Environment { process })
    }

    /// CPU spent since its start, in user and kernel, by all its threads.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        cpu_of(self.process.id())
    }

    /// Memory resident now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn rss_mb(&self) -> Result<f64> {
        rss_mb_of(self.process.id())
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// By the scheduler's own count in nanoseconds: `/proc/PID/stat` counts in hundredths of a second, which is too coarse
/// for many processes that each do little.
pub(crate) fn cpu_of(process: u32) -> Result<Duration> {
    let folder = format!("/proc/{process}/task");
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(&folder).with_context(|| format!("read {folder}"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let spent = text.split_whitespace().next().context("schedstat is empty")?;
        nanoseconds += spent.parse::<u64>().context("understand schedstat")?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

pub(crate) fn rss_mb_of(process: u32) -> Result<f64> {
    memory_mb_of(process, "VmRSS:")
}

/// The most that ever was resident.
pub(super) fn peak_rss_mb_of(process: u32) -> Result<f64> {
    memory_mb_of(process, "VmHWM:")
}

fn memory_mb_of(process: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("understand {name}"))?;
    Ok(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_seen_to_spend_and_to_hold() {
        let before = cpu_of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu_of(std::process::id()).unwrap() == before {
            sum = std::hint::black_box((0..100_000_u64).fold(sum, u64::wrapping_add));
        }
        assert!(rss_mb_of(std::process::id()).unwrap() > 0.5);
        assert!(cpu_of(u32::MAX).is_err());
    }
}
