//! conversion-relay: the library behind the two binaries, `conversion-relay` and `platform-simulator`.
