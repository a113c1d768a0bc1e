//! Watching Tasks to their end: a spinner on a terminal, plain lines elsewhere, and a table at
//! the end.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::time::Duration;

use axon_api::{Phase, Task};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;
use tokio::signal::unix::Signal;

use crate::cluster::Cluster;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::log::follow::{self, Choice, Sink};
use crate::log::render::{Renderer, headline};
use crate::output::{self, Format};
use crate::resources::Kind;
use crate::table::Table;
use crate::text::{one_line, without_hints};
use crate::watch::{self, Sighting};
use crate::{ages, invocation};

/// A Task to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) name: String,
    uid: String,
    namespace: Option<String>,
}

impl Watched {
    /// The created object, if it is a Task.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        (Kind::of(object) == Some(Kind::Task)).then(|| Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            uid: metadata["uid"].as_str().unwrap_or_default().to_owned(),
            namespace: metadata["namespace"].as_str().map(str::to_owned),
        })
    }
}

/// How watching a Task has ended.
enum End {
    Finished(Box<Task>),
    Deleted,
}

/// Watches the Tasks to their ends, one after the other, and prints how they ended.
pub(crate) async fn watch(
    cluster: &Cluster,
    interrupt: &mut Signal,
    tasks: &[Watched],
    format: Option<&Format>,
) -> Result<Exit> {
    let mut ended = Vec::new();
    let mut exit = Exit::Success;
    for watched in tasks {
        let cluster = Cluster {
            client: cluster.client.clone(),
            server: cluster.server,
            namespace: watched
                .namespace
                .clone()
                .unwrap_or_else(|| cluster.namespace.clone()),
        };
        let end = tokio::select! {
            end = watch_one(&cluster, watched) => end?,
            _ = interrupt.recv() => {
                interrupted(&watched.name);
                return Ok(Exit::Interrupted);
            }
        };
        let this = match end {
            End::Deleted => {
                output::note(format!(
                    "error: task `{}` was deleted before it ended",
                    watched.name
                ));
                Exit::Deleted
            }
            End::Finished(task) => {
                let exit = task.phase().and_then(Exit::of).unwrap_or(Exit::Failure);
                tell(&task);
                ended.push(*task);
                exit
            }
        };
        if exit == Exit::Success {
            exit = this;
        }
    }
    print_ended(&ended, format)?;
    Ok(exit)
}

fn interrupted(name: &str) {
    output::note(format!(
        "\ntask `{name}` goes on\nhint: come back to it with {}\nhint: end it with {}",
        invocation::command(&format!("logs {name} -f")),
        invocation::command(&format!("cancel {name}"))
    ));
}

/// Says what the table has no room for.
fn tell(task: &Task) {
    let status = task.status.clone().unwrap_or_default();
    if let Some(usage) = &status.usage {
        let cost = usage
            .cost_usd
            .as_ref()
            .map(|cost| format!(", ${cost}"))
            .unwrap_or_default();
        output::note(format!(
            "{} input and {} output tokens{cost}",
            usage.input_tokens, usage.output_tokens
        ));
    }
    if let Some(url) = status.results.get("pr") {
        output::note(format!("pull request: {}", one_line(url)));
    }
    if status.phase == Some(Phase::Succeeded) {
        return;
    }
    let name = task.name_any();
    output::note(format!("error: task `{name}` is {}", follow::describe(task)));
    for hint in without_hints(&status.message.unwrap_or_default()).1 {
        output::note(hint);
    }
    let next = if status.pod_name.is_some() {
        format!(
            "hint: {} shows its log",
            invocation::command(&format!("logs {name}"))
        )
    } else {
        format!(
            "hint: {} shows what is known",
            invocation::command(&format!("describe task {name}"))
        )
    };
    output::note(next);
}

fn print_ended(tasks: &[Task], format: Option<&Format>) -> Result<()> {
    let json = |task: &Task| {
        serde_json::to_value(task)
            .map(output::without_managed_fields)
            .map_err(|error| Failure::new(format!("failed to write JSON: {error}")))
    };
    match format {
        None | Some(Format::Wide) => {
            if tasks.is_empty() {
                return Ok(());
            }
            let rows: Vec<Vec<String>> = tasks.iter().map(row).collect();
            output::print(
                Table::new(&["NAME", "TYPE", "PHASE", "BRANCH", "COMMIT", "DURATION"]).with_header(&rows),
            )
        }
        Some(Format::Name) => tasks
            .iter()
            .try_for_each(|task| output::print(format!("task.axon.io/{}\n", task.name_any()))),
        Some(Format::Json) => tasks
            .iter()
            .try_for_each(|task| output::print(output::to_json(&json(task)?))),
        Some(Format::Yaml) => {
            let documents: Vec<String> = tasks
                .iter()
                .map(|task| output::to_yaml(&json(task)?))
                .collect::<Result<_>>()?;
            output::print(documents.join("---\n"))
        }
        Some(Format::JsonPath(template)) => tasks
            .iter()
            .try_for_each(|task| output::print(template.render(&json(task)?))),
    }
}

fn row(task: &Task) -> Vec<String> {
    let status = task.status.clone().unwrap_or_default();
    let result = |key: &str| status.results.get(key).cloned().unwrap_or_default();
    vec![
        task.name_any(),
        task.spec.agent_type().to_owned(),
        status.phase.map(|phase| phase.to_string()).unwrap_or_default(),
        result("branch"),
        short_commit(&result("commit")),
        duration(task, Timestamp::now()),
    ]
}

/// The first twelve digits of a commit, as `git log` shows enough of one.
pub(crate) fn short_commit(commit: &str) -> String {
    commit.chars().take(12).collect()
}

/// From the agent's start to its end, or to now; empty before the start.
pub(crate) fn duration(task: &Task, now: Timestamp) -> String {
    let Some(status) = &task.status else {
        return String::new();
    };
    let Some(start) = &status.start_time else {
        return String::new();
    };
    let end = status.completion_time.as_ref().map_or(now, |end| end.0);
    ages::between(start.0, end)
}

async fn watch_one(cluster: &Cluster, watched: &Watched) -> Result<End> {
    let display = RefCell::new(Display::new(&watched.name));
    tokio::select! {
        end = phases(cluster, watched, &display) => end,
        never = headlines(cluster, watched, &display) => match never {},
    }
}

/// Shows each phase until the Task has ended.
async fn phases(cluster: &Cluster, watched: &Watched, display: &RefCell<Display>) -> Result<End> {
    let mut sightings = Box::pin(watch::one(cluster.api::<Task>(), &watched.name));
    let mut seen = false;
    while let Some(sighting) = sightings.next().await {
        match sighting? {
            Sighting::Seen(task) if task.uid().as_deref() == Some(&watched.uid) => {
                seen = true;
                display.borrow_mut().task(&task);
                if task.is_finished() {
                    return Ok(End::Finished(task));
                }
            }
            Sighting::Seen(_) | Sighting::Gone(_) => return Ok(End::Deleted),
            Sighting::Listed if !seen => return Ok(End::Deleted),
            Sighting::Listed => {}
            Sighting::Trouble(cause) => {
                display.borrow_mut().trouble(&cause);
                cluster.revive().await;
            }
        }
    }
    Err(Failure::new(format!(
        "failed to watch task `{}`: the watch ended",
        watched.name
    )))
}

/// Shows the last event of the agent, on a terminal. Never ends: the log is only for show, and that
/// it has ended or cannot be read is no reason to stop watching.
async fn headlines(cluster: &Cluster, watched: &Watched, display: &RefCell<Display>) -> Infallible {
    if display.borrow().bar.is_some() {
        let mut sink = Headlines {
            display,
            renderer: Renderer::new(None, false),
        };
        let choice = Choice {
            task: &watched.name,
            container: None,
        };
        let _ = follow::follow(cluster, choice, &mut sink).await;
    }
    std::future::pending().await
}

/// Keeps the last line of a log on the display.
struct Headlines<'a> {
    display: &'a RefCell<Display>,
    renderer: Renderer,
}

impl Sink for Headlines<'_> {
    fn waiting(&mut self, _: &str) {}

    fn container(&mut self, name: &str) -> Result<()> {
        let display = self.display.borrow();
        let agent = axon_agents::find(&display.agent_type).filter(|_| name == "agent");
        self.renderer = Renderer::new(agent, display.custom_image);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let pieces = self.renderer.push(bytes);
        if let Some(line) = pieces.iter().rev().find_map(headline) {
            self.display.borrow_mut().event(line);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a person sees while a Task runs.
struct Display {
    name: String,
    /// The spinner; `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
    agent_type: String,
    custom_image: bool,
    /// The Task's state with reason and message.
    last_line: String,
    /// The Task's state in short.
    state: String,
    last_event: Option<String>,
}

impl Display {
    fn new(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_message(format!("task/{name}"));
            bar
        });
        Self {
            name: name.to_owned(),
            bar,
            agent_type: String::new(),
            custom_image: false,
            last_line: String::new(),
            state: String::new(),
            last_event: None,
        }
    }

    fn task(&mut self, task: &Task) {
        task.spec.agent_type().clone_into(&mut self.agent_type);
        self.custom_image = task.spec.image.is_some();
        let line = state_line(task);
        if self.last_line == line {
            return;
        }
        match &self.bar {
            Some(bar) if task.is_finished() => bar.suspend(|| output::note(&line)),
            Some(_) => {}
            None => output::note(&line),
        }
        self.state = format!(
            "task/{} {}",
            task.name_any(),
            task.phase().unwrap_or(Phase::Pending)
        );
        self.last_line = line;
        self.show();
    }

    fn event(&mut self, event: String) {
        self.last_event = Some(event);
        self.show();
    }

    /// The agent's last event, and until there is one, what the operator says.
    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(match &self.last_event {
                Some(event) => format!("{} · {event}", self.state),
                None => self.last_line.clone(),
            });
        }
    }

    fn trouble(&mut self, cause: &str) {
        let line = format!(
            "task/{}: the server cannot be reached, trying again: {}",
            self.name,
            one_line(cause)
        );
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => output::note(line),
        }
    }
}

impl Drop for Display {
    /// However watching ends, the line is free for what is said then.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `task/NAME PHASE REASON MESSAGE`.
fn state_line(task: &Task) -> String {
    let status = task.status.clone().unwrap_or_default();
    let mut line = format!(
        "task/{} {}",
        task.name_any(),
        status.phase.unwrap_or(Phase::Pending)
    );
    let message = status.message.map(|message| without_hints(&message).0);
    for word in [status.reason, message].into_iter().flatten() {
        line.push(' ');
        line.push_str(&one_line(&word));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(status: &Value) -> Task {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "t", "uid": "u"},
            "spec": {"prompt": "x", "type": "shell"}, "status": status,
        }))
        .expect("a task")
    }

    #[test]
    fn a_plain_line_has_phase_reason_and_message() {
        let waiting =
            task(&json!({"phase": "Waiting", "reason": "SecretNotFound", "message": "no secret `s`\n"}));
        assert_eq!(
            state_line(&waiting),
            "task/t Waiting SecretNotFound no secret `s`"
        );
        assert_eq!(state_line(&task(&json!({}))), "task/t Pending");
    }

    #[test]
    fn the_end_is_a_row_with_branch_and_commit() {
        let ended = task(&json!({
            "phase": "Succeeded",
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:05:30Z",
            "results": {"branch": "b", "commit": "0123456789abcdef0123456789abcdef01234567"},
        }));
        assert_eq!(
            row(&ended),
            ["t", "shell", "Succeeded", "b", "0123456789ab", "5m30s"]
        );
    }

    #[test]
    fn only_tasks_are_watched() {
        let object = serde_json::to_value(task(&json!({}))).expect("JSON");
        assert_eq!(
            Watched::of(&object).map(|watched| watched.uid).as_deref(),
            Some("u")
        );
        assert_eq!(Watched::of(&json!({"apiVersion": "v1", "kind": "Secret"})), None);
    }
}
