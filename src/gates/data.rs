//! Fetches the rows of a check: from a file, a URL, or the document itself.

use std::{io::Read, path::Path, time::Duration};

use http::{Method, Uri};
use serde::de::DeserializeOwned;

use super::{
    Context,
    client::{Ask, AskError},
    jsonl::{JsonLinesError, Row, read_json_lines},
    outside::FILES,
};
use crate::model::check::{DataSource, TemplateError};

/// The longest data, in bytes: a hundred thousand rows of 640 bytes. It is in memory while the check runs.
pub const MAX_DATA: usize = 64 << 20;

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A row that can't be read, no row, too many.
    #[error(transparent)]
    Rows(#[from] JsonLinesError),
    /// The server has no folder of check data.
    #[error(
        "{0} can't be read: the server has no folder of check data, start it with --check-data DIR, or give a URL"
    )]
    NoFolder(String),
    /// The file can't be read.
    #[error("{file} can't be read: {source}")]
    File {
        /// As declared.
        file: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file leads out of the folder, by a link.
    #[error("{0} leads out of the server's folder of check data")]
    Outside(String),
    /// More than is read.
    #[error("{name} has more than {most} bytes: give a part of it")]
    TooLong {
        /// The file or URL.
        name: String,
        /// The most bytes.
        most: usize,
    },
    /// The URL did not give it.
    #[error("GET {url}: {source}")]
    Ask {
        /// The URL.
        url: String,
        /// Why not.
        #[source]
        source: AskError,
    },
    /// The URL answered something else than 200.
    #[error("GET {url} answered {status}")]
    Status {
        /// The URL.
        url: String,
        /// The answer.
        status: http::StatusCode,
    },
    /// The URL can't be made.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The URL is none.
    #[error("{0} is no URL")]
    Url(String),
}

/// The rows of a source.
///
/// # Errors
/// See [`DataError`]: each is a reason for which the check can't be measured, not a fault of the version.
pub async fn load<T: DeserializeOwned + Send + 'static>(
    source: &DataSource,
    context: &Context,
    timeout: Duration,
) -> Result<Vec<Row<T>>, DataError> {
    match source {
        DataSource::File(file) => {
            let Some(folder) = context.files.clone() else {
                return Err(DataError::NoFolder(file.clone()));
            };
            let file = file.clone();
            // Reading and parsing 64 MiB takes long enough to be kept off the threads that serve proxies.
            let task = FILES.run(move || {
                let text = read_file(&folder, &file, MAX_DATA)?;
                Ok(read_json_lines(&file, &text)?)
            });
            task.await.unwrap_or_else(|error| {
                Err(DataError::File {
                    file: "the file".to_owned(),
                    source: std::io::Error::other(error),
                })
            })
        }
        DataSource::Url(template) => {
            let url = context.render(template)?;
            let target: Uri = url.parse().map_err(|_| DataError::Url(url.clone()))?;
            let ask = Ask {
                max_answer: MAX_DATA,
                follow_redirects: true,
                ..Ask::new(Method::GET, target, timeout)
            };
            let answer = match context.client.ask(ask).await {
                Ok(answer) => answer,
                Err(AskError::TooLong { limit: most }) => {
                    return Err(DataError::TooLong { name: url, most });
                }
                Err(source) => return Err(DataError::Ask { url, source }),
            };
            if answer.status != http::StatusCode::OK {
                let status = answer.status;
                return Err(DataError::Status { url, status });
            }
            Ok(read_json_lines(&url, &answer.body)?)
        }
        DataSource::Rows(rows) => {
            let lines: Vec<_> = rows.iter().map(serde_json::Value::to_string).collect();
            Ok(read_json_lines("rows", lines.join("\n").as_bytes())?)
        }
    }
}

/// A file below the folder, of at most so many bytes.
pub(super) fn read_file(folder: &Path, file: &str, most: usize) -> Result<Vec<u8>, DataError> {
    let wrong = |source| DataError::File {
        file: file.to_owned(),
        source,
    };
    let folder = folder.canonicalize().map_err(wrong)?;
    let path = folder.join(file).canonicalize().map_err(wrong)?;
    if !path.starts_with(&folder) {
        return Err(DataError::Outside(file.to_owned()));
    }
    let opened = std::fs::File::open(path).map_err(wrong)?;
    let mut text = Vec::new();
    let limit = most as u64 + 1;
    opened.take(limit).read_to_end(&mut text).map_err(wrong)?;
    if text.len() > most {
        let name = file.to_owned();
        return Err(DataError::TooLong { name, most });
    }
    Ok(text)
}

#[cfg(test)]
#[path = "data_tests.rs"]
mod tests;
