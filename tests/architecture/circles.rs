//! Files that import each other in a circle: none of them can be read before the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    law::{File, folder_of, module_of},
    source::Source,
};

/// Files by the module that each is.
type Modules<'a> = BTreeMap<Vec<String>, (&'a str, Source)>;

/// A name may be given on so often before it is where it is defined.
const MAX_GIVEN_ON: usize = 8;

/// The files that stand in circles, or between two. Tests are let off: they look at everything.
///
/// To import a name that a module has from another one is to import from the file that defines it: a `mod.rs` that only says
/// what its room gives to others stands in nobody's way, and to give a name on without using it is no import.
pub fn circles(files: &[File]) -> Vec<String> {
    let mut sources: Modules<'_> = files
        .iter()
        .map(|file| {
            let module = module_of(&file.name);
            let source = Source::parse(&module, &folder_of(&file.name), &file.text);
            let source = source.expect("every file parses");
            (module, (file.name.as_str(), source))
        })
        .collect();
    let tests: Vec<Vec<String>> = sources
        .values()
        .flat_map(|(_, source)| source.test_modules.clone())
        .collect();
    sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    let mut arrows: BTreeSet<(&[String], &[String])> = BTreeSet::new();
    for (module, (_, source)) in &sources {
        for used in source.uses.iter().filter(|used| !used.test) {
            let unused = || {
                used.path
                    .last()
                    .is_none_or(|name| !source.words.contains(name))
            };
            if used.given_on && unused() {
                continue;
            }
            let path = absolute(module, &used.path);
            let targets = defined_in(&path, &sources, MAX_GIVEN_ON);
            let others = targets.into_iter().filter(|target| target != module);
            arrows.extend(others.map(|target| (module.as_slice(), target)));
        }
    }
    // What imports nothing that is left, or is imported by nothing, stands in no circle.
    loop {
        let from: BTreeSet<_> = arrows.iter().map(|(from, _)| *from).collect();
        let to: BTreeSet<_> = arrows.iter().map(|(_, to)| *to).collect();
        let before = arrows.len();
        arrows.retain(|(a, b)| to.contains(a) && from.contains(b));
        if arrows.len() == before {
            break;
        }
    }
    let left: BTreeSet<&[String]> = arrows.iter().map(|(from, _)| *from).collect();
    left.iter()
        .map(|module| sources[*module].0.to_owned())
        .collect()
}

/// A path that a module names, from the crate's root.
fn absolute(module: &[String], path: &[String]) -> Vec<String> {
    match path.split_first() {
        Some((first, rest)) if first == "crate" => rest.to_vec(),
        // A module's own children are named without a root.
        _ => [module, path].concat(),
    }
}

/// The modules that define what that path stands for.
fn defined_in<'a>(path: &[String], modules: &'a Modules<'_>, depth: usize) -> Vec<&'a [String]> {
    let mut ends = (1..=path.len()).rev();
    let found = ends.find_map(|end| modules.get_key_value(&path[..end]));
    let Some((module, (_, source))) = found else {
        return Vec::new();
    };
    // A module by itself is nothing that is used; what follows it is judged where that is written.
    let Some((name, rest)) = path[module.len()..].split_first() else {
        return Vec::new();
    };
    match source.aliases.get(name) {
        Some(given_on) if depth > 0 => given_on
            .iter()
            .map(|path| [absolute(module, path).as_slice(), rest].concat())
            .flat_map(|path| defined_in(&path, modules, depth - 1))
            .collect(),
        _ => vec![module],
    }
}
