//! Through the whole account, several pages at a time, to be gone on with after a stop.
//!
//! Where each lane of a list stands is kept in the table after every page, so the next run goes on there; a page that was
//! under way is simply brought once more. No more than a page a lane is in memory, however large the account.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use shared::books::Auditor;
use shared::store::{Change, Commit, Progress};
use shared::sync::SyncError;
use tokio::task::JoinSet;

use super::DONE;
use super::lanes::Lane;
use super::stage::{Seen, Stage, Told};
use super::stop::Stop;
use crate::commands::stripe_failed;
use crate::printer::Printer;

const WALK: &str = "sync";
/// Records of a page written at once.
const WRITERS: usize = 8;
/// A walk that was left so long ago is begun anew.
const STALE_SECONDS: i64 = 86_400;

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was brought but `failed` objects, of each of which it was said why.
    Complete {
        failed: u64,
    },
    Stopped,
}

/// Where a walk stands, as it is kept in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    stage: Stage,
    lanes: Vec<Lane>,
    failed: u64,
    brought: u64,
}

impl Standing {
    fn at(stage: Stage) -> Standing {
        Standing { stage, lanes: vec![Lane::default()], failed: 0, brought: 0 }
    }
}

/// Brings everything Stripe has to the table and says so line by line.
///
/// # Errors
/// When Stripe or the table cannot be reached any more; what was brought until then is not brought again.
pub async fn sync_account(auditor: &Auditor, printer: &Printer, stop: &Stop) -> Result<Ended> {
    let mut walk = Walk::begin(auditor, printer, stop).await?;
    if walk.is_resumed {
        let (noun, brought) = (walk.standing.stage.noun(), walk.standing.brought);
        printer.say(&format!("Going on where the last run stopped: at {noun}, after {brought} object(s)."));
    }
    loop {
        printer.line(walk.standing.stage.heading());
        if !walk.stage().await? {
            return Ok(Ended::Stopped);
        }
        let failed = walk.standing.failed;
        match walk.standing.stage.next() {
            Some(stage) => {
                let brought = walk.standing.brought;
                walk.standing = Standing { failed, brought, ..Standing::at(stage) };
                walk.keep().await?;
            }
            None => {
                walk.finish().await?;
                printer.line(DONE);
                return Ok(Ended::Complete { failed });
            }
        }
    }
}

struct Walk<'a> {
    auditor: &'a Auditor,
    printer: &'a Printer,
    stop: &'a Stop,
    progress: Progress,
    standing: Standing,
    is_resumed: bool,
}

/// A page that was brought.
struct Brought {
    lane: Lane,
    told: Vec<Told>,
    next: Option<String>,
    last_created_at: Option<i64>,
}

impl<'a> Walk<'a> {
    async fn begin(auditor: &'a Auditor, printer: &'a Printer, stop: &'a Stop) -> Result<Walk<'a>> {
        let progress = auditor.books().store().read_progress(WALK).await?;
        let now = auditor.books().clock().business_now().as_second();
        let is_fresh = progress.walk_began_at.is_some_and(|began| now - began < STALE_SECONDS);
        // What another version kept is not understood, and not needed: the walk begins anew.
        let kept = progress.after.as_deref().filter(|_| is_fresh).and_then(|kept| serde_json::from_str(kept).ok());
        let is_resumed = kept.is_some();
        let standing = kept.unwrap_or_else(|| Standing::at(Stage::FIRST));
        let mut walk = Walk { auditor, printer, stop, progress, standing, is_resumed };
        if !is_resumed {
            walk.progress.walk_began_at = Some(now);
        }
        Ok(walk)
    }

    /// Whether the stage came to its end.
    async fn stage(&mut self) -> Result<bool> {
        let bar = self.printer.progress(self.standing.stage.noun(), None);
        let mut running: JoinSet<Result<Brought, SyncError>> = JoinSet::new();
        for lane in self.standing.lanes.clone() {
            self.start(&mut running, lane);
        }
        let mut trouble: Option<SyncError> = None;
        while let Some(joined) = running.join_next().await {
            match joined.map_err(|error| anyhow!(error))? {
                Ok(brought) => {
                    bar.step(brought.told.len() as u64);
                    let lanes = self.land(brought);
                    self.keep().await?;
                    if trouble.is_none() && !self.stop.is_wished() {
                        lanes.into_iter().for_each(|lane| self.start(&mut running, lane));
                    }
                }
                // The pages under way are finished first: what they bring need not be brought again.
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        match trouble {
            Some(error) => Err(error.into()),
            None => Ok(self.standing.lanes.is_empty()),
        }
    }

    fn start(&self, running: &mut JoinSet<Result<Brought, SyncError>>, lane: Lane) {
        running.spawn(bring(self.auditor.clone(), self.standing.stage, lane));
    }

    /// Says what was brought and notes where its lane stands now. The lanes to go on with.
    fn land(&mut self, brought: Brought) -> Vec<Lane> {
        let Brought { lane, told, next, last_created_at } = brought;
        for object in &told {
            object.tell(self.printer);
        }
        self.standing.failed += told.iter().filter(|object| !object.is_good).count() as u64;
        self.standing.brought += told.len() as u64;
        self.standing.lanes.retain(|running| *running != lane);
        let reached = last_created_at.filter(|_| self.standing.stage.can_be_cut());
        let lanes = lane.go_on(next, reached, self.standing.lanes.len());
        self.standing.lanes.extend(lanes.iter().cloned());
        lanes
    }

    async fn keep(&mut self) -> Result<()> {
        self.progress.after = Some(serde_json::to_string(&self.standing)?);
        self.write_progress().await
    }

    async fn finish(&mut self) -> Result<()> {
        let began_at = self.progress.walk_began_at.take();
        self.progress.seen_until = began_at.unwrap_or(self.progress.seen_until);
        self.progress.after = None;
        self.write_progress().await
    }

    async fn write_progress(&mut self) -> Result<()> {
        self.progress.step += 1;
        let step = Change::Progress { walk: WALK, progress: self.progress.clone() };
        match self.auditor.books().store().commit(vec![step]).await? {
            Commit::Landed => Ok(()),
            Commit::Refused(_) => bail!("Another sync-stripe is under way on this table: let it finish."),
        }
    }
}

/// Lists one page and writes what is on it.
async fn bring(auditor: Auditor, stage: Stage, lane: Lane) -> Result<Brought, SyncError> {
    let listed = stage.list(&auditor, lane.created(), lane.after.as_deref()).await;
    let doing = format!("list {}", stage.noun());
    let listing = listed.map_err(stripe_failed(&doing))?;
    let told = write_all(&auditor, listing.seen).await?;
    Ok(Brought { lane, told, next: listing.next, last_created_at: listing.last_created_at })
}

/// Several at once; what is said keeps the order of the list.
async fn write_all(auditor: &Auditor, seen: Vec<Seen>) -> Result<Vec<Told>, SyncError> {
    let seen = Arc::new(seen);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS.min(seen.len()) {
        let (auditor, seen) = (auditor.clone(), Arc::clone(&seen));
        writers.spawn(async move {
            let mut told = Vec::new();
            for (index, object) in seen.iter().enumerate().skip(writer).step_by(WRITERS) {
                told.push((index, object.write(&auditor).await?));
            }
            Ok::<_, SyncError>(told)
        });
    }
    let mut told = Vec::with_capacity(seen.len());
    while let Some(joined) = writers.join_next().await {
        let written =
            joined.map_err(|error| SyncError::Object { object: "a page".to_owned(), problem: error.to_string() })?;
        told.extend(written?);
    }
    told.sort_by_key(|(index, _)| *index);
    Ok(told.into_iter().map(|(_, told)| told).collect())
}
