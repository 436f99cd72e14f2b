//! Saving and loading: one JSON file, written beside itself and renamed, so that it is always whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::app::App;
use crate::clock::wall_millis;
use crate::state::State;

/// Changes that come close together are saved together.
const PAUSE: Duration = Duration::from_millis(300);

/// The saved state, or a new one when there is no file yet.
pub(crate) fn load(file: &Path) -> anyhow::Result<State> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let mut state: State =
                serde_json::from_slice(&bytes).with_context(|| format!("read sandbox state {}", file.display()))?;
            state.keys.drop_unfinished();
            Ok(state)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::new()),
        Err(error) => Err(error).with_context(|| format!("open sandbox state {}", file.display())),
    }
}

/// Writes the state as it is now.
pub(crate) async fn save(app: &App, file: &Path) -> anyhow::Result<()> {
    let bytes = {
        let mut state = app.lock();
        state.offset_seconds = app.clock.offset_seconds();
        serde_json::to_vec(&*state).context("write sandbox state as JSON")?
    };
    let beside = file.with_extension("tmp");
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await.with_context(|| format!("make folder {}", folder.display()))?;
    }
    tokio::fs::write(&beside, bytes).await.with_context(|| format!("write {}", beside.display()))?;
    tokio::fs::rename(&beside, file).await.with_context(|| format!("replace {}", file.display()))
}

/// Saves soon after every change, and a large state less often, so that saving takes a tenth of the time at most; until the task is aborted.
pub(crate) async fn keep_saving(app: Arc<App>, file: PathBuf) {
    let mut pause = PAUSE;
    loop {
        app.changed.notified().await;
        tokio::time::sleep(pause).await;
        let started = wall_millis();
        if let Err(error) = save(&app, &file).await {
            tracing::error!(error = format!("{error:#}"), "sandbox state not saved");
        }
        let took = u64::try_from(wall_millis() - started).unwrap_or_default();
        pause = PAUSE.max(Duration::from_millis(took * 10));
    }
}
