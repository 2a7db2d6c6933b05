//! The prompts as they are read: named, with everything that is expected of their answers.

use std::collections::BTreeSet;

use super::expect::{Expectation, merged};
use crate::{
    gates::jsonl::Row,
    model::check::{ChatMessage, PromptRow, PromptsCheck, Reference},
};

/// The most prompts: at a second for each answer, and some at once, these take the longest time limit that one would set.
const MAX_PROMPTS: usize = 10_000;

/// One prompt.
pub(super) struct Prompt {
    /// Its name, or the number of its line.
    pub(super) id: String,
    /// What is asked, as a chat.
    pub(super) messages: Vec<ChatMessage>,
    /// The answer that one hopes for.
    pub(super) expected: Option<String>,
    /// What the answer must be.
    pub(super) expect: Expectation,
    /// How much it counts.
    pub(super) weight: f64,
    /// It must pass whatever the others do.
    pub(super) must_pass: bool,
}

impl Prompt {
    /// What is asked, as one text: a chat with the speakers' names.
    pub(super) fn text(&self) -> String {
        match self.messages.as_slice() {
            [only] => only.content.clone(),
            chat => {
                let lines = chat.iter().map(|it| format!("{}: {}", it.role, it.content));
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// Makes prompts of rows.
///
/// # Errors
/// The first thing that is wrong with one of them, with its line.
pub(super) fn read(check: &PromptsCheck, rows: Vec<Row<PromptRow>>) -> Result<Vec<Prompt>, String> {
    if rows.len() > MAX_PROMPTS {
        return Err(format!(
            "{} prompts are more than {MAX_PROMPTS}",
            rows.len()
        ));
    }
    let mut ids = BTreeSet::new();
    let mut prompts = Vec::with_capacity(rows.len());
    for Row { line, value } in rows {
        let prompt =
            one(check, line, value).map_err(|why| format!("line {line} of the prompts: {why}"))?;
        if !ids.insert(prompt.id.clone()) {
            return Err(format!(
                "line {line} of the prompts: {:?} is the id of another prompt",
                prompt.id
            ));
        }
        prompts.push(prompt);
    }
    if let Some(id) = check.must_pass.iter().find(|id| !ids.contains(*id)) {
        return Err(format!("mustPass names {id:?}, and no prompt has that id"));
    }
    if prompts.iter().map(|it| it.weight).sum::<f64>() <= 0.0 {
        return Err("the weights of all prompts are 0: nothing would count".to_owned());
    }
    Ok(prompts)
}

fn one(check: &PromptsCheck, line: usize, row: PromptRow) -> Result<Prompt, String> {
    let messages = match (row.prompt, row.messages) {
        (Some(content), messages) if messages.is_empty() => vec![ChatMessage {
            role: "user".to_owned(),
            content,
        }],
        (None, messages) if !messages.is_empty() => messages,
        (None, _) => return Err("asks nothing: write prompt or messages".to_owned()),
        (Some(_), _) => return Err("has prompt and messages: keep one".to_owned()),
    };
    if !(row.weight.is_finite() && row.weight >= 0.0) {
        return Err(format!("weight {} is not a number from 0", row.weight));
    }
    let expect = Expectation::new(merged(&check.expect, &row.expect))?;
    let written = &expect.written;
    if let Some(similarity) = written.similarity {
        if similarity.to == Reference::Expected && row.expected.is_none() {
            return Err("has no expected answer, to which similarity compares".to_owned());
        }
        if similarity.embedding.is_some() && check.embedding.is_none() {
            return Err("compares embeddings: the check needs embedding, with a url".to_owned());
        }
    }
    if written.judge.is_some() && check.judge.is_none() {
        return Err("is to be judged: the check needs judge, with a url".to_owned());
    }
    let id = row.id.unwrap_or_else(|| line.to_string());
    Ok(Prompt {
        must_pass: row.must_pass || check.must_pass.contains(&id),
        id,
        messages,
        expected: row.expected,
        expect,
        weight: row.weight,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_all(more: Value, rows: &[Value]) -> Result<Vec<Prompt>, String> {
        let mut check = json!({
            "data": { "rows": [{}] }, "endpoint": { "openai": { "model": "m" } },
        });
        for (key, value) in more.as_object().unwrap() {
            check[key] = value.clone();
        }
        let rows = rows.iter().enumerate().map(|(at, row)| Row {
            line: at + 1,
            value: serde_json::from_value(row.clone()).unwrap(),
        });
        read(&serde_json::from_value(check).unwrap(), rows.collect())
    }

    #[test]
    fn prompts_and_chats_are_read() {
        let chat = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Hi" }]);
        let rows = [
            json!({ "prompt": "Hello" }),
            json!({ "id": "chat", "messages": chat }),
        ];
        let prompts = read_all(json!({ "mustPass": ["chat"] }), &rows).unwrap();
        assert_eq!(
            (prompts[0].id.as_str(), prompts[0].text()),
            ("1", "Hello".to_owned())
        );
        assert_eq!(prompts[1].text(), "system: Be brief.\nuser: Hi");
        assert!(prompts[1].must_pass && !prompts[0].must_pass);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let hello = || json!({ "prompt": "Hello" });
        for (more, row, expected) in [
            (json!({}), json!({}), "line 2 of the prompts: asks nothing"),
            (
                json!({}),
                json!({ "prompt": "a", "messages": [{ "role": "user", "content": "b" }] }),
                "keep one",
            ),
            (
                json!({}),
                json!({ "id": "1", "prompt": "a" }),
                "is the id of another prompt",
            ),
            (
                json!({}),
                json!({ "prompt": "a", "weight": -1 }),
                "weight -1",
            ),
            (
                json!({}),
                json!({ "prompt": "a", "expect": { "matches": "(" } }),
                "no regular expression",
            ),
            (
                json!({}),
                json!({ "prompt": "a", "expect": { "judge": 5 } }),
                "the check needs judge",
            ),
            (
                json!({}),
                json!({ "prompt": "a", "expect": { "similarity": { "rougeL": 0.5 } } }),
                "has no expected answer",
            ),
            (
                json!({}),
                json!({ "prompt": "a", "expected": "b", "expect": { "similarity": { "embedding": 0.5 } } }),
                "the check needs embedding",
            ),
            (
                json!({ "mustPass": ["x"] }),
                hello(),
                "no prompt has that id",
            ),
        ] {
            let error = read_all(more, &[hello(), row]).err().unwrap();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let weightless = read_all(json!({}), &[json!({ "prompt": "a", "weight": 0 })]);
        assert!(weightless.err().unwrap().contains("nothing would count"));
    }
}
