//! The HTTP API under `/v1`: one file for each resource; what they share is in `pipeline`, `lists`, `expand` and `search`.
