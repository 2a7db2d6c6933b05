//! Labels and predictions as they come in JSON, made comparable: classes, positives, numbers.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value as the name of a class. Model servers answer 1 where the label says true, or 1.0 where it says "1": these are
/// one class.
pub(super) fn class(value: &Value) -> Option<String> {
    match value {
        Value::Bool(yes) => Some(u8::from(*yes).to_string()),
        Value::String(text) => Some(match text.as_str() {
            "true" => "1".to_owned(),
            "false" => "0".to_owned(),
            text => text.to_owned(),
        }),
        // `1.0` is written `1`.
        Value::Number(number) => number.as_f64().map(|number| number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as a number: itself, what a text says, or 0 and 1 for false and true.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// The classes that occur, numbered.
#[derive(Debug, Default)]
pub(super) struct Numbered(BTreeMap<String, usize>);

impl Numbered {
    /// The number of a class; a new one if it is new.
    pub(super) fn number(&mut self, class: String) -> usize {
        let next = self.0.len();
        *self.0.entry(class).or_insert(next)
    }

    /// The number of a class that occurs.
    pub(super) fn find(&self, class: &str) -> Option<usize> {
        self.0.get(class).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_class_however_it_is_written() {
        for value in [json!(true), json!(1), json!(1.0), json!("1"), json!("true")] {
            assert_eq!(class(&value).as_deref(), Some("1"), "{value}");
        }
        assert_eq!(class(&json!("decline")).as_deref(), Some("decline"));
        assert_eq!(class(&json!(0.5)).as_deref(), Some("0.5"));
        assert_eq!(class(&json!([1])), None);
        assert_eq!(class(&json!(null)), None);
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(&json!(" 0.75 ")), Some(0.75));
        assert_eq!(number(&json!(true)), Some(1.0));
        assert_eq!(number(&json!("NaN")), None);
        assert_eq!(number(&json!("decline")), None);
        assert_eq!(number(&json!({})), None);
    }
}
