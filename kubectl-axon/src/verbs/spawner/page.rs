//! How a forecast is printed.

use std::fmt::Write as _;

use axon_api::TaskSpawner;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::forecast::{Row, Verdict};
use crate::failure::Result;
use crate::output;
use crate::table::Table;
use crate::text::{cut, one_line, printable};

/// Characters of a title in the table.
const TITLE: usize = 40;

/// How a forecast is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    /// The table, and the prompts below it.
    Prompts,
    Json,
    Yaml,
}

impl Form {
    /// What the value of `-o` says.
    pub(super) fn of(output: Option<&str>, otherwise: Self) -> Self {
        match output {
            Some("json") => Self::Json,
            Some(_) => Self::Yaml,
            None => otherwise,
        }
    }
}

/// Prints what would become of the items of a spawner.
pub(super) fn print(spawner: &TaskSpawner, rows: &[Row], form: Form) -> Result<()> {
    match form {
        Form::Json => output::print(output::to_json(&document(spawner, rows))),
        Form::Yaml => output::print(output::to_yaml(&document(spawner, rows))?),
        Form::Table if rows.is_empty() => {
            output::note("the source has no items");
            Ok(())
        }
        Form::Table => output::print(table(rows)),
        Form::Prompts if rows.is_empty() => print(spawner, rows, Form::Table),
        Form::Prompts => output::print(format!("{}{}", table(rows), prompts(rows))),
    }
}

fn table(rows: &[Row]) -> String {
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.key.clone(),
                row.verdict.as_str().to_owned(),
                row.name.clone().unwrap_or_default(),
                cut(&row.title, TITLE),
                row.why.clone(),
            ]
        })
        .collect();
    Table::new(&["ITEM", "VERDICT", "TASK", "TITLE", "WHY"]).with_header(&lines)
}

fn prompts(rows: &[Row]) -> String {
    let tasks = rows
        .iter()
        .filter(|row| row.verdict != Verdict::Later)
        .filter_map(|row| row.task.as_ref());
    let mut text = String::new();
    for task in tasks {
        let _ = writeln!(text, "\nTask: {}", task.name_any());
        if let Some(branch) = &task.spec.branch {
            let _ = writeln!(text, "Branch: {}", one_line(branch));
        }
        text.push_str("Prompt:\n");
        for line in printable(&task.spec.prompt).lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    }
    text
}

fn document(spawner: &TaskSpawner, rows: &[Row]) -> Value {
    let items: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut item = json!({
                "item": row.key,
                "title": row.title,
                "verdict": row.verdict.as_str(),
                "why": row.why,
            });
            if !row.url.is_empty() {
                item["url"] = json!(row.url);
            }
            if let Some(name) = &row.name {
                item["taskName"] = json!(name);
            }
            if let Some(task) = &row.task {
                item["task"] = serde_json::to_value(task).unwrap_or_default();
            }
            item
        })
        .collect();
    json!({
        "spawner": spawner.name_any(),
        "source": spawner.spec.when.source(),
        "items": items,
    })
}
