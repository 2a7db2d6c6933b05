//! JSON lines: one JSON value a line, with the line number in every error.

use serde::de::DeserializeOwned;

/// The longest line, in bytes: a chat of a hundred pages.
pub const MAX_LINE: usize = 1 << 20;

/// The most rows: more than any check sends in its time limit.
pub const MAX_ROWS: usize = 100_000;

/// A row, and the line on which it stands (from 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Row<T> {
    /// From 1; lines without content count too.
    pub line: usize,
    /// What stands there.
    pub value: T,
}

/// Text that is no JSON lines.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JsonLinesError {
    /// A line that can't be read.
    #[error("{source} line {line}: {problem}", source = .origin)]
    Line {
        /// What was read: a file, a URL.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// No row at all.
    #[error("{0} holds no rows")]
    Empty(String),
    /// More than [`MAX_ROWS`].
    #[error("{0} has more than {MAX_ROWS} rows")]
    TooMany(String),
}

/// Reads every row. `origin` is named in errors; lines without content are passed over.
///
/// # Errors
/// The first line that is no JSON, or not of this type; text without rows, or with too many.
pub fn read_json_lines<T: DeserializeOwned>(
    origin: &str,
    text: &[u8],
) -> Result<Vec<Row<T>>, JsonLinesError> {
    let mut rows = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let content = line.trim_ascii();
        if content.is_empty() {
            continue;
        }
        let wrong = |problem: String| JsonLinesError::Line {
            origin: origin.to_owned(),
            line: at + 1,
            problem,
        };
        if content.len() > MAX_LINE {
            return Err(wrong(format!("has more than {MAX_LINE} bytes")));
        }
        if rows.len() == MAX_ROWS {
            return Err(JsonLinesError::TooMany(origin.to_owned()));
        }
        let value = serde_json::from_slice(content).map_err(|error| wrong(explain(&error)))?;
        rows.push(Row {
            line: at + 1,
            value,
        });
    }
    if rows.is_empty() {
        return Err(JsonLinesError::Empty(origin.to_owned()));
    }
    Ok(rows)
}

/// serde_json counts lines too, and here there is only one.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (problem, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
    if error.is_data() {
        problem.to_owned()
    } else {
        format!("is no JSON: {problem} at column {}", error.column())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn rows_know_their_lines() {
        let rows = read_json_lines::<Value>("f", b"{\"a\":1}\r\n\n  2  \n").unwrap();
        let expected = [(1, json!({ "a": 1 })), (3, json!(2))];
        assert_eq!(rows.len(), expected.len());
        for (row, (line, value)) in rows.iter().zip(expected) {
            assert_eq!((row.line, &row.value), (line, &value));
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            (
                &b"1\n{\"a\":\n2"[..],
                "f line 2: is no JSON: EOF while parsing a value at column 5",
            ),
            (
                b"1\n\xff\xfe\n",
                "f line 2: is no JSON: expected value at column 1",
            ),
            (b"\n \n", "f holds no rows"),
        ] {
            let error = read_json_lines::<Value>("f", text).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let error = read_json_lines::<u32>("f", b"1\n\"x\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("f line 2: invalid type: string \"x\""),
            "{error}"
        );
        let long = [b"1\n\"".to_vec(), vec![b'x'; MAX_LINE], b"\"".to_vec()].concat();
        let error = read_json_lines::<Value>("f", &long)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("f line 2: has more than"), "{error}");
        let many = "1\n".repeat(MAX_ROWS + 1);
        let error = read_json_lines::<Value>("f", many.as_bytes()).unwrap_err();
        assert_eq!(error, JsonLinesError::TooMany("f".to_owned()));
    }
}
