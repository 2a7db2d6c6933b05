//! Conditions: expressions in CEL (Common Expression Language) over what a check measured.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

use cel::{Context, ExecutionError, Program, Value};

use super::super::path::quoted;
use crate::text::escaped;

/// The longest expression, in bytes: CEL's time grows with the expression, and nothing longer is readable.
const MAX_EXPRESSION: usize = 2 * 1024;

/// The deepest nesting of brackets: the parser works by recursion, and must not exhaust its stack.
const MAX_NESTING: usize = 32;

/// The longest problem, in characters.
const MAX_PROBLEM: usize = 300;

/// A function beside CEL's own.
const IS_NAN: &str = "isNaN";

/// A condition that can't be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExpressionError {
    /// No CEL.
    #[error("{text} is no CEL expression: {problem}")]
    Syntax {
        /// The expression.
        text: String,
        /// What the parser says.
        problem: String,
    },
    /// It could not be computed from what was measured.
    #[error("{text} can't be computed: {problem}")]
    Evaluation {
        /// The expression.
        text: String,
        /// Why not.
        problem: String,
    },
    /// It is a number or a text, not a condition.
    #[error("{text} is {found}, not true or false: compare it, e.g. result[0] >= 0.95")]
    NotBoolean {
        /// The expression.
        text: String,
        /// What it is.
        found: String,
    },
}

/// What a condition is about: measured numbers, also those that JSON can't hold (infinities, NaN).
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// Several.
    List(Vec<Operand>),
    /// By name.
    Map(BTreeMap<String, Operand>),
}

/// A condition that was read.
pub struct Expression {
    text: String,
    program: Program,
}

impl Expression {
    /// Reads a condition.
    ///
    /// # Errors
    /// If it is no CEL, or too long or too deep to be one that a person wrote.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let syntax = |problem: String| ExpressionError::Syntax {
            text: quoted(text, 80),
            problem: escaped(&problem, MAX_PROBLEM),
        };
        if text.len() > MAX_EXPRESSION {
            return Err(syntax(format!("it has more than {MAX_EXPRESSION} bytes")));
        }
        if nesting(text) > MAX_NESTING {
            return Err(syntax(format!(
                "it has more than {MAX_NESTING} brackets in each other"
            )));
        }
        // A parser that fails on an input of the user must not take the server's task with it.
        let parsed = catch_unwind(AssertUnwindSafe(|| Program::compile(text)));
        let program = match parsed {
            Ok(Ok(program)) => program,
            Ok(Err(error)) => return Err(syntax(error.to_string())),
            Err(_) => return Err(syntax("the parser gave up".to_owned())),
        };
        Ok(Self {
            text: text.to_owned(),
            program,
        })
    }

    /// Whether it is about other things than these variables. One that is about nothing, as `false`, is a constant.
    pub fn is_about_others_than(&self, variables: &[&str]) -> bool {
        let references = self.program.references();
        let is_about = |name: &&str| references.has_variable(name);
        !references.variables().is_empty() && !variables.iter().any(is_about)
    }

    /// Whether it says itself what NaN means.
    pub fn knows_nan(&self) -> bool {
        self.program.references().has_function(IS_NAN)
    }

    /// Whether it holds for these variables. `isNaN(NUMBER)` is known beside CEL's own functions.
    ///
    /// # Errors
    /// If it names an unknown variable, goes beyond the end of a list, or is not a condition.
    pub fn holds(&self, variables: &[(&str, Operand)]) -> Result<bool, ExpressionError> {
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.evaluate(variables)));
        let problem = match evaluated {
            Ok(Ok(Value::Bool(holds))) => return Ok(holds),
            Ok(Ok(other)) => {
                return Err(ExpressionError::NotBoolean {
                    text: quoted(&self.text, 80),
                    found: format!("a {}", other.type_of()),
                });
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the interpreter gave up".to_owned(),
        };
        Err(ExpressionError::Evaluation {
            text: quoted(&self.text, 80),
            problem: escaped(&problem, MAX_PROBLEM),
        })
    }

    fn evaluate(&self, variables: &[(&str, Operand)]) -> Result<Value, ExecutionError> {
        let mut context = Context::default();
        context
            .add_function(IS_NAN, |number: f64| number.is_nan())
            .map_err(|error| ExecutionError::function_error(IS_NAN, error))?;
        for (name, value) in variables {
            context.add_variable_from_value(*name, to_cel(value));
        }
        self.program.execute(&context)
    }
}

/// Every number is a double, so that `result > 1` and `result > 1.0` mean the same whether or not a measured number
/// happens to be whole.
fn to_cel(operand: &Operand) -> Value {
    match operand {
        Operand::Number(number) => Value::Float(*number),
        Operand::List(items) => Value::List(items.iter().map(to_cel).collect::<Vec<_>>().into()),
        Operand::Map(fields) => {
            let fields: HashMap<String, Value> = fields
                .iter()
                .map(|(key, value)| (key.clone(), to_cel(value)))
                .collect();
            fields.into()
        }
    }
}

fn nesting(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(numbers: &[f64]) -> Operand {
        Operand::List(numbers.iter().copied().map(Operand::Number).collect())
    }

    fn holds(text: &str, result: Operand) -> Result<bool, String> {
        let expression = Expression::parse(text).map_err(|error| error.to_string())?;
        expression
            .holds(&[("result", result)])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_are_computed() {
        let nested = Operand::Map(BTreeMap::from([(
            "metrics".to_owned(),
            Operand::Map(BTreeMap::from([(
                "score".to_owned(),
                Operand::Number(0.75),
            )])),
        )]));
        for (text, result, expected) in [
            ("result[0] >= 0.95", numbers(&[0.97]), true),
            ("result[0] >= 0.95", numbers(&[0.9]), false),
            ("result < 5", Operand::Number(4.5), true),
            ("result < 5", Operand::Number(4.0), true),
            ("result > 5", Operand::Number(f64::INFINITY), true),
            (
                "size(result) == 2 && result.all(x, x > 0)",
                numbers(&[1.0, 2.0]),
                true,
            ),
            ("result.metrics.score > 0.5", nested, true),
            ("isNaN(result)", Operand::Number(1.5), false),
            ("isNaN(result)", Operand::Number(f64::NAN), true),
        ] {
            assert_eq!(holds(text, result), Ok(expected), "{text}");
        }
    }

    #[test]
    fn constants_are_about_nothing_and_so_about_nothing_unknown() {
        for (text, expected) in [
            ("rslt[0] > 1", true),
            ("rslt.all(x, x > 0)", true),
            ("result.all(x, x > 0)", false),
            ("false", false),
            ("1 > 2", false),
        ] {
            let condition = Expression::parse(text).unwrap();
            assert_eq!(
                condition.is_about_others_than(&["result"]),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_can_not_be_computed_says_why() {
        for (text, expected) in [
            ("result >", "is no CEL expression"),
            ("result[5] > 1", "can't be computed"),
            ("nothing > 1", "can't be computed"),
            ("size(result)", "not true or false"),
        ] {
            let error = holds(text, numbers(&[1.0])).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(holds(&deep, numbers(&[])).is_err());
        let long = format!("result > {}", "1".repeat(5_000));
        assert!(holds(&long, numbers(&[])).is_err());
    }

    proptest! {
        #[test]
        fn no_text_brings_it_down(text in "[-+*/!<>=&|?:.,()\\[\\]{}\"'a-z0-9 ]{0,60}") {
            let _ = holds(&text, numbers(&[1.5]));
        }
    }
}
