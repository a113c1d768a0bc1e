//! Templates as people know them from Go's `text/template`: the part of it that manifests use.
//!
//! It has fields and chains of them, variables, pipes, parentheses, `if`, `else if`, `with`,
//! `range` over lists, maps and counts, `break` and `continue`, trim markers, comments, all forms of
//! literals, and the functions `and or not eq ne lt le gt ge index len print printf println`.
//! `define`, `template` and `block` are refused.
//!
//! It differs from Go where Go lets an error pass: a field that is not there, and a value that
//! `index` did not find and that is written out, are errors that name it. A value that `index` did
//! not find may be asked for, by `if`, `with`, `and`, `or`, `not` and `eq`.
//!
//! Whatever the template, evaluating it ends soon: what it may nest, write and work is bounded.

mod format;
mod functions;
mod lex;
mod parse;
mod run;
mod tree;
mod uses;

pub use serde_json::Value;
pub use uses::Use;

/// Bytes that a template may write.
pub const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// How deep blocks and parentheses may be nested.
const MAX_DEPTH: usize = 100;
/// Steps that an evaluation may take; each byte that is written, formatted or compared is one.
const MAX_WORK: usize = 1 << 22;

/// A template that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    nodes: Vec<tree::Node>,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Line, counted from 1.
    pub line: usize,
    /// Character of the line, counted from 1.
    pub column: usize,
    /// What is wrong: a fragment without a full stop.
    pub message: String,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            line,
            column,
            message,
        } = self;
        write!(formatter, "line {line}, column {column}: {message}")
    }
}

impl std::error::Error for TemplateError {}

/// Something wrong at an offset of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    offset: usize,
    message: String,
}

impl Fault {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }

    fn place(self, source: &str) -> TemplateError {
        let before = source.get(..self.offset).unwrap_or(source);
        let line = before.rsplit('\n').next().unwrap_or_default();
        TemplateError {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message: self.message,
        }
    }
}

/// Reads a template.
///
/// # Errors
/// When it is not well formed, or names a function or variable that does not exist.
pub fn parse(source: &str) -> Result<Template, TemplateError> {
    let nodes = lex::lex(source).and_then(parse::parse);
    Ok(Template {
        nodes: nodes.map_err(|fault| fault.place(source))?,
        source: source.to_owned(),
    })
}

/// Reads a template and evaluates it for `data`, which is its dot.
///
/// # Errors
/// As [`parse`] and [`Template::render`].
pub fn render(source: &str, data: &Value) -> Result<String, TemplateError> {
    parse(source)?.render(data)
}

impl Template {
    /// Evaluates the template for `data`, which is its dot.
    ///
    /// # Errors
    /// When it asks for what is not in `data`, does with a value what cannot be done with it, or
    /// writes or works more than is allowed.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        run::run(&self.nodes, data).map_err(|fault| fault.place(&self.source))
    }
}
