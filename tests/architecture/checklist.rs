//! The protocol's checklist: what each line is about, and which tests hold it, in which variant of the protocol.
//!
//! A test of line 7 is called `line_07_…`. Its variant is that of its module or file, `sotw` or `delta`, or the end of its
//! name, `_in_sotw` or `_in_delta`; it is both if the test runs over `MODES` or is listed by `in_both_modes!`.

use std::{collections::BTreeSet, fs, path::Path};

use syn::{
    Ident, ItemFn, ItemMod, Macro, Token,
    parse::Parser,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use super::{law::File, sources};

/// A variant of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    Sotw,
    Delta,
}

use Variant::{Delta, Sotw};

/// What one line is about.
struct Line {
    /// In the words of the docs.
    about: &'static str,
    /// The variants in which it must be shown; none, with the reason, where it is no matter of the variant.
    variants: Result<&'static [Variant], &'static str>,
    /// Why the state machine of a stream can't show it.
    beside_session: Option<&'static str>,
}

const fn of(variants: &'static [Variant], about: &'static str) -> Line {
    Line {
        about,
        variants: Ok(variants),
        beside_session: None,
    }
}

const fn both(about: &'static str) -> Line {
    of(&[Sotw, Delta], about)
}

/// In both variants, by a server alone.
const fn on_the_wire(about: &'static str, why: &'static str) -> Line {
    Line {
        beside_session: Some(why),
        ..both(about)
    }
}

const fn neither(about: &'static str, why: &'static str) -> Line {
    Line {
        variants: Err(why),
        ..both(about)
    }
}

/// The checklist, from line 1.
const CHECKLIST: [Line; 36] = [
    // 1
    both("the node is in the first request only; a stream without a usable one is refused"),
    // 2
    on_the_wire(
        "ADS and the services of one type, each in both variants",
        "a session does not know which service carries it",
    ),
    // 3
    on_the_wire(
        "requests of tens of MB are taken, responses over 4 MiB are counted",
        "a session is given messages that were decoded",
    ),
    // 4
    on_the_wire(
        "dead connections are noticed, idle ones stay, a stop ends streams cleanly",
        "a session knows no connection",
    ),
    // 5
    both("a client that does not read delays nobody, in bounded memory"),
    // 6
    both("a nonce per response, type and stream; an old one counts for nothing"),
    // 7
    both("a rejected response is never sent again"),
    // 8
    both("what a response holds; acceptance is per resource"),
    // 9
    both("a newly asked name is answered, though nothing has changed"),
    // 10
    both("when a list of names means everything"),
    // 11
    both("an ACK with other names is a subscription too"),
    // 12
    both("after a reconnect or a restart nothing is sent that the client has"),
    // 13
    of(&[Sotw], "silence about names that do not exist"),
    // 14
    of(
        &[Delta],
        "what a client says that it has of an earlier stream",
    ),
    // 15
    of(
        &[Delta],
        "names that are asked for again, or do not exist, are answered",
    ),
    // 16
    of(&[Delta], "names that are given up beside a wildcard"),
    // 17
    of(
        &[Delta],
        "subscriptions count on any answer; several nonces are open at once",
    ),
    // 18
    of(&[Delta], "only what the client was told of is taken away"),
    // 19
    both("additions before what refers to them, removals after"),
    // 20
    both("endpoints go out while a cluster warms"),
    // 21
    both("a cluster that is sent again has its endpoints sent again"),
    // 22
    both("a switch is routes alone"),
    // 23
    neither(
        "what Envoy takes, or rejects, in routes and endpoints",
        "what is refused or built, before there is a stream",
    ),
    // 24
    neither(
        "an environment without endpoints",
        "what is refused, before there is a stream",
    ),
    // 25
    both("connections that stay on the old environment"),
    // 26
    neither(
        "retries stay within the cluster",
        "what an Envoy does with requests, whatever way its configuration came",
    ),
    // 27
    neither(
        "weights by a runtime key",
        "what is built and warned of, before there is a stream",
    ),
    // 28
    neither(
        "stickiness is above the split",
        "what an Envoy does with requests, whatever way its configuration came",
    ),
    // 29
    neither(
        "mirroring",
        "what an Envoy does with requests, whatever way its configuration came",
    ),
    // 30
    both("previews, and what ends by itself"),
    // 31
    neither(
        "health checks",
        "what an Envoy does with endpoints, whatever way they came",
    ),
    // 32
    both("clients without a proxy: gRPC"),
    // 33
    both("such clients know both environments before a switch"),
    // 34
    both("client status (CSDS)"),
    // 35
    neither(
        "load reports (LRS)",
        "load reports have a stream of their own, of one kind",
    ),
    // 36
    both("what \"in sync\" means"),
];

/// One test of a line.
#[derive(Debug)]
struct Test {
    line: usize,
    /// The room or the group of tests.
    place: String,
    variants: BTreeSet<Variant>,
}

/// Where the state machine of a stream is tested.
const SESSION: &[&str] = &["session"];

/// Where a real server is, by clients that are none.
const WIRE: &[&str] = &["protocol", "hostile"];

/// The lines that a test's name says it holds: `line_18_and_19_…` are two.
fn lines(name: &str) -> Vec<usize> {
    let mut words = name.split('_');
    let mut lines = Vec::new();
    let mut before = "line";
    while words.next() == Some(before) {
        let Some(Ok(line)) = words.next().map(str::parse) else {
            break;
        };
        lines.push(line);
        before = "and";
    }
    lines
}

/// A variant by its word.
fn variant(of: &str) -> Option<Variant> {
    match of {
        "sotw" => Some(Sotw),
        "delta" => Some(Delta),
        _ => None,
    }
}

/// The functions of one file, as far as they may be tests.
#[derive(Default)]
struct Reader {
    /// The modules around, those that are files among them.
    modules: Vec<String>,
    /// Name, whether it is marked as a test, variants.
    functions: Vec<(String, bool, BTreeSet<Variant>)>,
    /// What `in_both_modes!` makes tests of.
    listed: BTreeSet<String>,
    /// The function that is read runs over both variants.
    modes: bool,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.modes = false;
        visit::visit_item_fn(self, function);
        let name = function.sig.ident.to_string();
        let end = name.rsplit_once("_in_").and_then(|(_, end)| variant(end));
        let module = self.modules.iter().find_map(|module| variant(module));
        let variants = match self.modes {
            true => [Sotw, Delta].into(),
            false => end.or(module).into_iter().collect(),
        };
        let marks = function.attrs.iter();
        let mut marks = marks.filter_map(|mark| mark.path().segments.last());
        let is_test = marks.any(|last| last.ident == "test");
        self.functions.push((name, is_test, variants));
    }

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.modes |= ident == "MODES";
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        if called.path.is_ident("in_both_modes") {
            let names = Punctuated::<Ident, Token![,]>::parse_terminated;
            let names = names.parse2(called.tokens.clone());
            let names = names.expect("the names of functions");
            self.listed.extend(names.iter().map(Ident::to_string));
        }
    }
}

/// Every test of a line in these files.
fn tests(files: &[File]) -> Vec<Test> {
    let mut all = Vec::new();
    for file in files {
        let parsed = syn::parse_file(&file.text).unwrap_or_else(|e| panic!("{}: {e}", file.name));
        let path = file.name.trim_end_matches(".rs").split('/').skip(1);
        let modules: Vec<String> = path.map(str::to_owned).collect();
        let place = match modules.first().map(String::as_str) {
            Some("xds") => modules.get(1),
            _ => modules.first(),
        };
        let place = place.cloned().unwrap_or_default();
        let mut reader = Reader {
            modules,
            ..Reader::default()
        };
        reader.visit_file(&parsed);
        for (name, is_test, variants) in reader.functions {
            let listed = reader.listed.contains(&name);
            let variants = match listed {
                true => [Sotw, Delta].into(),
                false => variants,
            };
            if is_test || listed {
                all.extend(lines(&name).into_iter().map(|line| Test {
                    line,
                    place: place.clone(),
                    variants: variants.clone(),
                }));
            }
        }
    }
    all
}

/// What is wrong with the tests of a line.
fn missing(number: usize, line: &Line, tests: &[Test]) -> Vec<String> {
    let of_line = || tests.iter().filter(|test| test.line == number);
    if of_line().next().is_none() {
        return vec![format!("line {number} has no test")];
    }
    let mut missing = Vec::new();
    for (places, beside) in [(SESSION, line.beside_session), (WIRE, None)] {
        let there = of_line().filter(|test| places.contains(&&*test.place));
        let shown: BTreeSet<Variant> = there.flat_map(|test| test.variants.clone()).collect();
        for wanted in line.variants.unwrap_or_default() {
            let what = match (shown.contains(wanted), beside) {
                (false, None) => "has no test",
                (true, Some(_)) => "is said to have no test",
                _ => continue,
            };
            missing.push(format!("line {number} {what} in {wanted:?} in {places:?}"));
        }
    }
    missing
}

/// A line of the table in the docs.
fn row(number: usize, line: &Line, tests: &[Test]) -> String {
    let variants = match line.variants {
        Ok([Sotw]) => "sotw",
        Ok([Delta]) => "delta",
        Ok(_) => "both",
        Err(_) => "-",
    };
    let places = tests.iter().filter(|test| test.line == number);
    let places: BTreeSet<&str> = places.map(|test| &*test.place).collect();
    let places: Vec<&str> = places.into_iter().collect();
    let about = line.about;
    format!(
        "| {number} | {about} | {variants} | {} |\n",
        places.join(", ")
    )
}

#[test]
fn every_line_has_its_tests_in_its_variants() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    sources(Path::new("tests"), &mut files);
    let tests = tests(&files);
    let lines = || {
        CHECKLIST
            .iter()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    };
    let missing: Vec<String> = lines()
        .flat_map(|(number, line)| missing(number, line, &tests))
        .collect();
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
    let table: String = lines()
        .map(|(number, line)| row(number, line, &tests))
        .collect();
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/testing.md")).unwrap();
    assert!(
        docs.contains(&table),
        "docs/testing.md should say:\n{table}"
    );
}

// ---- the checker itself ------------------------------------------------------------------------------------------

/// The tests of one file: line, place, variants.
fn read(name: &str, text: &str) -> Vec<(usize, String, Vec<Variant>)> {
    let file = File {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let tests = tests(&[file]).into_iter();
    tests
        .map(|test| (test.line, test.place, Vec::from_iter(test.variants)))
        .collect()
}

#[test]
fn a_variant_is_read_from_the_name_the_module_or_the_list() {
    for (file, text, variants) in [
        (
            "src/xds/session/tests.rs",
            "#[test] fn line_07_a() {}",
            &[][..],
        ),
        (
            "src/xds/session/tests/sotw/a.rs",
            "#[test] fn line_07_a() {}",
            &[Sotw],
        ),
        (
            "src/xds/session/a.rs",
            "mod delta { #[test] fn line_07_a() {} }",
            &[Delta],
        ),
        (
            "src/xds/session/a.rs",
            "#[test] fn line_07_a_in_delta() {}",
            &[Delta],
        ),
        (
            "src/xds/session/a.rs",
            "#[test] fn line_07_a() { for m in MODES {} }",
            &[Sotw, Delta],
        ),
        (
            "src/xds/session/a.rs",
            "#[test] fn b() { MODES; } #[test] fn line_07_a() {}",
            &[],
        ),
        (
            "src/xds/session/a.rs",
            "in_both_modes!(line_07_a); async fn line_07_a(m: M) {}",
            &[Sotw, Delta],
        ),
    ] {
        assert_eq!(
            read(file, text),
            [(7, "session".to_owned(), variants.to_vec())],
            "{text}"
        );
    }
    let two = read(
        "tests/envoy/a.rs",
        "#[tokio::test] async fn line_18_and_19_a() {}",
    );
    let lines: Vec<usize> = two.iter().map(|(line, ..)| *line).collect();
    assert_eq!((lines, &*two[0].1), (vec![18, 19], "envoy"));
    assert_eq!(read("tests/envoy/a.rs", "fn line_18_a() {}"), [], "no test");
}

#[test]
fn what_is_missing_is_told_apart() {
    let tests = |held: &[(&str, &[Variant])]| -> Vec<Test> {
        let held = held.iter();
        held.map(|(place, variants)| Test {
            line: 7,
            place: (*place).to_owned(),
            variants: variants.iter().copied().collect(),
        })
        .collect()
    };
    let found = |line: &Line, held: &[(&str, &[Variant])]| missing(7, line, &tests(held)).len();
    assert_eq!(found(&both("it"), &[]), 1);
    assert_eq!(found(&both("it"), &[("session", &[Sotw, Delta])]), 2);
    let split: &[(&str, &[Variant])] = &[("session", &[Sotw, Delta]), ("hostile", &[Sotw])];
    assert_eq!(found(&both("it"), split), 1);
    let whole: &[(&str, &[Variant])] = &[("protocol", &[Delta]), split[0], split[1]];
    assert_eq!(found(&both("it"), whole), 0);
    assert_eq!(found(&on_the_wire("it", "so"), whole), 2, "it is there");
    assert_eq!(found(&on_the_wire("it", "so"), &whole[2..]), 1);
    assert_eq!(found(&neither("it", "so"), &[("snapshot", &[])]), 0);
}
