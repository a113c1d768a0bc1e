//! Evaluates a template.

use std::rc::Rc;

use serde_json::Value;

use super::format;
use super::functions;
use super::tree::{Arm, ArmKind, Base, Command, Node, Operand, Pipeline, RangeVariables, Target};
use super::{Fault, MAX_OUTPUT_BYTES, MAX_WORK};

/// A value during the evaluation.
#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    /// Of the data or the template.
    Given(&'a Value),
    /// Made by a function.
    Made(Rc<Value>),
    /// What `index` did not find: what it asked for.
    Missing(Rc<str>),
}

impl Item<'_> {
    pub(super) fn made(value: impl Into<Value>) -> Self {
        Self::Made(Rc::new(value.into()))
    }

    /// The value; `None` when there is none.
    pub(super) fn value(&self) -> Option<&Value> {
        match self {
            Self::Given(value) => Some(value),
            Self::Made(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// The value, which must be there.
    pub(super) fn present(&self, offset: usize) -> Result<&Value, Fault> {
        match self {
            Self::Given(value) => Ok(value),
            Self::Made(value) => Ok(value),
            Self::Missing(name) => Err(Fault::new(offset, format!("there is no `{name}`"))),
        }
    }

    /// Whether it is neither empty, nor zero, nor false, nor absent.
    pub(super) fn is_true(&self) -> bool {
        match self.value() {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
        }
    }
}

/// What an evaluation may do yet.
#[derive(Debug)]
pub(super) struct Budget {
    work: usize,
}

impl Budget {
    /// Takes `steps` off.
    pub(super) fn spend(&mut self, steps: usize, offset: usize) -> Result<(), Fault> {
        match self.work.checked_sub(steps) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Err(Fault::new(offset, "the template takes too long")),
        }
    }
}

/// Evaluates a template for `data`.
pub(super) fn run(nodes: &[Node], data: &Value) -> Result<String, Fault> {
    let dot = Item::Given(data);
    let mut run = Run {
        output: String::new(),
        variables: vec![dot.clone()],
        budget: Budget { work: MAX_WORK },
    };
    run.nodes(nodes, &dot)?;
    Ok(run.output)
}

struct Run<'a> {
    output: String,
    /// In the places that the parser gave them.
    variables: Vec<Item<'a>>,
    budget: Budget,
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &'a [Node], dot: &Item<'a>) -> Result<Flow, Fault> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.write(text, 0)?;
                    Flow::Next
                }
                Node::Action(pipeline) => {
                    self.action(pipeline, dot)?;
                    Flow::Next
                }
                Node::Choice { arms, otherwise } => self.choice(arms, otherwise, dot)?,
                Node::Range {
                    pipeline,
                    variables,
                    body,
                    otherwise,
                } => self.range(pipeline, *variables, (body, otherwise), dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// Evaluates nodes whose variables are theirs alone.
    fn body(&mut self, nodes: &'a [Node], dot: &Item<'a>) -> Result<Flow, Fault> {
        let variables = self.variables.len();
        let flow = self.nodes(nodes, dot);
        self.variables.truncate(variables);
        flow
    }

    fn write(&mut self, text: &str, offset: usize) -> Result<(), Fault> {
        self.budget.spend(text.len(), offset)?;
        if self.output.len() + text.len() > MAX_OUTPUT_BYTES {
            let message = format!("the template writes more than {MAX_OUTPUT_BYTES} bytes");
            return Err(Fault::new(offset, message));
        }
        self.output.push_str(text);
        Ok(())
    }

    fn action(&mut self, pipeline: &'a Pipeline, dot: &Item<'a>) -> Result<(), Fault> {
        let item = self.pipeline(pipeline, dot)?;
        if pipeline.target != Target::Output {
            return Ok(());
        }
        match item.present(pipeline.offset)? {
            Value::String(text) => self.write(text, pipeline.offset),
            Value::Null => self.write("<no value>", pipeline.offset),
            other => {
                let text = format::plain(other, MAX_OUTPUT_BYTES);
                self.write(&text, pipeline.offset)
            }
        }
    }

    fn choice(&mut self, arms: &'a [Arm], otherwise: &'a [Node], dot: &Item<'a>) -> Result<Flow, Fault> {
        let variables = self.variables.len();
        let mut chosen = (otherwise, dot.clone());
        for arm in arms {
            let item = self.pipeline(&arm.pipeline, dot)?;
            if item.is_true() {
                let dot = match arm.kind {
                    ArmKind::If => dot.clone(),
                    ArmKind::With => item,
                };
                chosen = (&arm.body, dot);
                break;
            }
        }
        let flow = self.body(chosen.0, &chosen.1);
        self.variables.truncate(variables);
        flow
    }

    fn range(
        &mut self,
        pipeline: &'a Pipeline,
        variables: RangeVariables,
        (body, otherwise): (&'a [Node], &'a [Node]),
        dot: &Item<'a>,
    ) -> Result<Flow, Fault> {
        let outside = self.variables.len();
        let item = self.undeclared(pipeline, dot)?;
        if let Item::Given(Value::Object(map)) = &item {
            self.budget.spend(map.len(), pipeline.offset)?;
        }
        let mut entries = Entries::of(&item, pipeline.offset)?.peekable();
        if entries.peek().is_none() {
            return self.body(otherwise, dot);
        }
        for (key, value) in entries {
            self.budget.spend(1, pipeline.offset)?;
            match variables {
                RangeVariables::None => {}
                RangeVariables::Value => self.variables.push(value.clone()),
                RangeVariables::KeyAndValue => self.variables.extend([key, value.clone()]),
            }
            let flow = self.body(body, &value)?;
            self.variables.truncate(outside);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Next)
    }

    /// The value of a pipeline, which is kept where it says.
    fn pipeline(&mut self, pipeline: &'a Pipeline, dot: &Item<'a>) -> Result<Item<'a>, Fault> {
        let item = self.undeclared(pipeline, dot)?;
        match pipeline.target {
            Target::Output => {}
            Target::Declare => self.variables.push(item.clone()),
            Target::Assign(place) => {
                if let Some(variable) = self.variables.get_mut(place) {
                    *variable = item.clone();
                }
            }
        }
        Ok(item)
    }

    fn undeclared(&mut self, pipeline: &'a Pipeline, dot: &Item<'a>) -> Result<Item<'a>, Fault> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, last, dot)?);
        }
        last.ok_or_else(|| Fault::new(pipeline.offset, "a value is missing here"))
    }

    fn command(
        &mut self,
        command: &'a Command,
        piped: Option<Item<'a>>,
        dot: &Item<'a>,
    ) -> Result<Item<'a>, Fault> {
        match command {
            Command::Value(operand) => self.operand(operand, dot),
            Command::Call {
                offset,
                function,
                arguments,
            } => {
                self.budget.spend(1, *offset)?;
                let mut items = Vec::new();
                for argument in arguments {
                    let item = self.operand(argument, dot)?;
                    let decides = function.is_decided_by(&item);
                    items.push(item);
                    if decides {
                        return functions::call(*function, items, &mut self.budget, *offset);
                    }
                }
                items.extend(piped);
                functions::call(*function, items, &mut self.budget, *offset)
            }
        }
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Item<'a>) -> Result<Item<'a>, Fault> {
        self.budget.spend(1 + operand.fields.len(), operand.offset)?;
        let mut item = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Variable(place, name) => self.variables.get(*place).cloned().ok_or_else(|| {
                Fault::new(
                    operand.offset,
                    format!("the variable `${name}` has no value here"),
                )
            })?,
            Base::Literal(value) => Item::Given(value),
            Base::Pipeline(pipeline) => self.undeclared(pipeline, dot)?,
        };
        for index in 0..operand.fields.len() {
            item = field(&item, operand, index)?;
        }
        Ok(item)
    }
}

/// The value of a field. Lists and maps are never made by functions, so that it is always given.
fn field<'a>(item: &Item<'a>, operand: &'a Operand, index: usize) -> Result<Item<'a>, Fault> {
    let name = operand.fields.get(index).map_or("", String::as_str);
    let holder = || {
        let before = operand.fields.get(..index).unwrap_or_default();
        let root = match &operand.base {
            Base::Variable(_, name) => format!("${name}"),
            Base::Pipeline(_) => "(...)".to_owned(),
            Base::Dot | Base::Literal(_) => String::new(),
        };
        if before.is_empty() {
            return if root.is_empty() { ".".to_owned() } else { root };
        }
        format!("{root}.{}", before.join("."))
    };
    let fault = |message: String| Fault::new(operand.offset, message);
    match item {
        Item::Given(Value::Object(map)) => map
            .get(name)
            .map(Item::Given)
            .ok_or_else(|| fault(format!("there is no `{name}` in `{}`", holder()))),
        Item::Missing(missing) => Err(fault(format!("there is no `{missing}`, and so no `{name}`"))),
        other => {
            let kind = other.value().map_or("nothing", format::kind);
            Err(fault(format!(
                "`{}` is {kind} and has no field `{name}`",
                holder()
            )))
        }
    }
}

/// What a `range` goes over.
enum Entries<'a> {
    List(std::iter::Enumerate<std::slice::Iter<'a, Value>>),
    /// Sorted by key.
    Map(std::vec::IntoIter<(&'a String, &'a Value)>),
    Count(std::ops::Range<u64>),
}

impl<'a> Entries<'a> {
    fn of(item: &Item<'a>, offset: usize) -> Result<Self, Fault> {
        let value = match item {
            Item::Missing(_) | Item::Given(Value::Null) => return Ok(Self::Count(0..0)),
            Item::Given(Value::Array(list)) => return Ok(Self::List(list.iter().enumerate())),
            Item::Given(Value::Object(map)) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                return Ok(Self::Map(entries.into_iter()));
            }
            Item::Given(value) => *value,
            Item::Made(value) => value,
        };
        match value.as_i64() {
            Some(count) => Ok(Self::Count(0..u64::try_from(count).unwrap_or(0))),
            None => Err(Fault::new(
                offset,
                format!("`range` cannot go over {}", format::kind(value)),
            )),
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Item<'a>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::List(list) => {
                let (index, value) = list.next()?;
                Some((Item::made(index), Item::Given(value)))
            }
            Self::Map(entries) => {
                let (key, value) = entries.next()?;
                Some((Item::made(key.clone()), Item::Given(value)))
            }
            Self::Count(numbers) => {
                let number = numbers.next()?;
                Some((Item::made(number), Item::made(number)))
            }
        }
    }
}
