//! End-to-end and contract tests; the tests themselves are in the files beside this folder.
