//! Work that waits for its time. A job only says when to look; whether there is still something to do is decided then.

use serde::{Deserialize, Serialize};

use crate::engine::{cancel, checkout, collect, cycle, invoices, subscribe};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Task {
    TrialWillEnd,
    PeriodEnd,
    CancelAt,
    FinalizeInvoice,
    CollectInvoice,
    ExpireIncomplete,
    ExpireSession,
    ResumeCollection,
}

/// A task for one object at a time of the sandbox clock; ordered by time, then by age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Job {
    pub due: i64,
    pub serial: u64,
    pub task: Task,
    pub subject: String,
}

/// Does what a due job is for, unless it has become pointless.
pub(crate) fn run(tx: &mut Tx, job: &Job) {
    match job.task {
        Task::TrialWillEnd => cycle::warn_of_trial_end(tx, &job.subject, job.due),
        Task::PeriodEnd => cycle::end_period(tx, &job.subject, job.due),
        Task::CancelAt => cancel::at_date(tx, &job.subject, job.due),
        Task::FinalizeInvoice => invoices::finalize_when_due(tx, &job.subject),
        Task::CollectInvoice => collect::retry(tx, &job.subject, job.due),
        Task::ExpireIncomplete => subscribe::expire_incomplete(tx, &job.subject),
        Task::ExpireSession => checkout::expire_when_due(tx, &job.subject, job.due),
        Task::ResumeCollection => cycle::resume_collection(tx, &job.subject, job.due),
    }
}
