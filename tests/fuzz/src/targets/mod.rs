//! One file per part of the outside.

pub(crate) mod events;
pub(crate) mod items;
pub(crate) mod requests;
pub(crate) mod signature;
pub(crate) mod tokens;

use std::cell::OnceCell;
use std::future::Future;

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

fn wait_for<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|cell| {
        let made = || Builder::new_current_thread().enable_time().build().expect("a runtime");
        cell.get_or_init(made).block_on(future)
    })
}
