//! The functions of templates.

use std::cmp::Ordering;

use serde_json::Value;

use super::format;
use super::run::{Budget, Item};
use super::{Fault, MAX_OUTPUT_BYTES};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Or,
    Not,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Index,
    Length,
    Print,
    Printf,
    Println,
}

const FUNCTIONS: &[(&str, Function)] = &[
    ("and", Function::And),
    ("or", Function::Or),
    ("not", Function::Not),
    ("eq", Function::Equal),
    ("ne", Function::NotEqual),
    ("lt", Function::Less),
    ("le", Function::LessOrEqual),
    ("gt", Function::Greater),
    ("ge", Function::GreaterOrEqual),
    ("index", Function::Index),
    ("len", Function::Length),
    ("print", Function::Print),
    ("printf", Function::Printf),
    ("println", Function::Println),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut functions = FUNCTIONS.iter();
        functions
            .find(|(known, _)| *known == name)
            .map(|(_, function)| *function)
    }

    fn name(self) -> &'static str {
        let mut functions = FUNCTIONS.iter();
        functions
            .find(|(_, function)| *function == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether the arguments after this one are not to be evaluated.
    pub(super) fn is_decided_by(self, argument: &Item<'_>) -> bool {
        match self {
            Self::And => !argument.is_true(),
            Self::Or => argument.is_true(),
            _ => false,
        }
    }
}

/// Calls a function.
pub(super) fn call<'a>(
    function: Function,
    arguments: Vec<Item<'a>>,
    budget: &mut Budget,
    offset: usize,
) -> Result<Item<'a>, Fault> {
    let count = arguments.len();
    let needs = |wanted: &str| {
        let name = function.name();
        Fault::new(offset, format!("`{name}` needs {wanted}, and was given {count}"))
    };
    match function {
        // Those that decide come last: the others have been passed over.
        Function::And | Function::Or => {
            let decided = arguments
                .iter()
                .position(|argument| function.is_decided_by(argument))
                .unwrap_or(count.saturating_sub(1));
            arguments
                .into_iter()
                .nth(decided)
                .ok_or_else(|| needs("1 argument or more"))
        }
        Function::Not => match arguments.as_slice() {
            [only] => Ok(Item::made(!only.is_true())),
            _ => Err(needs("1 argument")),
        },
        Function::Equal => match arguments.split_first() {
            Some((first, others)) if !others.is_empty() => {
                for other in others {
                    if equal(first, other, budget, offset)? {
                        return Ok(Item::made(true));
                    }
                }
                Ok(Item::made(false))
            }
            _ => Err(needs("2 arguments or more")),
        },
        Function::NotEqual => match arguments.as_slice() {
            [left, right] => Ok(Item::made(!equal(left, right, budget, offset)?)),
            _ => Err(needs("2 arguments")),
        },
        Function::Less | Function::LessOrEqual | Function::Greater | Function::GreaterOrEqual => {
            let [left, right] = arguments.as_slice() else {
                return Err(needs("2 arguments"));
            };
            let ordering = compare(left.present(offset)?, right.present(offset)?, budget, offset)?;
            Ok(Item::made(match function {
                Function::Less => ordering.is_lt(),
                Function::LessOrEqual => ordering.is_le(),
                Function::Greater => ordering.is_gt(),
                _ => ordering.is_ge(),
            }))
        }
        Function::Index => index(arguments, offset).ok_or_else(|| needs("1 argument or more"))?,
        Function::Length => match arguments.as_slice() {
            [only] => length(only.present(offset)?, offset).map(Item::made),
            _ => Err(needs("1 argument")),
        },
        Function::Print | Function::Println | Function::Printf => {
            print(function, &arguments, budget, offset).map(Item::made)
        }
    }
}

/// Whether two values are the same. Numbers are compared by value, and nothing is equal to nothing.
fn equal(left: &Item<'_>, right: &Item<'_>, budget: &mut Budget, offset: usize) -> Result<bool, Fault> {
    let null = &Value::Null;
    let (left, right) = (left.value().unwrap_or(null), right.value().unwrap_or(null));
    match (left, right) {
        (Value::Null, other) | (other, Value::Null) => Ok(other.is_null()),
        (Value::Bool(left), Value::Bool(right)) => Ok(left == right),
        _ => Ok(compare(left, right, budget, offset)?.is_eq()),
    }
}

fn compare(left: &Value, right: &Value, budget: &mut Budget, offset: usize) -> Result<Ordering, Fault> {
    let different = || {
        let (left, right) = (format::kind(left), format::kind(right));
        Fault::new(offset, format!("{left} cannot be compared with {right}"))
    };
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            budget.spend(left.len().min(right.len()), offset)?;
            Ok(left.cmp(right))
        }
        (Value::Number(first), Value::Number(second)) => match (first.as_i64(), second.as_i64()) {
            (Some(first), Some(second)) => Ok(first.cmp(&second)),
            _ => first
                .as_f64()
                .zip(second.as_f64())
                .and_then(|(first, second)| first.partial_cmp(&second))
                .ok_or_else(different),
        },
        _ => Err(different()),
    }
}

/// Goes down from the first argument by the others. What a map does not have is missing only when
/// it is the last that was asked for.
fn index(arguments: Vec<Item<'_>>, offset: usize) -> Option<Result<Item<'_>, Fault>> {
    let mut arguments = arguments.into_iter();
    let mut item = arguments.next()?;
    for key in arguments {
        item = match element(&item, &key, offset) {
            Ok(item) => item,
            Err(fault) => return Some(Err(fault)),
        };
    }
    Some(Ok(item))
}

fn element<'a>(item: &Item<'a>, key: &Item<'a>, offset: usize) -> Result<Item<'a>, Fault> {
    let fault = |message: String| Err(Fault::new(offset, message));
    let name = key.present(offset)?;
    match item {
        Item::Missing(missing) => fault(format!("there is no `{missing}`")),
        Item::Given(Value::Object(map)) => match name {
            Value::String(name) => Ok(map
                .get(name)
                .map_or_else(|| Item::Missing(name.as_str().into()), Item::Given)),
            other => fault(format!("a map has no {} for a key", format::kind(other))),
        },
        Item::Given(Value::Array(list)) => {
            let place = name.as_u64().and_then(|place| usize::try_from(place).ok());
            match place.and_then(|place| list.get(place)) {
                Some(value) => Ok(Item::Given(value)),
                None => fault(format!("a list of {} has no element {name}", list.len())),
            }
        }
        other => {
            let kind = other.value().map_or("nothing", format::kind);
            fault(format!("`index` cannot look into {kind}"))
        }
    }
}

fn length(value: &Value, offset: usize) -> Result<usize, Fault> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(list) => Ok(list.len()),
        Value::Object(map) => Ok(map.len()),
        other => Err(Fault::new(
            offset,
            format!("{} has no length", format::kind(other)),
        )),
    }
}

fn print(
    function: Function,
    arguments: &[Item<'_>],
    budget: &mut Budget,
    offset: usize,
) -> Result<String, Fault> {
    let values: Vec<&Value> = arguments
        .iter()
        .map(|argument| argument.present(offset))
        .collect::<Result<_, _>>()?;
    let text = match (function, values.split_first()) {
        (Function::Printf, Some((Value::String(pattern), values))) => {
            format::printf(pattern, values, MAX_OUTPUT_BYTES)
                .map_err(|message| Fault::new(offset, message))?
        }
        (Function::Printf, _) => {
            return Err(Fault::new(offset, "`printf` needs a string that says how"));
        }
        (Function::Println, _) => format::println(&values, MAX_OUTPUT_BYTES),
        _ => format::print(&values, MAX_OUTPUT_BYTES),
    };
    budget.spend(text.len(), offset)?;
    if text.len() >= MAX_OUTPUT_BYTES {
        let message = format!("a value of more than {MAX_OUTPUT_BYTES} bytes");
        return Err(Fault::new(offset, message));
    }
    Ok(text)
}
