//! Who may use whom: the table of the rooms, held against every path in the sources.

#[path = "architecture/checklist.rs"]
mod checklist;
#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/law.rs"]
mod law;
#[path = "architecture/source.rs"]
mod source;

use std::{fs, path::Path};

use law::{File, out_of_order, violations};

/// Every `.rs` below a folder of the crate, in a fixed order.
fn sources(folder: &Path, into: &mut Vec<File>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut entries: Vec<_> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let relative = path.strip_prefix(root).unwrap();
        if path.is_dir() {
            sources(relative, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(File {
                name: relative.to_str().unwrap().replace('\\', "/"),
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// The crates named in Cargo.toml, as Rust spells them.
fn crates() -> Vec<String> {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|table| manifest.get(table)?.as_table())
        .flat_map(|table| table.keys().map(|name| name.replace('-', "_")))
        .collect()
}

#[test]
fn every_room_keeps_the_law() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(files.len() > 50, "found only {} files", files.len());
    let broken = violations(&files, &crates());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn no_rooms_use_each_other_in_a_circle() {
    assert_eq!(out_of_order(), [""; 0]);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert_eq!(circles::circles(&files), [""; 0]);
}

#[test]
fn every_test_says_what_it_is_for() {
    let mut files = Vec::new();
    sources(Path::new("tests"), &mut files);
    let silent: Vec<_> = files
        .iter()
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| &file.name)
        .collect();
    assert!(silent.is_empty(), "no //! on the first line of {silent:?}");
}

// ---- the checker itself ------------------------------------------------------------------------------------------

/// The violations of one file with this content after its `//!` line.
fn judge(name: &str, content: &str) -> Vec<String> {
    judge_all(&[(name, content)])
}

fn judge_all(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, content)| File {
            name: (*name).to_owned(),
            text: format!("//! A file.\n{content}"),
        })
        .collect();
    violations(&files, &crates())
}

#[test]
fn what_the_table_allows_passes() {
    let good = [
        (
            "src/model/a.rs",
            "use super::name::Name; use std::{fmt, time::Duration};",
        ),
        (
            "src/release/step.rs",
            "use crate::model::Name; fn f() { let _ = crate::model::Colour::Blue; }",
        ),
        (
            "src/fleet/row.rs",
            "use crate::model::{self, Revision}; fn f(_: model::TypeUrl) {}",
        ),
        (
            "src/xds/session/a.rs",
            "use crate::snapshot::Snapshot; use super::super::session::b;",
        ),
        (
            "src/store/sled/a.rs",
            "use crate::fault; pub(in crate::store) fn f() { sled::open(); }",
        ),
        (
            "src/cli/get.rs",
            "use crate::{api::v1, model}; fn f() { println!(); std::env::args(); }",
        ),
        ("src/main.rs", "fn main() { bluegreen::cli::main() }"),
        ("src/app/mod.rs", "use crate::{admin, xds::server};"),
        ("src/lib.rs", "pub mod model; pub mod store;"),
        (
            "src/controller/turn/a.rs",
            "use super::b::B; use crate::controller::{handle::Handle, plan::Draft};",
        ),
        (
            "src/controller/open.rs",
            "use super::{engine, registry::Controllers};",
        ),
        (
            "src/release/x.rs",
            "#[cfg(test)] mod tests { use super::*; use proptest::prelude::*; }",
        ),
        (
            "src/release/y.rs",
            "fn f(now: jiff::Timestamp) -> std::net::IpAddr { now.into() }",
        ),
    ];
    for (name, content) in good {
        assert_eq!(judge(name, content), [""; 0], "{name}: {content}");
    }
}

#[test]
fn a_use_of_another_room_is_found_however_it_is_written() {
    for (name, content, what) in [
        (
            "src/model/a.rs",
            "use crate::store::Store;",
            "model may not use crate::store::Store",
        ),
        (
            "src/model/a.rs",
            "use super::super::store;",
            "model may not use crate::store",
        ),
        (
            "src/model/a.rs",
            "mod b { use super::super::super::fleet::Ledger; }",
            "crate::fleet::Ledger",
        ),
        (
            "src/model/mod.rs",
            "use super::release;",
            "model may not use crate::release",
        ),
        (
            "src/release/a.rs",
            "use crate::{model::Name, store::{self, Error}};",
            "crate::store::Error",
        ),
        (
            "src/release/a.rs",
            "fn f() -> crate::snapshot::Digest { todo() }",
            "crate::snapshot::Digest",
        ),
        (
            "src/release/a.rs",
            "type A = Vec<Option<crate::store::Head>>;",
            "crate::store::Head",
        ),
        (
            "src/release/a.rs",
            "fn f() { vec![crate::store::open(1)]; }",
            "crate::store::open",
        ),
        (
            "src/release/a.rs",
            "m! { use crate::{model::Name, store::Head}; }",
            "crate::store::Head",
        ),
        (
            "src/release/a.rs",
            "m! { (x, [a + crate::store::Head]) }",
            "crate::store::Head",
        ),
        (
            "src/release/a.rs",
            "#[derive(crate::store::D)] struct S;",
            "crate::store::D",
        ),
        ("src/release/a.rs", "use crate::*;", "crate::*"),
        (
            "src/fleet/a.rs",
            "use crate::model::ServiceSpec;",
            "crate::model::ServiceSpec",
        ),
        (
            "src/fleet/a.rs",
            "use crate::model; fn f(_: model::ServiceSpec) {}",
            "crate::model::ServiceSpec",
        ),
        (
            "src/fleet/a.rs",
            "use crate::model as m; fn f(_: m::ServiceSpec) {}",
            "crate::model::ServiceSpec",
        ),
        ("src/fleet/a.rs", "use crate::model::*;", "crate::model::*"),
        (
            "src/xds/session/a.rs",
            "use super::super::server::S;",
            "crate::xds::server::S",
        ),
        ("src/xds/mod.rs", "use crate::store::S;", "crate::store::S"),
        (
            "src/store/a.rs",
            "use crate::xds::server::S;",
            "crate::xds::server::S",
        ),
        (
            "src/controller/a.rs",
            "use crate::api::ApplyRequest;",
            "crate::api::ApplyRequest",
        ),
        (
            "src/controller/a.rs",
            "use crate::xds::session::S;",
            "crate::xds::session::S",
        ),
        (
            "src/controller/plan/a.rs",
            "use crate::controller::handle::Handle;",
            "controller::plan may not use crate::controller::handle::Handle",
        ),
        (
            "src/controller/turn/a.rs",
            "use super::super::{engine::run, handle::Handle};",
            "controller::turn may not use crate::controller::engine::run",
        ),
        (
            "src/controller/turn/a.rs",
            "use super::super::Handle;",
            "controller::turn may not use crate::controller::Handle",
        ),
        (
            "src/controller/handle/mod.rs",
            "use super::registry::Controllers;",
            "controller::handle may not use crate::controller::registry::Controllers",
        ),
        ("src/xds/server/a.rs", "use crate::fault;", "crate::fault"),
        (
            "src/cli/a.rs",
            "use crate::controller::Handle;",
            "crate::controller::Handle",
        ),
        (
            "src/gates/a.rs",
            "use crate::store::Store;",
            "crate::store::Store",
        ),
        (
            "src/console/a.rs",
            "use crate::xds::server::S;",
            "crate::xds::server::S",
        ),
        (
            "src/cellar/mod.rs",
            "use crate::model::Name;",
            "a room that is not in the table",
        ),
    ] {
        let found = judge(name, content);
        assert!(
            found
                .iter()
                .any(|line| line.starts_with(&format!("{name}:2: ")) && line.contains(what)),
            "{content}: {found:?}"
        );
    }
}

#[test]
fn the_world_is_kept_out_of_pure_rooms() {
    for (content, what) in [
        ("use tokio::sync::watch;", "tokio::sync::watch"),
        ("fn f() { tracing::info!(\"x\"); }", "tracing::info"),
        ("use uuid::Uuid;", "uuid::Uuid"),
        ("use std::time::{Duration, Instant};", "std::time::Instant"),
        (
            "use std::time; fn f() { time::SystemTime::now(); }",
            "std::time::SystemTime::now",
        ),
        (
            "use std::time as t; use t::Instant as I; fn f() { I::now(); }",
            "std::time::Instant::now",
        ),
        ("use std::time::*;", "std::time::*"),
        (
            "use jiff::Timestamp; fn f() { Timestamp::now(); }",
            "jiff::Timestamp::now",
        ),
        ("fn f() { g(jiff::Timestamp::now) }", "jiff::Timestamp::now"),
        ("fn f() { std::fs::read(1); }", "std::fs::read"),
        ("fn f() { assert!(std::env::var(1)); }", "std::env::var"),
        (
            "use std::{net::{IpAddr, TcpStream}};",
            "std::net::TcpStream",
        ),
        ("fn f() { println!(\"x\"); }", "println!"),
        (
            "#[cfg(not(test))] fn f() { std::fs::read(1); }",
            "std::fs::read",
        ),
        (
            "#[cfg(test)] mod tests {} fn f() { std::thread::sleep(1) }",
            "std::thread::sleep",
        ),
    ] {
        for room in [
            "model",
            "release",
            "snapshot",
            "fleet",
            "telemetry",
            "xds/session",
            "controller/request",
            "controller/plan",
        ] {
            let found = judge(&format!("src/{room}/a.rs"), content);
            assert!(
                found.iter().any(|line| line.contains(what)),
                "{room}: {content}: {found:?}"
            );
        }
        assert_eq!(judge("src/controller/a.rs", content), [""; 0], "{content}");
    }
}

#[test]
fn tests_of_pure_rooms_may_use_more_but_no_other_room() {
    let parent = ("src/fleet/mod.rs", "#[cfg(test)] mod tests;");
    let test = |content| judge_all(&[parent, ("src/fleet/tests/deep.rs", content)]);
    assert_eq!(
        test("use proptest::prelude::*; fn f() { println!(); }"),
        [""; 0]
    );
    assert_eq!(test("use crate::store::Head;").len(), 1);
    let elsewhere = judge_all(&[
        (
            "src/fleet/row.rs",
            "#[cfg(test)] #[path = \"row_tests.rs\"] mod tests;",
        ),
        ("src/fleet/row_tests.rs", "use proptest::prelude::*;"),
    ]);
    assert_eq!(elsewhere, [""; 0]);
}

#[test]
fn nothing_panics_without_a_proof_on_its_line() {
    for panics in [
        "f().unwrap();",
        "f()\n.expect(\"x\");",
        "unreachable!(\"x\");",
        "todo!();",
        "f(|| g().unwrap()); // proof is for tomorrow",
    ] {
        let found = judge("src/cli/a.rs", &format!("fn f() {{ {panics}\n}}"));
        assert_eq!(found.len(), 1, "{panics}: {found:?}");
        assert!(found[0].contains("no panic outside tests"), "{found:?}");
    }
    for fine in [
        "fn f() { g().unwrap(); } // proof: g is a constant",
        "#[test] fn f() { g().unwrap(); panic!() }",
        "#[cfg(test)] mod tests { fn f() { g().expect(\"x\"); } }",
        "fn f() { g().unwrap_or_default(); }",
    ] {
        assert_eq!(judge("src/cli/a.rs", fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_circle_of_files_is_found_however_long_it_is() {
    let circle = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(name, content)| File {
                name: format!("src/store/{name}"),
                text: format!("//! A file.\n{content}"),
            })
            .collect();
        circles::circles(&files)
    };
    let good = [
        (
            "mod.rs",
            "mod a; mod b; mod sled; mod top; pub use a::A; pub use top::Top; use sled::open; \
             pub struct Here; #[cfg(test)] mod tests;",
        ),
        ("a.rs", "use super::b::B; use crate::store::sled::Table;"),
        ("b.rs", "#[cfg(test)] mod tests { use super::super::a::A; }"),
        ("sled/mod.rs", "mod table; pub use table::Table;"),
        ("sled/table.rs", "use std::fmt; use crate::model::Name;"),
        ("tests.rs", "use super::{a::A, top::Top}; struct Tested;"),
        ("top.rs", "use super::{A, Here};"),
    ];
    assert_eq!(circle(&good), [""; 0]);
    let both = &["a.rs", "b.rs"][..];
    let top = &["mod.rs", "top.rs"][..];
    for (file, content, found) in [
        ("b.rs", "use super::a::A;", both),
        ("b.rs", "use super::a; fn f() { a::g() }", both),
        (
            "sled/table.rs",
            "use super::super::a::A;",
            &["a.rs", "sled/table.rs"],
        ),
        // By names that others give on.
        ("b.rs", "fn f(_: crate::store::A) {}", both),
        ("b.rs", "use super::super::store::A as Other;", both),
        (
            "sled/table.rs",
            "use super::super::top::A;",
            &["a.rs", "sled/table.rs"],
        ),
        // What is given on may be used as well.
        ("mod.rs", "pub use top::Top; pub struct Here(Top);", top),
        ("mod.rs", "pub use top::Top; fn f() { Top::g() }", top),
        ("mod.rs", "pub use top::Top; fn f() { m!(Top) }", top),
        // A module by itself is not what is used of it, and tests look at everything.
        ("b.rs", "use super::a; fn f() {}", &[]),
        ("b.rs", "use super::tests::Tested;", &[]),
        (
            "mod.rs",
            "pub use top::Top; mod a; #[cfg(test)] mod t { struct T(super::Top); }",
            &[],
        ),
    ] {
        let files = good.map(|(name, text)| (name, if name == file { content } else { text }));
        let found: Vec<_> = found
            .iter()
            .map(|name| format!("src/store/{name}"))
            .collect();
        assert_eq!(circle(&files), found, "{file}: {content}");
    }
}

#[test]
fn the_shape_of_files_is_held() {
    let long = "fn f() {}\n".repeat(law::MAX_LINES);
    let found = judge("src/model/a.rs", &long);
    assert!(
        found[0].starts_with("src/model/a.rs:501: 501 lines"),
        "{found:?}"
    );
    assert_eq!(judge("src/model/a.rs", &long[10..]), [""; 0]);
    let mute = File {
        name: "src/model/a.rs".to_owned(),
        text: "use std::fmt;\n".to_owned(),
    };
    assert!(violations(&[mute], &[])[0].starts_with("src/model/a.rs:1: no //!"));
    assert!(judge("src/model/a.rs", "fn {")[0].contains("law: every file parses"));
}

/// A newcomer follows a switch by these links.
#[test]
fn every_file_that_the_docs_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, folder) in [
        ("README.md", ""),
        ("docs/architecture.md", "docs"),
        ("docs/operations.md", "docs"),
        ("docs/gates.md", "docs"),
        ("docs/checks.md", "docs"),
        ("docs/hooks.md", "docs"),
        ("docs/release-an-llm.md", "docs"),
    ] {
        let text = std::fs::read_to_string(root.join(page)).expect("a page");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            assert!(
                root.join(folder).join(link).exists(),
                "{page} links to {link}"
            );
        }
    }
}
