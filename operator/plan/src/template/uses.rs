//! What a template asks of its data, found without evaluating it.

use super::tree::{ArmKind, Base, Command, Node, Operand, Pipeline};
use super::{Fault, Template};

/// A place at which a template uses its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Line, counted from 1.
    pub line: usize,
    /// Character of the line, counted from 1.
    pub column: usize,
    /// The field of the data, the first of a chain; `None` when it is all of the data.
    pub field: Option<String>,
}

impl Template {
    /// Every place at which the data itself is used, in the order in which they stand there. Inside of
    /// `with` and `range` the dot is something else, and only `$` is the data.
    pub fn uses(&self) -> Vec<Use> {
        let mut walk = Walk { found: Vec::new() };
        walk.nodes(&self.nodes, Dot::Data);
        let found = walk.found.into_iter();
        found
            .map(|(offset, field)| {
                let place = Fault::new(offset, "").place(&self.source);
                Use {
                    line: place.line,
                    column: place.column,
                    field,
                }
            })
            .collect()
    }
}

/// What the dot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dot {
    Data,
    Other,
}

struct Walk {
    found: Vec<(usize, Option<String>)>,
}

impl Walk {
    fn nodes(&mut self, nodes: &[Node], dot: Dot) {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipeline) => self.pipeline(pipeline, dot),
                Node::Choice { arms, otherwise } => {
                    for arm in arms {
                        self.pipeline(&arm.pipeline, dot);
                        let inside = match arm.kind {
                            ArmKind::If => dot,
                            ArmKind::With => Dot::Other,
                        };
                        self.nodes(&arm.body, inside);
                    }
                    self.nodes(otherwise, dot);
                }
                Node::Range {
                    pipeline,
                    body,
                    otherwise,
                    ..
                } => {
                    self.pipeline(pipeline, dot);
                    self.nodes(body, Dot::Other);
                    self.nodes(otherwise, dot);
                }
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: Dot) {
        for command in &pipeline.commands {
            match command {
                Command::Value(operand) => self.operand(operand, dot),
                Command::Call { arguments, .. } => {
                    for argument in arguments {
                        self.operand(argument, dot);
                    }
                }
            }
        }
    }

    fn operand(&mut self, operand: &Operand, dot: Dot) {
        let is_data = match &operand.base {
            Base::Dot => dot == Dot::Data,
            // The first variable is `$`, which is the data for as long as nothing else is put there.
            Base::Variable(place, _) => *place == 0,
            Base::Literal(_) => false,
            Base::Pipeline(pipeline) => {
                self.pipeline(pipeline, dot);
                false
            }
        };
        if is_data {
            self.found.push((operand.offset, operand.fields.first().cloned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::template::parse;

    fn fields(source: &str) -> Vec<String> {
        let uses = parse(source).expect("a template").uses();
        uses.into_iter()
            .map(|used| used.field.unwrap_or_else(|| ".".to_owned()))
            .collect()
    }

    #[test]
    fn fields_are_found_wherever_they_stand() {
        for (source, expected) in [
            ("nothing", vec![]),
            ("{{.Title}} {{.Payload.issue.id}}", vec!["Title", "Payload"]),
            (
                "{{if eq .Kind \"PR\"}}{{.Branch}}{{else}}{{.URL}}{{end}}",
                vec!["Kind", "Branch", "URL"],
            ),
            (
                "{{with .Payload}}{{.Title}}{{$.Body}}{{else}}{{.ID}}{{end}}",
                vec!["Payload", "Body", "ID"],
            ),
            (
                "{{range $key, $value := .Payload}}{{.x}}{{$value.y}}{{end}}",
                vec!["Payload"],
            ),
            ("{{printf \"%s\" (index .Payload \"x\")}}", vec!["Payload"]),
            ("{{.}}{{$}}", vec![".", "."]),
            ("{{$all := .}}{{$all.Title}}", vec!["."]),
        ] {
            assert_eq!(fields(source), expected, "{source}");
        }
    }

    #[test]
    fn a_use_has_its_place() {
        let uses = parse("one\n  {{.Title}}").expect("a template").uses();
        assert_eq!((uses[0].line, uses[0].column), (2, 5));
    }
}
