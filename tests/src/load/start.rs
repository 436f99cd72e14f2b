//! How a function starts: from `exec` to asking for its first request, and to its first answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use axum::body::Bytes;

use super::environment::{Environment, Program};
use super::measure::{median, milliseconds};
use super::runtime_api::RuntimeApi;
use super::services::Services;

/// One start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// From `exec` to the first question for work: secrets read and connections open.
    pub ready_ms: f64,
    /// From `exec` to the first answer, had the request been waiting.
    pub answered_ms: f64,
    pub cpu_ms: f64,
    pub rss_mb: f64,
}

/// The middle of several starts.
#[derive(Clone, Copy, Debug)]
pub struct Starts {
    pub middle: Start,
    pub slowest_answer_ms: f64,
}

/// How much CPU a function gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    WholeCore,
    /// Lambda gives CPU in proportion to memory, one core at 1,769 MB.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
    OfMemory(u32),
}

const MEMORY_OF_A_CORE_MB: u32 = 1_769;

/// CPU is handed out in slices of this: the kernel's finest of use, and near what is told of Lambda's.
const PERIOD_US: u32 = 20_000;

/// A cgroup that gives its processes a share of a core. Dropping it takes it away.
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// # Errors
    /// When this machine lets nobody make one.
    pub fn new(memory_mb: u32) -> Result<Cgroup> {
        let quota_us = PERIOD_US * memory_mb / MEMORY_OF_A_CORE_MB;
        let name = format!("function-start-{}-{memory_mb}", std::process::id());
        let (first, second) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        if first.join("cpu.cfs_quota_us").exists() {
            let cgroup = Cgroup::make(first.join(name))?;
            cgroup.set("cpu.cfs_period_us", &PERIOD_US.to_string())?;
            cgroup.set("cpu.cfs_quota_us", &quota_us.to_string())?;
            return Ok(cgroup);
        }
        if second.join("cgroup.controllers").exists() {
            let cgroup = Cgroup::make(second.join(name))?;
            cgroup.set("cpu.max", &format!("{quota_us} {PERIOD_US}"))?;
            return Ok(cgroup);
        }
        bail!("there are no cgroups here")
    }

    fn make(folder: PathBuf) -> Result<Cgroup> {
        std::fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Cgroup(folder))
    }

    fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.0.join(name);
        std::fs::write(&path, value).with_context(|| format!("write {value} to {}", path.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes have ended; the kernel may still be about it.
        for _ in 0..50 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Starts the function for each of the requests. The first start is not measured: it brings the program into memory.
///
/// # Errors
/// When it does not start, or does not answer with 200.
pub async fn measure(
    program: &Program,
    function: &str,
    services: &Services,
    requests: Vec<Bytes>,
    cgroup: Option<&Cgroup>,
) -> Result<Starts> {
    ensure!(requests.len() > 1, "nothing would be measured");
    let mut starts = Vec::new();
    for request in requests {
        starts.push(once(program, function, services, request, cgroup).await?);
    }
    starts.remove(0);
    let of = |field: fn(&Start) -> f64| median(starts.iter().map(field).collect());
    Ok(Starts {
        middle: Start {
            ready_ms: of(|start| start.ready_ms),
            answered_ms: of(|start| start.answered_ms),
            cpu_ms: of(|start| start.cpu_ms),
            rss_mb: of(|start| start.rss_mb),
        },
        slowest_answer_ms: starts.iter().map(|start| start.answered_ms).fold(0.0, f64::max),
    })
}

async fn once(
    program: &Program,
    function: &str,
    services: &Services,
    request: Bytes,
    cgroup: Option<&Cgroup>,
) -> Result<Start> {
    let api = RuntimeApi::start().await?;
    let began = Instant::now();
    let environment = match cgroup {
        Some(cgroup) => Environment::start_in_cgroup(program, function, &api, &services.variables, &cgroup.0)?,
        None => Environment::start(program, function, &api, &services.variables)?,
    };
    let reply = api.invoke(request).await?;
    let answered = began.elapsed();
    let ready = api.first_asked_at().await?.duration_since(began);
    let status = serde_json::from_slice::<serde_json::Value>(&reply)?["statusCode"].clone();
    ensure!(status == 200, "{function} answers its first request with {status}");
    Ok(Start {
        ready_ms: milliseconds(ready),
        answered_ms: milliseconds(answered),
        cpu_ms: milliseconds(environment.cpu()?),
        rss_mb: environment.rss_mb()?,
    })
}
