//! The three-way merge of `apply`: what the author changed wins, what the author left alone stays as it is.
//!
//! As kubectl's apply: the document applied last time shows which differences are the author's wish and which came
//! about since, by commands. So a file that still says `blue: v1.2` after releases by command undoes none of them.

use serde_json::{Map, Value};

use super::{
    ServiceSpec,
    path::{Path, Step},
};

/// What a document comes to, applied to a service as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// `spec` as wanted, complete: defaults are written out.
    pub value: Value,
    /// Where the document says something that is not so and stays not so, e.g. `spec.environments.blue`.
    pub drift: Vec<String>,
}

/// Merges `new`, a service's `spec` as written, into `current`, its spec of today.
///
/// `last_applied` is the `spec` as written of the previous apply; none if there was none. `current` is null for a
/// service that is yet to be created.
///
/// - A field left out and its default are equal; so are two spellings of one value (`1000ms`, `1s`).
/// - Lists are taken whole. So is each environment: a version belongs to its endpoints.
/// - `live` counts only for a service that is yet to be created: afterwards only a switch moves traffic.
pub fn merge(last_applied: Option<&Value>, new: &Value, current: &Value) -> Merged {
    let mut merge = Merge {
        written: new,
        first: last_applied.is_none(),
        drift: Vec::new(),
    };
    let (last, wanted, current) = (last_applied.map(complete), complete(new), complete(current));
    let current = Some(&current).filter(|current| current.is_object());
    let value = match current {
        Some(_) => {
            let top = Path::from(["spec"]);
            merge.at(&top, last.as_ref(), Some(&wanted), current)
        }
        None => Some(wanted),
    };
    Merged {
        value: value.unwrap_or_default(),
        drift: merge.drift,
    }
}

/// A spec with its defaults written out and its values in their usual spelling; as it is, if it is none.
fn complete(written: &Value) -> Value {
    serde_json::from_value::<ServiceSpec>(written.clone())
        .and_then(serde_json::to_value)
        .unwrap_or_else(|_| written.clone())
}

struct Merge<'a> {
    /// The document as written: what it does not say cannot drift.
    written: &'a Value,
    /// Nothing was applied before: all that is written is the author's wish, and nothing else is.
    first: bool,
    drift: Vec<String>,
}

impl Merge<'_> {
    fn at(
        &mut self,
        path: &Path,
        last: Option<&Value>,
        wanted: Option<&Value>,
        current: Option<&Value>,
    ) -> Option<Value> {
        if let (Some(Value::Object(wanted)), Some(Value::Object(current))) = (wanted, current)
            && !is_unit(path)
        {
            let nothing = Map::new();
            match last {
                Some(Value::Object(last)) => return Some(self.fields(path, last, wanted, current)),
                None if self.first => return Some(self.fields(path, &nothing, wanted, current)),
                _ => {}
            }
        }
        let untouched = match self.first {
            true => !self.says(path),
            false => last == wanted,
        };
        if !untouched && !is_live(path) {
            return wanted.cloned();
        }
        if current != wanted && self.says(path) {
            self.drift.push(path.to_string());
        }
        current.cloned()
    }

    fn fields(
        &mut self,
        path: &Path,
        last: &Map<String, Value>,
        wanted: &Map<String, Value>,
        current: &Map<String, Value>,
    ) -> Value {
        let mut keys: Vec<&String> = wanted.keys().collect();
        // What neither the file nor today's state has is gone, whatever was applied last.
        keys.extend(current.keys().filter(|key| !wanted.contains_key(*key)));
        let merged = keys.into_iter().filter_map(|key| {
            let value = self.at(
                &path.join(key.as_str()),
                last.get(key),
                wanted.get(key),
                current.get(key),
            )?;
            Some((key.clone(), value))
        });
        Value::Object(merged.collect())
    }

    /// Whether the document has anything at that path.
    fn says(&self, path: &Path) -> bool {
        let inside_spec = path.0.iter().skip(1);
        let found = inside_spec
            .into_iter()
            .try_fold(self.written, |value, step| match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
            });
        found.is_some_and(|value| !value.is_null())
    }
}

/// Version and endpoints of an environment are one wish: endpoints of one version under the name of another would
/// be a deployment that nobody declared.
fn is_unit(path: &Path) -> bool {
    matches!(
        path.0.as_slice(),
        [Step::Key(_), Step::Key(environments), Step::Key(_)] if environments == "environments"
    )
}

fn is_live(path: &Path) -> bool {
    matches!(path.0.as_slice(), [Step::Key(_), Step::Key(live)] if live == "live")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::{Colour, samples};

    fn file() -> Value {
        json!({
            "fleet": "payments",
            "cluster": { "connectTimeout": "1000ms" },
            "environments": {
                "blue": { "version": "v1.2", "endpoints": ["a:1"] },
                "green": { "version": "v1.3", "endpoints": ["b:1"] },
            },
            "live": "blue",
        })
    }

    /// The file's service after releases by command: green is live, and blue has a newer version.
    fn today() -> Value {
        let mut now = complete(&file());
        now["environments"]["blue"] = json!({ "version": "v1.4", "endpoints": ["c:1"] });
        now["live"] = json!("green");
        now
    }

    #[test]
    fn a_first_apply_is_the_file_with_its_defaults() {
        let merged = merge(None, &file(), &Value::Null);
        assert_eq!(merged.value["hosts"], json!(["*"]));
        assert_eq!(merged.value["cluster"]["connectTimeout"], "1s");
        assert_eq!(merged.value["live"], "blue");
        assert_eq!(merged.drift, [""; 0]);
    }

    #[test]
    fn a_file_left_alone_undoes_no_release_and_reports_the_drift() {
        let merged = merge(Some(&file()), &file(), &today());
        assert_eq!(merged.value, today());
        assert_eq!(merged.drift, ["spec.environments.blue", "spec.live"]);
    }

    #[test]
    fn what_the_author_changes_is_taken_and_the_rest_stays() {
        let mut new = file();
        new["hosts"] = json!(["a.example"]);
        new["environments"]["green"]["endpoints"] = json!(["b:1", "b:2"]);
        let merged = merge(Some(&file()), &new, &today());
        let mut expected = today();
        expected["hosts"] = json!(["a.example"]);
        expected["environments"]["green"]["endpoints"] = json!(["b:1", "b:2"]);
        assert_eq!(merged.value, expected);
    }

    #[test]
    fn a_change_within_an_environment_takes_the_whole_environment() {
        let mut new = file();
        new["environments"]["blue"]["endpoints"] = json!(["a:2"]);
        let merged = merge(Some(&file()), &new, &today());
        assert_eq!(
            merged.value["environments"]["blue"],
            json!({ "version": "v1.2", "endpoints": ["a:2"] })
        );
        assert_eq!(merged.drift, ["spec.live"]);
    }

    #[test]
    fn what_the_author_removes_goes_and_what_others_added_stays() {
        let mut last = file();
        last["hosts"] = json!(["a.example"]);
        let mut new = file();
        if let Some(environments) = new["environments"].as_object_mut() {
            environments.remove("green");
        }
        let mut now = today();
        now["hosts"] = json!(["a.example"]);
        let merged = merge(Some(&last), &new, &now);
        assert_eq!(merged.value["hosts"], json!(["*"]));
        assert_eq!(merged.value["environments"].get("green"), None);
        // Never in any file: declared by command.
        let merged = merge(Some(&new), &new, &now);
        assert_eq!(
            merged.value["environments"]["green"],
            now["environments"]["green"]
        );
        assert_eq!(merged.drift, ["spec.environments.blue", "spec.live"]);
    }

    #[test]
    fn a_retired_environment_is_drift_and_not_brought_back() {
        let mut now = today();
        if let Some(environments) = now["environments"].as_object_mut() {
            environments.remove("blue");
        }
        let merged = merge(Some(&file()), &file(), &now);
        assert_eq!(merged.value, now);
        assert_eq!(merged.drift, ["spec.environments.blue", "spec.live"]);
    }

    #[test]
    fn writing_a_default_or_another_spelling_changes_nothing() {
        let mut new = file();
        new["hosts"] = json!(["*"]);
        new["cluster"] = json!({ "protocol": "http1", "connectTimeout": "1s" });
        let now = complete(&file());
        let merged = merge(Some(&file()), &new, &now);
        assert_eq!(merged.value, now);
        assert_eq!(merged.drift, [""; 0]);
    }

    #[test]
    fn without_a_previous_apply_only_what_is_written_is_wanted() {
        let mut now = today();
        now["hosts"] = json!(["a.example"]);
        let merged = merge(None, &file(), &now);
        assert_eq!(merged.value["hosts"], json!(["a.example"]));
        assert_eq!(merged.value["environments"]["blue"]["version"], "v1.2");
        assert_eq!(merged.value["live"], "green");
        assert_eq!(merged.drift, ["spec.live"]);
    }

    proptest! {
        /// Applying twice is applying once.
        #[test]
        fn is_idempotent(last in samples::written(), new in samples::written(), now in samples::service()) {
            let now = serde_json::to_value(now).unwrap();
            let once = merge(Some(&last), &new, &now);
            let twice = merge(Some(&new), &new, &once.value);
            prop_assert_eq!(&twice.value, &once.value);
            prop_assert_eq!(&twice.drift, &once.drift);
        }

        /// A file that its author left alone changes nothing, whatever happened since.
        #[test]
        fn changes_nothing_for_an_author_who_changed_nothing(file in samples::written(), now in samples::service()) {
            let now = serde_json::to_value(now).unwrap();
            prop_assert_eq!(merge(Some(&file), &file, &now).value, now);
        }

        /// Where nothing happened since, the file says all.
        #[test]
        fn is_the_file_where_nothing_drifted(last in samples::written(), new in samples::written()) {
            let now = complete(&last);
            let merged = merge(Some(&last), &new, &now);
            let mut expected = complete(&new);
            expected["live"] = now["live"].clone();
            prop_assert_eq!(merged.value, expected);
            prop_assert!(merged.drift.iter().all(|path| path == "spec.live"));
        }

        /// A merge never makes up a deployment, moves traffic, or is anything but a service.
        #[test]
        fn keeps_environments_whole(last in samples::written(), new in samples::written(), now in samples::service()) {
            let value = serde_json::to_value(&now).unwrap();
            let merged = merge(Some(&last), &new, &value);
            let spec: ServiceSpec = serde_json::from_value(merged.value).unwrap();
            let wanted: ServiceSpec = serde_json::from_value(new).unwrap();
            prop_assert_eq!(spec.live, now.live);
            for colour in Colour::BOTH {
                let environment = spec.environments.get(colour);
                prop_assert!(
                    environment == now.environments.get(colour) || environment == wanted.environments.get(colour)
                );
            }
        }
    }
}
