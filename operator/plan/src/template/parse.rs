//! Makes the tree of a template from its tokens.

use std::collections::VecDeque;

use serde_json::Value;

use super::functions::Function;
use super::lex::{Placed, Token};
use super::tree::{Arm, ArmKind, Base, Command, Node, Operand, Pipeline, RangeVariables, Target};
use super::{Fault, MAX_DEPTH};

/// Variables that may be in sight at one place.
const MAX_VARIABLES: usize = 1000;

/// Makes the tree of a template.
pub(super) fn parse(tokens: Vec<Placed>) -> Result<Vec<Node>, Fault> {
    let mut parser = Parser {
        end: tokens.last().map_or(0, |last| last.offset),
        tokens: tokens.into(),
        variables: vec![String::new()],
        depth: 0,
        ranges: 0,
    };
    let (nodes, stop) = parser.nodes()?;
    match stop {
        Stop::EndOfTemplate => Ok(nodes),
        Stop::End(offset) => Err(Fault::new(offset, "this `end` ends nothing")),
        Stop::Else(offset) => Err(Fault::new(offset, "this `else` belongs to nothing")),
    }
}

struct Parser {
    tokens: VecDeque<Placed>,
    /// Where the last token is.
    end: usize,
    /// Names of the variables in sight; the evaluation has their values in the same places.
    variables: Vec<String>,
    depth: usize,
    /// How many `range`s are around.
    ranges: usize,
}

/// What ended a list of nodes.
enum Stop {
    EndOfTemplate,
    End(usize),
    /// The rest of its action is to be read yet.
    Else(usize),
}

impl Parser {
    fn next(&mut self) -> Result<Placed, Fault> {
        let end = self.end;
        self.tokens
            .pop_front()
            .ok_or_else(|| Fault::new(end, "the template ends too early"))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.front().map(|placed| &placed.token)
    }

    fn offset(&self) -> usize {
        self.tokens.front().map_or(self.end, |placed| placed.offset)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        if is_there {
            self.tokens.pop_front();
        }
        is_there
    }

    fn expect_close(&mut self, after: &str) -> Result<(), Fault> {
        let placed = self.next()?;
        if placed.token == Token::Close {
            return Ok(());
        }
        Err(Fault::new(
            placed.offset,
            format!("there must be nothing after `{after}`"),
        ))
    }

    fn enter(&mut self, offset: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::new(
                offset,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        Ok(())
    }

    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), Fault> {
        let mut nodes = Vec::new();
        while let Some(placed) = self.tokens.pop_front() {
            if let Token::Text(text) = placed.token {
                nodes.push(Node::Text(text));
                continue;
            }
            let offset = placed.offset;
            let word = match self.peek() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let node = match word.as_str() {
                "end" => {
                    self.next()?;
                    self.expect_close("end")?;
                    return Ok((nodes, Stop::End(offset)));
                }
                "else" => {
                    self.next()?;
                    return Ok((nodes, Stop::Else(offset)));
                }
                "if" => self.block(offset, |parser| parser.choice(ArmKind::If, offset))?,
                "with" => self.block(offset, |parser| parser.choice(ArmKind::With, offset))?,
                "range" => self.block(offset, |parser| parser.range(offset))?,
                "break" => self.leave(Node::Break, "break", offset)?,
                "continue" => self.leave(Node::Continue, "continue", offset)?,
                "define" | "template" | "block" => {
                    return Err(Fault::new(offset, format!("`{word}` is not supported")));
                }
                _ => Node::Action(self.pipeline(&Token::Close, Declares::One)?),
            };
            nodes.push(node);
        }
        Ok((nodes, Stop::EndOfTemplate))
    }

    /// Reads a block, whose variables are not in sight after it.
    fn block(
        &mut self,
        offset: usize,
        read: impl FnOnce(&mut Self) -> Result<Node, Fault>,
    ) -> Result<Node, Fault> {
        self.next()?;
        self.enter(offset)?;
        let variables = self.variables.len();
        let node = read(self)?;
        self.variables.truncate(variables);
        self.depth -= 1;
        Ok(node)
    }

    fn leave(&mut self, node: Node, word: &str, offset: usize) -> Result<Node, Fault> {
        self.next()?;
        self.expect_close(word)?;
        if self.ranges == 0 {
            return Err(Fault::new(offset, format!("this `{word}` is not in a `range`")));
        }
        Ok(node)
    }

    fn choice(&mut self, first: ArmKind, offset: usize) -> Result<Node, Fault> {
        let mut arms = Vec::new();
        let mut kind = first;
        loop {
            let pipeline = self.pipeline(&Token::Close, Declares::One)?;
            let (body, stop) = self.body(offset)?;
            arms.push(Arm { kind, pipeline, body });
            match stop {
                BlockStop::End => {
                    return Ok(Node::Choice {
                        arms,
                        otherwise: Vec::new(),
                    });
                }
                BlockStop::Else if self.take_word("if") => kind = ArmKind::If,
                BlockStop::Else if self.take_word("with") => kind = ArmKind::With,
                BlockStop::Else => {
                    let otherwise = self.last_body(offset)?;
                    return Ok(Node::Choice { arms, otherwise });
                }
            }
        }
    }

    fn range(&mut self, offset: usize) -> Result<Node, Fault> {
        let outside = self.variables.len();
        let pipeline = self.pipeline(&Token::Close, Declares::KeyAndValue)?;
        let variables = match self.variables.len() - outside {
            0 => RangeVariables::None,
            1 => RangeVariables::Value,
            _ => RangeVariables::KeyAndValue,
        };
        self.ranges += 1;
        let (body, stop) = self.body(offset)?;
        self.ranges -= 1;
        // Where there is nothing to go over, the variables have no value.
        self.variables.truncate(outside);
        let otherwise = match stop {
            BlockStop::End => Vec::new(),
            BlockStop::Else => self.last_body(offset)?,
        };
        Ok(Node::Range {
            pipeline,
            variables,
            body,
            otherwise,
        })
    }

    /// Reads the nodes of one arm; the variables that they declare are of that arm alone.
    fn body(&mut self, block: usize) -> Result<(Vec<Node>, BlockStop), Fault> {
        let variables = self.variables.len();
        let (nodes, stop) = self.nodes()?;
        self.variables.truncate(variables);
        let stop = match stop {
            Stop::End(_) => BlockStop::End,
            Stop::Else(_) => BlockStop::Else,
            Stop::EndOfTemplate => return Err(Fault::new(block, "this block has no `end`")),
        };
        Ok((nodes, stop))
    }

    /// Reads what is after the last `else`.
    fn last_body(&mut self, block: usize) -> Result<Vec<Node>, Fault> {
        let offset = self.offset();
        self.expect_close("else")?;
        match self.body(block)? {
            (nodes, BlockStop::End) => Ok(nodes),
            (_, BlockStop::Else) => Err(Fault::new(offset, "there is one `else` too many")),
        }
    }

    /// Reads a pipeline up to and with `closing`.
    fn pipeline(&mut self, closing: &Token, declares: Declares) -> Result<Pipeline, Fault> {
        let offset = self.offset();
        let (target, names) = self.target(declares)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(commands.is_empty())?;
            commands.push(command);
            let placed = self.next()?;
            if placed.token == *closing {
                break;
            }
            if placed.token != Token::Pipe {
                return Err(Fault::new(placed.offset, unexpected(&placed.token)));
            }
        }
        self.variables.extend(names);
        if self.variables.len() > MAX_VARIABLES {
            return Err(Fault::new(offset, format!("more than {MAX_VARIABLES} variables")));
        }
        Ok(Pipeline {
            offset,
            target,
            commands,
        })
    }

    /// Reads `$a :=`, `$a, $b :=` or `$a =`.
    fn target(&mut self, declares: Declares) -> Result<(Target, Vec<String>), Fault> {
        let Some(Token::Variable(first)) = self.peek().cloned() else {
            return Ok((Target::Output, Vec::new()));
        };
        let ahead = |index: usize| self.tokens.get(index).map(|placed| &placed.token);
        match (ahead(1), ahead(2), ahead(3)) {
            (Some(Token::Declare), ..) if declares != Declares::Nothing => {
                self.skip(2);
                Ok((Target::Declare, vec![first]))
            }
            (Some(Token::Assign), ..) if declares == Declares::One => {
                let offset = self.offset();
                self.skip(2);
                Ok((Target::Assign(self.variable(&first, offset)?), Vec::new()))
            }
            (Some(Token::Comma), Some(Token::Variable(second)), Some(Token::Declare))
                if declares == Declares::KeyAndValue =>
            {
                let names = vec![first, second.clone()];
                self.skip(4);
                Ok((Target::Declare, names))
            }
            _ => Ok((Target::Output, Vec::new())),
        }
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.tokens.pop_front();
        }
    }

    fn variable(&self, name: &str, offset: usize) -> Result<usize, Fault> {
        let place = self.variables.iter().rposition(|variable| variable == name);
        place.ok_or_else(|| Fault::new(offset, format!("there is no variable `${name}`")))
    }

    fn command(&mut self, is_first: bool) -> Result<Command, Fault> {
        let offset = self.offset();
        let function = match self.peek() {
            Some(Token::Word(word)) if word != "nil" => Some(function(word, offset)?),
            _ => None,
        };
        if function.is_some() {
            self.tokens.pop_front();
        }
        let mut operands = Vec::new();
        while !matches!(
            self.peek(),
            None | Some(Token::Pipe | Token::Close | Token::RightParenthesis)
        ) {
            let operand = self.operand()?;
            operands.push(operand);
        }
        if let Some(function) = function {
            return Ok(Command::Call {
                offset,
                function,
                arguments: operands,
            });
        }
        let mut operands = operands.into_iter();
        let Some(only) = operands.next() else {
            return Err(Fault::new(offset, "a value is missing here"));
        };
        if let Some(argument) = operands.next() {
            let message = "only a function can be given arguments";
            return Err(Fault::new(argument.offset, message));
        }
        if !is_first {
            let message = "only a function can be given the value of a pipe";
            return Err(Fault::new(offset, message));
        }
        if only.base == Base::Literal(Value::Null) {
            return Err(Fault::new(offset, "`nil` is not a command"));
        }
        Ok(Command::Value(only))
    }

    fn operand(&mut self) -> Result<Operand, Fault> {
        let Placed { token, offset, .. } = self.next()?;
        let mut fields = Vec::new();
        let base = match token {
            Token::Dot => Base::Dot,
            Token::Field(name) => {
                fields.push(name);
                Base::Dot
            }
            Token::Variable(name) => Base::Variable(self.variable(&name, offset)?, name),
            Token::Literal(value) => Base::Literal(value),
            Token::Word(word) if word == "nil" => Base::Literal(Value::Null),
            Token::Word(word) => {
                function(&word, offset)?;
                let message = format!("the function `{word}` must be in parentheses here");
                return Err(Fault::new(offset, message));
            }
            Token::LeftParenthesis => {
                self.enter(offset)?;
                let pipeline = self.pipeline(&Token::RightParenthesis, Declares::Nothing)?;
                self.depth -= 1;
                Base::Pipeline(Box::new(pipeline))
            }
            other => return Err(Fault::new(offset, unexpected(&other))),
        };
        while let Some(Placed {
            token: Token::Field(name),
            is_attached: true,
            ..
        }) = self.tokens.front()
        {
            fields.push(name.clone());
            self.tokens.pop_front();
        }
        if !fields.is_empty() && matches!(base, Base::Literal(_)) {
            return Err(Fault::new(offset, "this has no fields"));
        }
        Ok(Operand { offset, base, fields })
    }
}

/// What ended the body of a block.
enum BlockStop {
    End,
    Else,
}

/// Which variables a pipeline may declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declares {
    Nothing,
    One,
    KeyAndValue,
}

fn function(name: &str, offset: usize) -> Result<Function, Fault> {
    Function::named(name).ok_or_else(|| Fault::new(offset, format!("there is no function `{name}`")))
}

fn unexpected(token: &Token) -> String {
    let spelled = match token {
        Token::Text(_) => "text".to_owned(),
        Token::Open => "`{{`".to_owned(),
        Token::Close => "`}}`".to_owned(),
        Token::Dot => "`.`".to_owned(),
        Token::Field(name) => format!("`.{name}`"),
        Token::Variable(name) => format!("`${name}`"),
        Token::Word(word) => format!("`{word}`"),
        Token::Literal(value) => format!("`{value}`"),
        Token::Pipe => "`|`".to_owned(),
        Token::LeftParenthesis => "`(`".to_owned(),
        Token::RightParenthesis => "`)`".to_owned(),
        Token::Comma => "`,`".to_owned(),
        Token::Declare => "`:=`".to_owned(),
        Token::Assign => "`=`".to_owned(),
    };
    format!("unexpected {spelled}")
}
