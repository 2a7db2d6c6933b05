//! The law: which room may use which, and what a pure room may use of other crates.

use super::source::Source;

/// A room, and the paths under `crate` that it may use beside its own: rooms that stand before it, so that no rooms use each
/// other in a circle. The longest name that fits a module is its room. `*`: everything.
const ROOMS: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("fault", &[]),
    ("text", &[]),
    ("model", &["text"]),
    ("telemetry", &[]),
    ("release", &["model", "text"]),
    ("snapshot", &["model", "text"]),
    ("fleet", NAMES),
    ("xds", &["model", "snapshot", "fleet", "telemetry"]),
    (
        "xds::session",
        &[
            "snapshot",
            // What a session saw, as a value: the server hands it to the ledger.
            "fleet::Record",
            "model::Name",
            "model::Revision",
            "model::TypeUrl",
            "text",
        ],
    ),
    (
        "xds::server",
        &[
            "xds::session",
            "snapshot",
            "fleet",
            "telemetry",
            "model::Name",
            "model::Revision",
            "model::TypeUrl",
            "text",
        ],
    ),
    ("store", &["release", "snapshot", "model", "fleet", "fault"]),
    ("gates", &["model", "telemetry"]),
    // The controller's own rooms, each above those that it may use.
    ("controller::named", &[]),
    ("controller::sync", &[]),
    (
        "controller::options",
        &["model", "telemetry", "release", "gates", "controller::sync"],
    ),
    (
        "controller::proof",
        &[
            "model",
            "release",
            "snapshot",
            "fleet",
            "store",
            "controller::named",
            "controller::sync",
        ],
    ),
    (
        "controller::request",
        &[
            "model",
            "release",
            "snapshot",
            "fleet",
            "store",
            "controller::options",
            "controller::proof",
        ],
    ),
    (
        "controller::plan",
        &[
            "model",
            "telemetry",
            "release",
            "snapshot",
            "fleet",
            "store",
            "controller::named",
            "controller::options",
            "controller::proof",
            "controller::request",
        ],
    ),
    (
        "controller::handle",
        &[
            "model",
            "telemetry",
            "release",
            "snapshot",
            "fleet",
            "store",
            "gates",
            "controller::sync",
            "controller::options",
            "controller::proof",
            "controller::request",
            "controller::plan",
        ],
    ),
    (
        "controller::turn",
        &[
            "model",
            "release",
            "snapshot",
            "fleet",
            "store",
            "gates",
            "fault",
            "controller::named",
            "controller::options",
            "controller::proof",
            "controller::request",
            "controller::plan",
            "controller::handle",
        ],
    ),
    (
        "controller::engine",
        &[
            "model",
            "release",
            "snapshot",
            "fleet",
            "store",
            "gates",
            "controller::named",
            "controller::sync",
            "controller::options",
            "controller::proof",
            "controller::request",
            "controller::handle",
            // By `Handle::execute`.
            "controller::turn",
        ],
    ),
    (
        "controller::delivery",
        &[
            "model",
            "fleet",
            "store",
            "controller::proof",
            "controller::request",
            "controller::handle",
            "controller::turn",
            "controller::engine",
        ],
    ),
    (
        "controller::background",
        &[
            "model",
            "release",
            "snapshot",
            "fleet",
            "controller::sync",
            "controller::options",
            "controller::request",
            "controller::handle",
            "controller::turn",
        ],
    ),
    (
        "controller",
        &[
            "model",
            "snapshot",
            "fleet",
            "store",
            "controller::sync",
            "controller::options",
            "controller::proof",
            "controller::request",
            "controller::plan",
            "controller::handle",
            "controller::turn",
            "controller::engine",
            "controller::delivery",
            "controller::background",
        ],
    ),
    ("admin", FRONT),
    ("console", FRONT),
    ("cli", &["api", "model"]),
    ("app", &["*"]),
    ("main", &["*"]),
];

/// Names and numbers of the model: what a room needs that counts and delivers but declares nothing.
const NAMES: &[&str] = &["model::Name", "model::Revision", "model::TypeUrl"];

const FRONT: &[&str] = &[
    "api",
    "controller",
    "store",
    "model",
    "release",
    "fleet",
    "snapshot",
    "telemetry",
    "text",
];

/// Rooms without clock, chance, input, output, threads or log: times and ids come in as arguments.
const PURE: &[&str] = &[
    "text",
    "model",
    "telemetry",
    "release",
    "snapshot",
    "fleet",
    "xds::session",
    "controller::request",
    "controller::plan",
];

/// Crates that only compute.
const PURE_CRATES: &[&str] = &[
    "alloc",
    "blake3",
    "bytes",
    "cel",
    "core",
    "envoy_types",
    "jiff",
    "prost",
    "prost_reflect",
    "prost_types",
    "regex",
    "serde",
    "serde_json",
    "serde_json_path",
    "serde_saphyr",
    "similar",
    "std",
    "strsim",
    "thiserror",
];

/// What of those crates reaches the world outside, and the macros that do.
const IMPURE: &[&str] = &[
    "dbg!",
    "eprint!",
    "eprintln!",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "print!",
    "println!",
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// What ends the process or the task. Allowed where the same line proves that it can't happen.
const PANICS: &[&str] = &[
    ".expect()",
    ".unwrap()",
    "panic!",
    "todo!",
    "unimplemented!",
    "unreachable!",
];

/// How a line says why it never panics.
const PROOF: &str = "// proof:";

/// The longest file: past it there are two subjects in it.
pub const MAX_LINES: usize = 500;

/// One file of the crate.
pub struct File {
    /// From the crate's folder, e.g. `src/xds/mod.rs`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Every break of the law, as `FILE:LINE: WHAT (LAW)`. `crates`: the names of the crates that are depended on.
pub fn violations(files: &[File], crates: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut sources = Vec::new();
    for file in files {
        shape(file, &mut found);
        let module = module_of(&file.name);
        match Source::parse(&module, &folder_of(&file.name), &file.text) {
            Ok(source) => sources.push((file, module, source)),
            Err(error) => found.push(format!(
                "{}:{}: {error} (law: every file parses)",
                file.name,
                error.span().start().line
            )),
        }
    }
    let test_modules: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|(_, _, source)| source.test_modules.clone())
        .collect();
    for (file, module, source) in &sources {
        // lib.rs only says which rooms there are.
        let Some((room, allowed)) = room_of(module) else {
            continue;
        };
        let all_test = test_modules.iter().any(|test| module.starts_with(test));
        for used in &source.uses {
            let place = format!("{}:{}", file.name, used.line);
            let test = all_test || used.test;
            let broken = match used.path.as_slice() {
                [root, rest @ ..] if root == "crate" || (root == "bluegreen" && room == "main") => {
                    foreign_room(room, allowed, rest)
                }
                [word] if PANICS.contains(&word.as_str()) && !test => {
                    panics(word, &file.text, used.line)
                }
                path if PURE.contains(&room) && !test => impure(room, path, crates),
                _ => None,
            };
            found.extend(broken.map(|broken| format!("{place}: {broken}")));
        }
    }
    found
}

/// What the table allows against its own order.
pub fn out_of_order() -> Vec<String> {
    let mut found = Vec::new();
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for entry in allowed.iter().filter(|entry| **entry != "*") {
            let used = room_of(&segments(entry)).map(|(used, _)| used);
            let before = ROOMS[..at].iter().any(|(other, _)| Some(*other) == used);
            if !before {
                found.push(format!(
                    "{room} may use {entry}, which does not stand before it"
                ));
            }
        }
    }
    found
}

fn shape(file: &File, found: &mut Vec<String>) {
    if !file.text.starts_with("//!") {
        let name = &file.name;
        found.push(format!(
            "{name}:1: no //! on the first line (law: every file says what it is for)"
        ));
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        let name = &file.name;
        found.push(format!(
            "{name}:{lines}: {lines} lines (law: at most {MAX_LINES}, past that it is two files)"
        ));
    }
}

fn panics(word: &str, text: &str, line: usize) -> Option<String> {
    let proven = text.lines().nth(line - 1)?.contains(PROOF);
    (!proven)
        .then(|| format!("{word} (law: no panic outside tests without `{PROOF} …` on its line)"))
}

fn foreign_room(room: &str, allowed: &[&str], path: &[String]) -> Option<String> {
    let own = path.starts_with(&segments(room));
    // A room within a room is another room.
    let inner = room_of(path).is_some_and(|(other, _)| other != room && other.starts_with(room));
    if path.is_empty() || (own && !inner) || allowed.contains(&"*") {
        return None;
    }
    let fits = allowed.iter().any(|entry| {
        let entry = segments(entry);
        // `use crate::model;` by itself uses nothing; what follows it is judged where it is written.
        path.starts_with(&entry)
            || (entry.starts_with(path) && path.last().is_some_and(|p| p != "*"))
    });
    if fits {
        return None;
    }
    let may = match allowed {
        [] => "nothing of ours".to_owned(),
        allowed => allowed.join(", "),
    };
    Some(format!(
        "{room} may not use crate::{} (law: {room} may use {may})",
        path.join("::")
    ))
}

fn impure(room: &str, path: &[String], crates: &[String]) -> Option<String> {
    let path: Vec<String> = match path {
        // `core` and `alloc` are parts of `std` under other names.
        [first, rest @ ..] if first == "core" || first == "alloc" => {
            [&["std".to_owned()], rest].concat()
        }
        path => path.to_vec(),
    };
    let first = path.first()?;
    let shown = path.join("::");
    let is_crate = first == "std" || crates.contains(first);
    if is_crate && !PURE_CRATES.contains(&first.as_str()) {
        return Some(format!(
            "{room} may not use {shown} (law: {room} is pure and may use {})",
            PURE_CRATES.join(", ")
        ));
    }
    let stem = path.split_last().filter(|(last, _)| *last == "*");
    let reaches = |entry: &&&str| {
        let entry = segments(entry);
        path.starts_with(&entry) || stem.is_some_and(|(_, stem)| entry.starts_with(stem))
    };
    let reached = IMPURE.iter().find(reaches)?;
    Some(format!(
        "{room} may not use {shown} (law: {room} is pure: no {reached})"
    ))
}

/// `src/xds/session/mod.rs` is `xds::session`; `src/lib.rs` is the root.
pub fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// `src/xds/session/mod.rs` lies in `xds/session`.
pub fn folder_of(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.split('/').skip(1).map(str::to_owned).collect();
    parts.pop();
    parts
}

fn room_of(module: &[String]) -> Option<(&'static str, &'static [&'static str])> {
    let fits = ROOMS
        .iter()
        .filter(|(room, _)| module.starts_with(&segments(room)));
    match fits.max_by_key(|(room, _)| room.len()) {
        Some((room, allowed)) => Some((room, allowed)),
        // A room that the table does not know may use nothing: it must be entered first.
        None if !module.is_empty() => Some(("a room that is not in the table", &[])),
        None => None,
    }
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::to_owned).collect()
}
