//! What strangers write, and a script.

use anyhow::ensure;
use axon_api::Phase;
use serde_json::json;

use super::{Forge, has_condition, has_tasks, spawner};
use crate::github::Issue;
use crate::world::World;

pub(in crate::scenarios) async fn a_hostile_title_is_a_variable_and_no_part_of_the_script(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    // What would be made, if any shell read the title, is seen in the output.
    let title =
        "$(touch made-by-the-title); `touch made-by-the-title` $(AXON_TASK) \"; touch made-by-the-title; \"";
    let issue = forge.repository().open_issue(Issue::new(title).body(title));
    let script = r#"printf 'title: %s\n' "$AXON_ITEM_TITLE"
printf 'body: %s\n' "$AXON_ITEM_BODY"
printf 'number: %s\n' "$AXON_ITEM_NUMBER"
find . /tmp -name 'made-by-*' 2>/dev/null | sed 's/^/found: /'"#;
    let spec = json!({"when": {"githubIssues": {}}, "taskTemplate": {"promptTemplate": script}});
    spawner(world, "fix", spec).await?;
    let name = format!("fix-{issue}");
    has_tasks(world, "fix", &[&name]).await?;
    let task = world.ended(&name).await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(task.spec.prompt == script, "{}", task.spec.prompt);
    let output = world.output(&task).await?;
    let lines = [
        format!("title: {title}"),
        format!("body: {title}"),
        format!("number: {issue}"),
    ];
    for line in &lines {
        ensure!(output.lines().any(|said| said == line), "no `{line}` in {output}");
    }
    ensure!(!output.contains("found: "), "{output}");
    forge.was_asked_as_github_is()
}

pub(in crate::scenarios) async fn a_script_with_a_field_of_the_item_is_refused(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    let issue = forge.repository().open_issue(Issue::new("$(id)"));
    let template =
        |script: &str| json!({"when": {"githubIssues": {}}, "taskTemplate": {"promptTemplate": script}});
    spawner(world, "bad", template("echo {{.Title}}")).await?;
    spawner(world, "good", template("echo \"$AXON_ITEM_TITLE\"")).await?;
    let why = has_condition(world, "bad", "Ready", "False", "ShellTemplate").await?;
    ensure!(
        why.contains("`.Title`") && why.contains("$AXON_ITEM_TITLE"),
        "{why}"
    );
    has_tasks(world, "good", &[&format!("good-{issue}")]).await?;
    forge.polled().await?;
    has_tasks(world, "bad", &[]).await?;
    forge.was_asked_as_github_is()
}
