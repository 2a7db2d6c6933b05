//! A document as a tree that remembers its lines, bounded however the text was written.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Number, Value};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag, options};

use super::super::path::{Path, Step};
use super::scalar::{Meaning, meaning};

/// The longest file that is read, in bytes: what fits one request of the admin API (gRPC's usual limit, 4 MiB).
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

/// The deepest nesting accepted. Envoy's deepest usual configurations have about 30 levels; and serde_json, which
/// reads the stored documents back, stops at 128.
const MAX_DEPTH: usize = 64;

/// The most values of one file, aliases written out: ten thousand services of fifty values each. With
/// [`MAX_BYTES`] it bounds what a small file can be made to unfold to.
const MAX_VALUES: usize = 500_000;

/// The most text in the values of one file, aliases written out: twice the longest file that is read.
const MAX_BYTES: usize = 2 * MAX_TEXT;

/// One value, and the line on which it begins (from 1).
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub line: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Null,
    Bool(bool),
    /// With the text as it was written: `1.10` is a version to some and a number to others.
    Number(Number, Box<str>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One field of a mapping, in the order of the text.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub line: usize,
    pub value: Node,
}

/// Text that is no tree of values.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub line: usize,
    pub problem: String,
}

impl Node {
    /// The field of that name, of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.what {
            What::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// As [`Node::get`].
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.what {
            What::Map(entries) => entries
                .iter_mut()
                .find(|e| e.key == key)
                .map(|e| &mut e.value),
            _ => None,
        }
    }

    /// The line of the value at that path, or of the innermost value on the way that exists.
    pub fn line_of(&self, path: &Path) -> usize {
        let mut at = self;
        for step in &path.0 {
            let next = match (step, &at.what) {
                (Step::Key(key), _) => at.get(key),
                (Step::Index(index), What::List(items)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(node) => at = node,
                None => break,
            }
        }
        at.line
    }

    /// The value without its lines. `nulls`: whether fields that are null are kept, or count as not written.
    pub fn to_value(&self, nulls: bool) -> Value {
        match &self.what {
            What::Null => Value::Null,
            What::Bool(value) => Value::Bool(*value),
            What::Number(number, _) => Value::Number(number.clone()),
            What::Text(text) => Value::String(text.clone()),
            What::List(items) => items.iter().map(|item| item.to_value(nulls)).collect(),
            What::Map(entries) => entries
                .iter()
                .filter(|entry| nulls || !matches!(entry.value.what, What::Null))
                .map(|entry| (entry.key.clone(), entry.value.to_value(nulls)))
                .collect(),
        }
    }

    /// How many values and how many bytes of text it holds.
    fn size(&self) -> (usize, usize) {
        let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
        match &self.what {
            What::Null | What::Bool(_) => (1, 0),
            What::Number(_, text) => (1, text.len()),
            What::Text(text) => (1, text.len()),
            What::List(items) => items.iter().map(Node::size).fold((1, 0), add),
            What::Map(entries) => entries
                .iter()
                .map(|entry| add(entry.value.size(), (0, entry.key.len())))
                .fold((1, 0), add),
        }
    }
}

/// A list or mapping whose end has not come yet.
struct Open {
    node: Node,
    /// The id by which aliases name it; 0: none.
    anchor: usize,
    /// The key that waits for its value, in a mapping.
    key: Option<(String, usize)>,
}

/// Builds the trees of one file from its events.
#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
    bytes: usize,
}

/// Every document of a text, YAML or JSON. Documents without content are left out.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let options = options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| explain(&error, text))?;
        let line = span.start.line().max(1);
        builder.event(event, line)?;
    }
    Ok(builder.documents)
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), SyntaxError> {
        let done = match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                scalar(text.into_owned(), style, tag.as_deref())
                    .and_then(|what| self.complete(Node { line, what }, anchor))
            }
            Event::SequenceStart(_, anchor, tag) => check_tag(tag.as_deref(), "seq")
                .and_then(|()| self.begin(What::List(Vec::new()), anchor, line)),
            Event::MappingStart(_, anchor, tag) => check_tag(tag.as_deref(), "map")
                .and_then(|()| self.begin(What::Map(Vec::new()), anchor, line)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    if let What::Map(entries) = &open.node.what {
                        refuse_duplicates(entries)?;
                    }
                    self.complete(open.node, open.anchor)
                }
                None => Err("something ends here that did not begin".to_owned()),
            },
            Event::Alias(anchor) => self.alias(anchor),
            _ => Ok(()),
        };
        done.map_err(|problem| SyntaxError { line, problem })
    }

    fn alias(&mut self, anchor: usize) -> Result<(), String> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err("this alias stands inside what it refers to".to_owned());
        };
        let (values, bytes) = node.size();
        // Charged before it is copied: that is what makes a "billion laughs" file harmless.
        charge(&mut self.values, &mut self.bytes, values, bytes)?;
        let copy = node.clone();
        self.place(copy)
    }

    fn begin(&mut self, what: What, anchor: usize, line: usize) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} levels deep"));
        }
        if self.expects_key() {
            return Err("a key must be text, not a list or mapping".to_owned());
        }
        self.open.push(Open {
            node: Node { line, what },
            anchor,
            key: None,
        });
        Ok(())
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.node.what, What::Map(_)) && open.key.is_none())
    }

    /// A value that was read to its end.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        let own_bytes = match &node.what {
            What::Text(text) => text.len(),
            What::Number(_, text) => text.len(),
            _ => 0,
        };
        charge(&mut self.values, &mut self.bytes, 1, own_bytes)?;
        if anchor > 0 {
            let (values, bytes) = node.size();
            charge(&mut self.values, &mut self.bytes, values, bytes)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node)
    }

    /// Puts a value where it belongs: into the innermost list or mapping, or among the documents.
    fn place(&mut self, node: Node) -> Result<(), String> {
        let Some(open) = self.open.last_mut() else {
            if !matches!(node.what, What::Null) {
                self.documents.push(node);
            }
            return Ok(());
        };
        match (&mut open.node.what, open.key.take()) {
            (What::List(items), _) => items.push(node),
            (What::Map(entries), Some((key, line))) => entries.push(Entry {
                key,
                line,
                value: node,
            }),
            (_, _) => {
                let key = match node.what {
                    What::Text(text) => text,
                    What::Number(_, text) => text.into(),
                    What::Bool(value) => value.to_string(),
                    _ => return Err("a key must be text".to_owned()),
                };
                open.key = Some((key, node.line));
            }
        }
        Ok(())
    }
}

fn charge(
    values: &mut usize,
    bytes: &mut usize,
    more_values: usize,
    more_bytes: usize,
) -> Result<(), String> {
    *values = values.saturating_add(more_values);
    *bytes = bytes.saturating_add(more_bytes);
    if *values > MAX_VALUES {
        return Err(format!(
            "more than {MAX_VALUES} values up to here, aliases written out: split the file"
        ));
    }
    if *bytes > MAX_BYTES {
        return Err(format!(
            "more than {MAX_BYTES} bytes of text up to here, aliases written out: split the file"
        ));
    }
    Ok(())
}

/// Checked once a mapping is complete, so that a mapping of n fields costs n log n.
fn refuse_duplicates(entries: &[Entry]) -> Result<(), SyntaxError> {
    let mut seen = BTreeMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(entry.key.as_str(), entry.line) {
            return Err(SyntaxError {
                line: entry.line,
                problem: format!(
                    "the field {:?} stands on line {first} too: keep one",
                    entry.key
                ),
            });
        }
    }
    Ok(())
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Result<What, String> {
    check_tag(tag, "str")?;
    if tag.is_some() || style != ScalarStyle::Plain {
        return Ok(What::Text(text));
    }
    Ok(match meaning(&text) {
        Meaning::Null => What::Null,
        Meaning::Bool(value) => What::Bool(value),
        Meaning::Number(number) => What::Number(number, text.into()),
        Meaning::Text => What::Text(text),
    })
}

/// Tags say nothing that a bluegreen document needs; those that only repeat what stands there are let pass.
fn check_tag(tag: Option<&Tag>, known: &str) -> Result<(), String> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(known) => Err(format!(
            "the tag {} is not supported here: remove it",
            tag.original()
        )),
        _ => Ok(()),
    }
}

/// The parser's own words, and advice for the mistakes that people make most.
fn explain(error: &ScanError, text: &str) -> SyntaxError {
    let line = error.marker().line().max(1);
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let indent = &source[..source.len() - source.trim_start().len()];
    let advice = if indent.contains('\t') {
        ": indent with spaces, YAML allows no tabs there"
    } else {
        ""
    };
    SyntaxError {
        line,
        problem: format!("not valid YAML or JSON: {}{advice}", error.info()),
    }
}
