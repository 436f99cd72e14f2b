//! Time: moving the sandbox clock from due job to due job, and letting the wall clock do the same by itself.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::app::App;
use crate::delivery;

/// How often jobs are looked at while nobody moves the clock.
const TICK: Duration = Duration::from_millis(250);

/// What moving the clock did.
#[derive(Debug, Serialize)]
pub(crate) struct Advanced {
    pub now: i64,
    pub events: u64,
    pub undelivered: usize,
}

/// Moves the clock forward by `seconds`. At every due job the offset moves first, then the job runs, then its events
/// are delivered (or their current try fails), so that receivers see the same business time.
pub(crate) async fn by(app: &App, seconds: i64) -> Advanced {
    let _alone = app.advancing.lock().await;
    let before = events_made(app);
    let target = app.clock.now() + seconds;
    while let Some(due) = app.next_due().filter(|due| *due <= target) {
        app.clock.move_to(due);
        app.run_due_jobs();
        delivery::settle(app).await;
    }
    app.clock.move_to(target);
    app.run_due_jobs();
    app.changed.notify_one();
    delivery::settle(app).await;
    delivery::settle_first_tries(app).await;
    Advanced {
        now: app.clock.now(),
        events: events_made(app) - before,
        undelivered: app.lock().deliveries.open_count(),
    }
}

fn events_made(app: &App) -> u64 {
    let state = app.lock();
    state.test.events_made + state.live.events_made
}

/// Runs jobs as the wall clock reaches them; until the task is aborted.
pub(crate) async fn tick(app: Arc<App>) {
    loop {
        tokio::time::sleep(TICK).await;
        if let Ok(_alone) = app.advancing.try_lock() {
            app.run_due_jobs();
        }
    }
}
