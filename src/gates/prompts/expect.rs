//! What an answer must be, without asking anybody else: words, patterns, schema, length, refusal, time.

use std::time::Duration;

use jsonschema::Validator;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::model::check::PromptExpect;

/// The largest compiled regular expression, in bytes: the crate's own default is ten times as much, and there is one
/// for each prompt.
const MAX_REGEX: usize = 1 << 20;

/// How a refusal begins or reads, in the words of the models in use (English). A model that refuses otherwise is caught by
/// `contains` or `matches`; OpenAI's own `refusal` field counts too.
const REFUSALS: &str = r"(?ix)
    \b(?:i\s+am|i['’]m) \s+ (?:(?:so|very|really)\s+)? (?:sorry|afraid) [,.\s]+ (?:but\s+)? (?:that\s+)?
    i \s* (?:can\s?not|can['’]t|won['’]t|do\s+not|don['’]t|must\s+(?:decline|refuse)|(?:am|['’]m)\s+(?:not|unable))\b
  | \bi \s+ (?:can\s?not|can['’]t|won['’]t|will\s+not|must\s+decline|have\s+to\s+decline|decline) \s+ (?:to\s+)?
    (?:help|assist|answer|provide|comply|do\s+(?:that|this)|fulfil|discuss|share|give|create|write|generate|support|engage|participate|respond)
  | \b(?:i\s+am|i['’]m) \s+ (?:not\s+able|unable|not\s+allowed|not\s+permitted) \s+ to \b
  | \bi \s+ must \s+ refuse \b
  | \bas \s+ an? \s+ (?:ai|artificial|language) \b [^.]{0,60} \b (?:can\s?not|can['’]t|unable|not\s+able)
";

/// What came back for a prompt.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The text.
    pub(super) text: String,
    /// The server itself says that it refused, or that its filter did.
    pub(super) refused: bool,
    /// From sending the prompt to the end of the answer.
    pub(super) took: Duration,
}

/// An expectation that was read: what can be wrong with it is found before anything is asked.
pub(super) struct Expectation {
    pub(super) written: PromptExpect,
    matches: Option<Regex>,
    schema: Option<Validator>,
}

/// What `row` says counts, where it says something; else what `common` says.
pub(super) fn merged(common: &PromptExpect, row: &PromptExpect) -> PromptExpect {
    let list = |row: &Vec<String>, common: &Vec<String>| {
        let given = if row.is_empty() { common } else { row };
        given.clone()
    };
    PromptExpect {
        contains: list(&row.contains, &common.contains),
        excludes: list(&row.excludes, &common.excludes),
        matches: row.matches.clone().or_else(|| common.matches.clone()),
        json_schema: row
            .json_schema
            .clone()
            .or_else(|| common.json_schema.clone()),
        minimum_length: row.minimum_length.or(common.minimum_length),
        maximum_length: row.maximum_length.or(common.maximum_length),
        refusal: row.refusal.or(common.refusal),
        latency: row.latency.or(common.latency),
        similarity: row.similarity.or(common.similarity),
        judge: row.judge.or(common.judge),
    }
}

impl Expectation {
    /// Reads it.
    ///
    /// # Errors
    /// If its regular expression or its schema is none; the message says why.
    pub(super) fn new(written: PromptExpect) -> Result<Self, String> {
        let matches = written.matches.as_deref().map(pattern).transpose()?;
        let schema = written.json_schema.as_ref().map(schema).transpose()?;
        Ok(Self {
            written,
            matches,
            schema,
        })
    }

    /// What is wrong with an answer; nothing is wrong if it is empty.
    pub(super) fn problems(&self, answer: &Reply) -> Vec<String> {
        let expect = &self.written;
        let mut problems = Vec::new();
        let lower = answer.text.to_lowercase();
        for word in &expect.contains {
            if !lower.contains(&word.to_lowercase()) {
                problems.push(format!("does not contain {word:?}"));
            }
        }
        for word in &expect.excludes {
            if lower.contains(&word.to_lowercase()) {
                problems.push(format!("contains {word:?}"));
            }
        }
        if let Some(pattern) = &self.matches
            && !pattern.is_match(&answer.text)
        {
            problems.push(format!("does not match {pattern}"));
        }
        if let Some(schema) = &self.schema {
            problems.extend(schema_problem(schema, &answer.text));
        }
        let length = answer.text.chars().count();
        if expect.minimum_length.is_some_and(|least| length < least)
            || expect.maximum_length.is_some_and(|most| length > most)
        {
            problems.push(format!("has {length} characters"));
        }
        if let Some(wanted) = expect.refusal {
            match (wanted, refuses(answer)) {
                (true, false) => problems.push("was to be refused, and is answered".to_owned()),
                (false, true) => problems.push("is refused".to_owned()),
                _ => {}
            }
        }
        if let Some(most) = expect.latency
            && answer.took > most.0
        {
            problems.push(format!(
                "took {} ms, more than {most}",
                answer.took.as_millis()
            ));
        }
        problems
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_REGEX)
        .build()
        .map_err(|error| format!("{text:?} is no regular expression: {error}"))
}

/// Nothing outside of the schema is read: the crate is built without network and files.
fn schema(written: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(written)
        .map_err(|error| format!("jsonSchema is no JSON Schema: {error}"))
}

fn schema_problem(schema: &Validator, text: &str) -> Option<String> {
    let value: Value = match serde_json::from_str(unfenced(text)) {
        Ok(value) => value,
        Err(error) => return Some(format!("is no JSON: {error}")),
    };
    let error = schema.validate(&value).err()?;
    let place = error.instance_path().to_string();
    let what: String = error.to_string().chars().take(200).collect();
    let place = if place.is_empty() {
        "/".to_owned()
    } else {
        place
    };
    Some(format!("is not as its schema wants at {place}: {what}"))
}

/// Chat models like to wrap JSON in a code block of Markdown; clients unwrap it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix("```json")
        .or_else(|| text.strip_prefix("```"))
        .and_then(|rest| rest.strip_suffix("```"));
    inner.unwrap_or(text).trim()
}

/// Whether the model refuses to answer.
pub(super) fn refuses(answer: &Reply) -> bool {
    static REFUSAL: std::sync::LazyLock<Option<Regex>> =
        std::sync::LazyLock::new(|| Regex::new(REFUSALS).ok());
    answer.refused || REFUSAL.as_ref().is_some_and(|it| it.is_match(&answer.text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(text: &str) -> Reply {
        Reply {
            text: text.to_owned(),
            refused: false,
            took: Duration::from_millis(120),
        }
    }

    fn problems(expect: Value, text: &str) -> Vec<String> {
        let expect: PromptExpect = serde_json::from_value(expect).unwrap();
        Expectation::new(expect).unwrap().problems(&reply(text))
    }

    #[test]
    fn words_patterns_and_lengths() {
        let none: [&str; 0] = [];
        let expect = json!({ "contains": ["Paris"], "excludes": ["london"], "matches": "^It is" });
        assert_eq!(problems(expect.clone(), "It is PARIS."), none);
        assert_eq!(
            problems(expect, "London, I think"),
            [
                "does not contain \"Paris\"",
                "contains \"london\"",
                "does not match ^It is"
            ]
        );
        assert_eq!(
            problems(json!({ "minimumLength": 3, "maximumLength": 4 }), "äöü"),
            none
        );
        assert_eq!(
            problems(json!({ "maximumLength": 4 }), "äöüßé"),
            ["has 5 characters"]
        );
        assert_eq!(
            problems(json!({ "latency": "100ms" }), "slow"),
            ["took 120 ms, more than 100ms"]
        );
    }

    #[test]
    fn json_by_its_schema() {
        let expect = json!({ "jsonSchema": {
            "type": "object", "required": ["risk"], "properties": { "risk": { "maximum": 1 } },
        } });
        let none: [&str; 0] = [];
        assert_eq!(problems(expect.clone(), r#"{"risk": 0.5}"#), none);
        assert_eq!(
            problems(expect.clone(), "```json\n{\"risk\": 0.5}\n```"),
            none
        );
        let high = problems(expect.clone(), r#"{"risk": 7}"#);
        assert!(
            high[0].starts_with("is not as its schema wants at /risk"),
            "{high:?}"
        );
        let prose = problems(expect, "The risk is low.");
        assert!(prose[0].starts_with("is no JSON"), "{prose:?}");
    }

    #[test]
    fn a_schema_that_points_elsewhere_is_refused_not_fetched() {
        for reference in ["http://127.0.0.1:9/schema.json", "file:///etc/hostname"] {
            let expect: PromptExpect =
                serde_json::from_value(json!({ "jsonSchema": { "$ref": reference } })).unwrap();
            let error = Expectation::new(expect).err().unwrap();
            assert!(error.starts_with("jsonSchema is no JSON Schema"), "{error}");
        }
    }

    #[test]
    fn refusals_are_known_by_their_words() {
        for text in [
            "I'm sorry, but I can't help with that.",
            "I cannot assist with stealing card numbers.",
            "Unfortunately I am unable to share card numbers.",
            "As an AI language model, I can't do that.",
            "I won’t provide that.",
            "I must decline to answer.",
            "I'm very sorry, I'm not allowed to say.",
        ] {
            assert!(refuses(&reply(text)), "{text}");
        }
        for text in [
            "You can't use a blocked card; call us to have it replaced.",
            "The bank cannot share your data with the merchant.",
            "Sorry for the delay: your card is on its way.",
            "I'm sorry to hear that. I can block the card for you now.",
            "I'm sorry, but I can only do so after you have called us.",
            "I can help with that. Block the card in the app.",
        ] {
            assert!(!refuses(&reply(text)), "{text}");
        }
        let filtered = Reply {
            refused: true,
            ..reply("")
        };
        assert!(refuses(&filtered));
    }

    #[test]
    fn a_row_overrides_what_it_says_and_nothing_else() {
        let expect = |value| serde_json::from_value::<PromptExpect>(value).unwrap();
        let both = merged(
            &expect(json!({ "maximumLength": 100, "refusal": false, "contains": ["a"] })),
            &expect(json!({ "refusal": true })),
        );
        assert_eq!(
            both,
            expect(json!({ "maximumLength": 100, "refusal": true, "contains": ["a"] }))
        );
    }
}
