//! One side's answers beside the labels, ready for one metric.

use serde_json::Value;

use super::{
    row::Row,
    truth::{Numbered, class, number},
};
use crate::{
    gates::stats::{Classes, Errors, Ranking},
    model::check::{EvaluateCheck, Metric},
};

/// A model's answers beside the labels, ready for one metric.
pub(super) enum Scored {
    Classes(Classes),
    Ranking(Ranking),
    Errors(Errors),
}

/// One side's answers, for one metric. None if the labels don't fit it.
pub(super) fn scored<'a>(
    check: &EvaluateCheck,
    rows: &[&'a Row],
    metric: Metric,
    answer: impl Fn(&'a Row) -> Option<&'a Value>,
) -> Option<Scored> {
    let positive = match &check.positive {
        Some(value) => class(value)?,
        None => "1".to_owned(),
    };
    let is_positive = |value: &Value| class(value).is_some_and(|class| class == positive);
    let pairs = rows
        .iter()
        .copied()
        .map(|row| Some((&row.label, answer(row)?)));
    match metric {
        Metric::Mae | Metric::Rmse => {
            let numbers: Option<Vec<_>> = pairs
                .map(|pair| {
                    pair.and_then(|(label, answer)| Some((number(label)?, number(answer)?)))
                })
                .collect();
            Some(Scored::Errors(Errors::new(numbers?)))
        }
        Metric::RocAuc => {
            let scores: Option<Vec<_>> = pairs
                .map(|pair| {
                    pair.and_then(|(label, answer)| Some((number(answer)?, is_positive(label))))
                })
                .collect();
            Some(Scored::Ranking(Ranking::new(scores?)?))
        }
        Metric::Accuracy | Metric::Precision | Metric::Recall | Metric::F1 => {
            if let Some(threshold) = check.threshold {
                let binary: Option<Vec<_>> = pairs
                    .map(|pair| {
                        let (label, answer) = pair?;
                        let above = number(answer)? >= threshold;
                        Some((usize::from(is_positive(label)), usize::from(above)))
                    })
                    .collect();
                return Some(Scored::Classes(Classes::new(binary?, Some(1))));
            }
            let mut numbered = Numbered::default();
            let classes: Option<Vec<_>> = pairs
                .map(|pair| {
                    let (label, answer) = pair?;
                    Some((
                        numbered.number(class(label)?),
                        numbered.number(class(answer)?),
                    ))
                })
                .collect();
            // Classes with other names than yes and no, and none said to be the positive one: all count alike.
            let among = match &check.positive {
                Some(_) => Some(numbered.number(positive)),
                None => numbered.find(&positive),
            };
            Some(Scored::Classes(Classes::new(classes?, among)))
        }
    }
}

impl Scored {
    /// The metric of the rows, each as often as it was drawn; None: it is undefined.
    pub(super) fn value(&self, metric: Metric, drawn: &[u32]) -> Option<f64> {
        match (self, metric) {
            (Scored::Classes(it), Metric::Accuracy) => it.accuracy(drawn),
            (Scored::Classes(it), Metric::Precision) => it.precision(drawn),
            (Scored::Classes(it), Metric::Recall) => it.recall(drawn),
            (Scored::Classes(it), _) => it.f1(drawn),
            (Scored::Ranking(it), _) => it.auc(drawn),
            (Scored::Errors(it), Metric::Mae) => it.mae(drawn),
            (Scored::Errors(it), _) => it.rmse(drawn),
        }
    }
}

/// Why a metric may be undefined.
pub(super) fn needed(metric: Metric) -> &'static str {
    match metric {
        Metric::Mae | Metric::Rmse => "the labels are no numbers",
        Metric::RocAuc => "it needs positive and negative labels",
        _ => "no label is positive",
    }
}
