//! The rules of the house, as tests: who may import whom, which crate lives where, how a file begins and how long it is.

mod paths;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The layers, from the ground up; imports point down only, or stay within a module. `app` and its neighbours may know each other.
const LAYERS: [&[&str]; 6] = [
    &["domain", "crash", "crash_point"],
    &["config", "metrics"],
    &["wire", "platform"],
    &["broker", "store", "http", "secrets"],
    &["roles"],
    &["app", "main", "shutdown", "telemetry"],
];

/// Modules that do not know each other; whoever stands above joins them.
const SISTERS: [&[&str]; 5] = [
    &["config", "metrics"],
    &["wire", "platform"],
    &["platform::meta", "platform::google", "platform::tiktok"],
    &["broker", "store", "http", "secrets"],
    &[
        "roles::router",
        "roles::sender",
        "roles::keeper",
        "roles::receipts",
        "roles::gateway",
    ],
];

/// Crates that only one part knows, so that the part can be judged, and replaced, alone.
const CRATES: [(&str, &str); 8] = [
    ("lapin", "src/broker/"),
    ("backoff", "src/broker/reconnect.rs"),
    ("reqwest", "src/http.rs"),
    ("tokio_postgres", "src/store/"),
    ("deadpool_postgres", "src/store/"),
    ("tokio_postgres_rustls", "src/store/"),
    ("refinery", "src/store/"),
    ("vaultrs", "src/secrets/"),
];

/// What the pure modules do without: time, chance and the world come in as arguments.
const IMPURE: [&str; 14] = [
    "tokio",
    "rand",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpStream",
    "chrono::Local",
    "Utc::now",
    "Instant::now",
    "Uuid::new_v4",
    "Uuid::now_v7",
];
const PURE: [&str; 3] = ["domain", "wire", "platform"];

/// The longest file, in lines.
const LINES_MAX: usize = 400;

/// The files that are longer, each with the reason.
const LONG_FILES: [(&str, &str); 9] = [
    (
        "src/platform/google/ads_api/classify/tests.rs",
        "one table of answers, a case each",
    ),
    (
        "src/platform/meta/classify.rs",
        "two thirds of it are a table of answers",
    ),
    (
        "src/platform/tiktok/build.rs",
        "more than half of it is tests with whole requests",
    ),
    (
        "src/platform/tiktok/classify.rs",
        "two thirds of it are a table of answers",
    ),
    (
        "src/platform/tiktok/properties.rs",
        "a third of it is tests, the rest one table of names",
    ),
    (
        "src/store/keeping.rs",
        "one statement a function, and the statements are long",
    ),
    (
        "src/store/sending.rs",
        "one statement a function, and the statements are long",
    ),
    (
        "src/wire/accounts_file/tests.rs",
        "every mistake that a file can hold, in the words that people get",
    ),
    (
        "tests/simulator.rs",
        "one promise of the simulator a test, over real connections",
    ),
];

/// Names that say nothing about what a file owns.
const EMPTY_NAMES: [&str; 9] = [
    "common", "handler", "helper", "helpers", "manager", "misc", "shared", "util", "utils",
];

/// The files that every platform's folder has, so that the third is read like the first.
const PLATFORM_FILES: [&str; 7] = ["build", "check", "classify", "codes", "identity", "mod", "window"];

/// A source file.
struct Source {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The module that it is, such as `["broker", "topology", "diff"]`.
    fn module(&self) -> Vec<String> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let stem = inner.strip_suffix(".rs").unwrap_or(inner);
        let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        module
    }

    fn paths(&self) -> Vec<String> {
        let found: BTreeSet<String> = paths::of(&self.text, &self.module())
            .iter()
            .map(|path| path.join("::"))
            .collect();
        found.into_iter().collect()
    }

    fn is_simulator(&self) -> bool {
        self.path.starts_with("src/bin/platform-simulator/")
    }
}

/// All Rust files below the folders, sorted.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                fs::read_dir(path)
                    .expect("the folder can be read")
                    .map(|entry| entry.expect("its entries, too").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inner = path
                .strip_prefix(root)
                .ok()
                .and_then(Path::to_str)
                .expect("it lies below, and is named in UTF-8");
            found.push(Source {
                path: inner.replace('\\', "/"),
                text: fs::read_to_string(&path).expect("a source is text"),
            });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "{folders:?} hold sources");
    found
}

/// The library and the binary `conversion-relay`, without the simulator, which knows neither.
fn relay() -> Vec<Source> {
    let mut sources = sources(&["src"]);
    sources.retain(|source| !source.is_simulator());
    sources
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn is_in(path: &str, module: &str) -> bool {
    path == module || path.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
}

/// Fails with all of them at once, one a line.
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_point_down_only() {
    let mut broken = Vec::new();
    for source in relay() {
        let module = source.module();
        let Some(own) = module.first() else { continue };
        let own_layer = layer(own).unwrap_or_else(|| panic!("{}: say in LAYERS which layer it is of", source.path));
        for path in source.paths() {
            let Some(name) = path.strip_prefix("crate::").and_then(|rest| rest.split("::").next()) else {
                continue;
            };
            let is_down = layer(name).is_some_and(|layer| layer < own_layer || own_layer == LAYERS.len() - 1);
            if name != own && !is_down {
                broken.push(format!("{} imports {path}", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn sisters_do_not_know_each_other() {
    let mut broken = Vec::new();
    for source in relay() {
        let module = source.module().join("::");
        for sisters in SISTERS {
            let Some(own) = sisters.iter().find(|sister| is_in(&module, sister)) else {
                continue;
            };
            for path in source.paths() {
                let Some(path) = path.strip_prefix("crate::") else {
                    continue;
                };
                if sisters.iter().any(|sister| sister != own && is_in(path, sister)) {
                    broken.push(format!("{} imports {path}", source.path));
                }
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn a_crate_that_belongs_to_one_part_is_named_nowhere_else() {
    let mut broken = Vec::new();
    for source in sources(&["src"]) {
        for path in source.paths() {
            let named = CRATES.iter().find(|(name, _)| is_in(&path, name));
            let Some((name, home)) = named else { continue };
            // The simulator's tests are clients of the simulator.
            let is_client = *name == "reqwest" && source.is_simulator();
            if !source.path.starts_with(home) && !is_client {
                broken.push(format!("{} names {path}: {name} belongs to {home}", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn a_home_of_a_crate_uses_it() {
    let sources = relay();
    for (name, home) in CRATES.iter().filter(|(name, _)| *name != "vaultrs") {
        let mut inside = sources.iter().filter(|source| source.path.starts_with(home));
        let is_used = inside.any(|source| source.paths().iter().any(|path| is_in(path, name)));
        assert!(is_used, "{home} no longer uses {name}: correct CRATES");
    }
}

#[test]
fn pure_modules_take_time_and_chance_as_arguments() {
    let mut broken = Vec::new();
    for source in relay() {
        let module = source.module().join("::");
        if !PURE.iter().any(|pure| is_in(&module, pure)) {
            continue;
        }
        for path in source.paths() {
            if IMPURE.iter().any(|impure| is_in(&path, impure)) {
                broken.push(format!("{} uses {path}", source.path));
            }
        }
    }
    assert_none(&broken);
}

#[test]
fn the_simulator_knows_nothing_of_the_relay() {
    let mut broken = Vec::new();
    for source in sources(&["src/bin/platform-simulator"]) {
        let known = source
            .paths()
            .into_iter()
            .filter(|path| is_in(path, "conversion_relay"));
        broken.extend(known.map(|path| format!("{} imports {path}", source.path)));
    }
    assert_none(&broken);
}

#[test]
fn every_platform_has_the_same_files() {
    let paths: BTreeSet<String> = relay().into_iter().map(|source| source.path).collect();
    for platform in ["google", "meta", "tiktok"] {
        for file in PLATFORM_FILES {
            let path = format!("src/platform/{platform}/{file}.rs");
            assert!(paths.contains(&path), "{path} is missing");
        }
    }
}

#[test]
fn every_file_says_first_what_it_owns() {
    let mut broken = Vec::new();
    for source in sources(&["src", "tests", "benches", "build.rs"].map(existing).concat()) {
        let first = source.text.lines().next().unwrap_or_default();
        if first.strip_prefix("//! ").is_none_or(str::is_empty) {
            broken.push(format!("{} does not open with //!", source.path));
        }
    }
    assert_none(&broken);
}

#[test]
fn a_long_file_has_a_reason() {
    let mut broken = Vec::new();
    for source in sources(&["src", "tests", "benches"].map(existing).concat()) {
        let lines = source.text.lines().count();
        let is_listed = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > LINES_MAX && !is_listed {
            broken.push(format!("{} has {lines} lines: split it by noun", source.path));
        }
        if lines <= LINES_MAX && is_listed {
            broken.push(format!(
                "{} has only {lines} lines: take it off LONG_FILES",
                source.path
            ));
        }
    }
    assert_none(&broken);
}

#[test]
fn a_file_is_named_for_what_it_owns() {
    let named = |source: &Source| source.path.split(['/', '.']).any(|part| EMPTY_NAMES.contains(&part));
    let broken: Vec<String> = sources(&["src", "tests"])
        .into_iter()
        .filter(named)
        .map(|source| source.path)
        .collect();
    assert_none(&broken);
}

#[test]
fn no_test_is_switched_off() {
    // In two halves, or this file would name itself.
    let switched_off = concat!("#[", "ignore");
    let mut broken = Vec::new();
    for source in sources(&["src", "tests", "benches"].map(existing).concat()) {
        broken.extend(source.text.contains(switched_off).then_some(source.path));
    }
    assert_none(&broken);
}

/// The folder or file, if there is one.
fn existing(name: &'static str) -> Vec<&'static str> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    path.exists().then_some(name).into_iter().collect()
}
