//! `manage`: what an operator does to the stack, from a shell. See `manage --help` and docs/MANAGE.md.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    manage::run(std::env::args_os()).await
}
