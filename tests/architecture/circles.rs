//! Files that import each other in a circle: none of them can be read before the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    law::{File, folder_of, module_of},
    source::Source,
};

/// Rooms without a circle of files, which stay so.
pub const WITHOUT: &[&str] = &["admin", "app", "cli", "console", "controller"];

/// The files of a room that stand in circles, or between two. Tests are let off: they look at everything.
pub fn circle_of(room: &str, files: &[File]) -> Vec<String> {
    let inside = format!("src/{room}/");
    let sources: BTreeMap<Vec<String>, (&str, Source)> = files
        .iter()
        .filter(|file| file.name.starts_with(&inside))
        .map(|file| {
            let module = module_of(&file.name);
            let source = Source::parse(&module, &folder_of(&file.name), &file.text);
            let source = source.expect("every file parses");
            (module, (file.name.as_str(), source))
        })
        .collect();
    let mut arrows: BTreeSet<(&[String], &[String])> = BTreeSet::new();
    for (module, (_, source)) in &sources {
        for used in source.uses.iter().filter(|used| !used.test) {
            let path = match used.path.split_first() {
                Some((first, rest)) if first == "crate" => rest.to_vec(),
                // A module's own children are named without a root.
                _ => [module.as_slice(), &used.path].concat(),
            };
            let ends = (1..=path.len()).rev();
            let target = ends
                .filter_map(|end| sources.get_key_value(&path[..end]))
                .next();
            if let Some((target, _)) = target.filter(|(target, _)| *target != module) {
                arrows.insert((module, target));
            }
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
