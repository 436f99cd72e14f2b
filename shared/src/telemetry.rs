//! JSON log lines and the one wide line per request.
