//! Ctrl-C, granted between pages.

use tokio::sync::watch;

/// A wish to stop after the pages under way.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// When Ctrl-C is pressed; pressed again, the process ends at once, which does no harm either.
    pub fn at_interrupt() -> Stop {
        let (wish, wished) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            wish.send_replace(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(crate::done::LEFT));
            }
        });
        Stop(wished)
    }

    /// When the other half is told so: for tests.
    pub fn by_hand() -> (watch::Sender<bool>, Stop) {
        let (wish, wished) = watch::channel(false);
        (wish, Stop(wished))
    }

    pub(super) fn is_wished(&self) -> bool {
        *self.0.borrow()
    }
}
