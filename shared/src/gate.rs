//! The access decision in front of an API: for the proxy function and as a tower layer.
