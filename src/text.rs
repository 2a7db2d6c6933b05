//! Text from outside (names, reasons, errors, answers of models), made fit to be shown: on one line, of bounded length.

/// The text as one line: control characters escaped, so that two texts stay two; the rest after `max` characters cut.
pub fn escaped(text: &str, max: usize) -> String {
    bounded(text, max, |line, c| line.extend(c.escape_default()))
}

/// The text as one line: control characters, ends of lines among them, are spaces; the rest after `max` characters cut.
pub fn spaced(text: &str, max: usize) -> String {
    bounded(text, max, |line, _| line.push(' '))
}

fn bounded(text: &str, max: usize, control: impl Fn(&mut String, char)) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for (at, c) in text.chars().enumerate() {
        if at == max {
            line.push('…');
            break;
        }
        match c.is_control() {
            true => control(&mut line, c),
            false => line.push(c),
        }
    }
    line
}

/// The text, or as much of its beginning as `max` bytes hold, and an ellipsis.
pub fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_line_and_only_what_is_cut_ends_in_an_ellipsis() {
        assert_eq!(escaped("a\nb\u{1b}c", 10), "a\\nb\\u{1b}c");
        assert_eq!(spaced("a\nb\u{1b}c", 10), "a b c");
        // Two bytes in, one out: nothing is cut.
        assert_eq!(spaced("a\u{85}b", 3), "a b");
        for line in [escaped, spaced] {
            assert_eq!(line("äöü", 3), "äöü");
            assert_eq!(line("äöüß", 3), "äöü…");
        }
    }

    #[test]
    fn is_cut_between_characters() {
        assert_eq!(cut("äöü".to_owned(), 6), "äöü");
        assert_eq!(cut("äöü".to_owned(), 5), "äö…");
        assert_eq!(cut("äöü".to_owned(), 1), "…");
    }
}
