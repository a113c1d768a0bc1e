//! A template as a tree.

use serde_json::Value;

use super::functions::Function;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// A pipeline whose value is written, unless it is kept in a variable.
    Action(Pipeline),
    /// `if` and `with`: the first arm whose pipeline is not empty.
    Choice {
        arms: Vec<Arm>,
        otherwise: Vec<Node>,
    },
    Range {
        pipeline: Pipeline,
        variables: RangeVariables,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
}

/// One arm of a choice.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arm {
    pub(super) kind: ArmKind,
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArmKind {
    /// The dot stays as it is.
    If,
    /// The dot becomes the pipeline's value.
    With,
}

/// The variables that a `range` declares: as many as it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeVariables {
    None,
    Value,
    KeyAndValue,
}

/// Commands of which each gets the value of the one before as its last argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    pub(super) offset: usize,
    pub(super) target: Target,
    pub(super) commands: Vec<Command>,
}

/// What becomes of a pipeline's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Output,
    /// A variable that is made, on top of those that there are.
    Declare,
    /// The variable with this place on the stack.
    Assign(usize),
}

/// A value, or a function with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Value(Operand),
    Call {
        offset: usize,
        function: Function,
        arguments: Vec<Operand>,
    },
}

/// A value with the fields that are asked of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) offset: usize,
    pub(super) base: Base,
    pub(super) fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Dot,
    /// The variable with this place on the stack; the name is for messages.
    Variable(usize, String),
    Literal(Value),
    Pipeline(Box<Pipeline>),
}
