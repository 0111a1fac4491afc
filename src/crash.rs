//! Crash points: places at which tests make the process die, as by a power cut. Nothing of them is in a release.

/// Dies here if the environment variable `FAILPOINTS` says so, such as `sender.after_claim=2*off->return`.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        fail::fail_point!($name, |_| std::process::abort())
    };
}
