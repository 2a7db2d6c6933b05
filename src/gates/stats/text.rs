//! How alike two texts are: ROUGE-L by their words, cosine by their embeddings.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

/// Texts are compared by their first words, so many: with all of two long answers it would take a minute.
const MAX_WORDS: usize = 5_000;

/// ROUGE-L (F-measure), 0 to 1: the longest run of words that both have in the same order, gaps allowed, against the length
/// of both. Case and punctuation do not count. 1 if neither has words, 0 if one has none.
#[must_use]
pub fn rouge_l(one: &str, other: &str) -> f64 {
    let mut numbers = HashMap::new();
    let one = words(one, &mut numbers);
    let other = words(other, &mut numbers);
    if one.is_empty() && other.is_empty() {
        return 1.0;
    }
    2.0 * longest_common(&one, &other) as f64 / (one.len() + other.len()) as f64
}

/// The words as numbers, the same for the same word: numbers compare fast.
fn words(text: &str, numbers: &mut HashMap<String, u32>) -> Vec<u32> {
    text.unicode_words()
        .take(MAX_WORDS)
        .map(|word| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(word.to_lowercase()).or_insert(next)
        })
        .collect()
}

/// The length of the longest common subsequence.
fn longest_common(one: &[u32], other: &[u32]) -> usize {
    let mut row = vec![0; other.len() + 1];
    for word in one {
        let mut diagonal = 0;
        for (column, candidate) in other.iter().enumerate() {
            let above = row[column + 1];
            row[column + 1] = if word == candidate {
                diagonal + 1
            } else {
                above.max(row[column])
            };
            diagonal = above;
        }
    }
    row[other.len()]
}

/// The cosine of the angle between two vectors, -1 to 1. None if their lengths differ, or one has no direction.
#[must_use]
pub fn cosine(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() {
        return None;
    }
    let product: f64 = one.iter().zip(other).map(|(a, b)| a * b).sum();
    let length = |of: &[f64]| of.iter().map(|value| value * value).sum::<f64>().sqrt();
    let lengths = length(one) * length(other);
    (lengths > 0.0 && lengths.is_finite()).then(|| (product / lengths).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_counts_and_case_and_punctuation_do_not() {
        assert_eq!(rouge_l("The card was stolen.", "the card, was STOLEN"), 1.0);
        assert_eq!(rouge_l("a b c d", "d c b a"), 0.25);
        assert_eq!(rouge_l("the cat sat", "the dog sat down"), 4.0 / 7.0);
        assert_eq!(rouge_l("", "!"), 1.0);
        assert_eq!(rouge_l("", "word"), 0.0);
        assert_eq!(rouge_l("Straße überall", "straße ÜBERALL"), 1.0);
    }

    #[test]
    fn directions_are_compared_not_lengths() {
        assert_eq!(cosine(&[1.0, 0.0], &[5.0, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(cosine(&[0.0], &[1.0]), None);
    }
}
