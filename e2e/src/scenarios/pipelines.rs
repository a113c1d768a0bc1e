//! Pipelines: steps that are Tasks, what is passed on, tried again, approved and cancelled.

use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use axon_api::kinds::task_pipeline::{PipelinePhase, StepResult};
use axon_api::{Task, TaskPipeline, TaskPipelineStatus};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::wait;
use crate::world::{PATIENCE, Said, World};

/// Commits a line more of `work.txt` and pushes it.
const WORK: &str = "set -e
echo 'one more line' >> work.txt
git add work.txt
git -c user.name=A -c user.email=a@example.com commit -q -m work
git push -q origin HEAD";

/// Fails unless the work was done twice.
const TEST: &str = "lines=$(wc -l < work.txt)
echo \"there are $lines lines\"
test \"$lines\" -ge 2";

fn status_of(pipeline: &TaskPipeline) -> TaskPipelineStatus {
    pipeline.status.clone().unwrap_or_default()
}

fn message_of(pipeline: &TaskPipeline) -> String {
    status_of(pipeline).message.unwrap_or_default()
}

async fn create(world: &World, name: &str, spec: Value) -> anyhow::Result<TaskPipeline> {
    world.create(name, json!({ "spec": spec })).await
}

/// Waits until the pipeline is as `holds` says.
async fn wait_for(
    world: &World,
    name: &str,
    what: &str,
    holds: impl Fn(&TaskPipeline) -> bool,
) -> anyhow::Result<TaskPipeline> {
    let condition = |pipeline: Option<&TaskPipeline>| pipeline.is_some_and(&holds);
    let waiting = await_condition(world.api::<TaskPipeline>(), name, condition);
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(found) => found?.with_context(|| format!("TaskPipeline `{name}` is gone")),
        Err(_) => bail!(
            "waited {} s in vain for TaskPipeline `{name}`: {what}\n{}",
            PATIENCE.as_secs(),
            report(world, name).await
        ),
    }
}

async fn report(world: &World, name: &str) -> String {
    let mut report = String::new();
    for arguments in [
        &["get", "taskpipeline", name, "-o", "yaml"][..],
        &["get", "tasks,pods"],
        &["get", "events"],
    ] {
        if let Ok(said) = world.kubectl(arguments).await {
            let _ = write!(
                report,
                "--- kubectl {}\n{}{}",
                arguments.join(" "),
                said.out,
                said.err
            );
        }
    }
    report
}

async fn ended(world: &World, name: &str, expected: PipelinePhase) -> anyhow::Result<TaskPipeline> {
    let pipeline = wait_for(world, name, "its end", TaskPipeline::is_finished).await?;
    if pipeline.phase() != Some(expected) {
        bail!(
            "TaskPipeline `{name}` is {:?}, not {expected}\n{}",
            pipeline.phase(),
            report(world, name).await
        );
    }
    Ok(pipeline)
}

async fn awaits_approval(world: &World, name: &str) -> anyhow::Result<String> {
    let pipeline = wait_for(world, name, "an approval to be asked for", |pipeline| {
        pipeline.phase() == Some(PipelinePhase::AwaitingApproval)
    })
    .await?;
    let last = status_of(&pipeline).runs.pop().context("there is a run")?;
    Ok(last.task)
}

fn decision(task: &str, user: &str, decision: &str, feedback: Option<&str>) -> Value {
    json!({ "task": task, "user": user, "decision": decision, "feedback": feedback })
}

/// Adds a decision as kubectl does it, in the name of whoever asks.
async fn decide(world: &World, name: &str, verdict: &str, feedback: Option<&str>) -> anyhow::Result<()> {
    let task = awaits_approval(world, name).await?;
    let who = Api::<SelfSubjectReview>::all(world.plane().client())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let who = who
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username);
    let who = who.context("the server knows who asks")?;
    let pipeline = world.api::<TaskPipeline>().get(name).await?;
    let mut approvals = json!(pipeline.spec.approvals);
    approvals
        .as_array_mut()
        .context("a list")?
        .push(decision(&task, &who, verdict, feedback));
    let patch = json!({ "spec": { "approvals": approvals } }).to_string();
    patched(world, name, &patch, &[]).await?.expect(0, &["patched"])
}

async fn patched(world: &World, name: &str, patch: &str, more: &[&str]) -> anyhow::Result<Said> {
    let mut arguments = vec!["patch", "taskpipeline", name, "--type=merge", "-p", patch];
    arguments.extend(more);
    world.kubectl(&arguments).await
}

fn step(name: &str, prompt: &str) -> Value {
    json!({ "name": name, "prompt": prompt })
}

pub(super) async fn a_failed_test_goes_back_and_the_texts_are_passed_on(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    world
        .workspace("code", json!({"repo": repository.url, "ref": "main"}))
        .await?;
    let mut plan = step("plan", "echo 'the plan: $(false) `false` \"two\" lines'");
    plan["approval"] = json!(true);
    create(
        world,
        "fix",
        json!({
            "type": "shell", "prompt": "add two lines", "workspaceRef": {"name": "code"},
            "steps": [
                plan,
                step("implement", WORK),
                step("test", TEST),
                step("say", "printf '%s\\n' {{.Steps.plan.Text}} > said.txt; grep -F '`false` \"two\" lines' said.txt && test {{.BaseBranch}} = main && test {{.Branch}} = ai/fix"),
            ],
        }),
    )
    .await?;
    Box::pin(decide(world, "fix", "Denied", Some("again, please"))).await?;
    wait_for(world, "fix", "a second plan", |pipeline| {
        status_of(pipeline).run_count == Some(2)
    })
    .await?;
    Box::pin(decide(world, "fix", "Approved", None)).await?;
    let pipeline = ended(world, "fix", PipelinePhase::Complete).await?;
    let status = status_of(&pipeline);
    let runs: Vec<(String, Option<StepResult>)> = status
        .runs
        .iter()
        .map(|run| (run.task.clone(), run.result))
        .collect();
    let (passed, failed) = (Some(StepResult::Passed), Some(StepResult::Failed));
    let expected = [
        ("fix-plan-1", passed),
        ("fix-plan-2", passed),
        ("fix-implement-3", passed),
        ("fix-test-4", failed),
        ("fix-implement-5", passed),
        ("fix-test-6", passed),
        ("fix-say-7", passed),
    ]
    .map(|(task, result)| (task.to_owned(), result));
    ensure!(runs == expected, "{runs:?}");
    ensure!(
        status.branch.as_deref() == Some("ai/fix") && status.retries == Some(1),
        "{status:?}"
    );
    let secret = world.api::<Secret>().get("fix-test-4-text").await?;
    let text = secret
        .data
        .as_ref()
        .and_then(|data| data.get("text"))
        .context("a text")?;
    let text = String::from_utf8_lossy(&text.0);
    ensure!(text.contains("there are 1 lines"), "{text}");
    ensure!(secret.immutable == Some(true));
    let tasks = world.api::<Task>().list(&ListParams::default()).await?;
    ensure!(tasks.items.len() == expected.len(), "{} Tasks", tasks.items.len());
    let table = world.kubectl(&["get", "taskpipelines"]).await?;
    table.expect(0, &["PHASE", "fix", "Complete"])?;
    world
        .api::<TaskPipeline>()
        .delete("fix", &DeleteParams::default())
        .await?;
    wait::until(PATIENCE, "all that the pipeline owns to be gone", async || {
        let tasks = world.api::<Task>().list(&ListParams::default()).await?;
        let secret = world.api::<Secret>().get_opt("fix-test-4-text").await?;
        Ok(tasks.items.is_empty() && secret.is_none())
    })
    .await
}

pub(super) async fn a_failure_is_told_to_the_step_that_repairs_it(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    create(
        world,
        "repair",
        json!({
            "type": "shell", "prompt": "p", "workspace": {"repo": repository.url}, "maxRetries": 1,
            "steps": [
                step("implement", "printf '%s\\n' {{.Failure}}; case {{.Failure}}x in *mismatch*) echo repaired;; *) echo first;; esac"),
                step("test", "echo 'assertion: mismatch of left and right'; exit 4"),
            ],
        }),
    )
    .await?;
    let pipeline = ended(world, "repair", PipelinePhase::Failed).await?;
    let status = status_of(&pipeline);
    ensure!(status.reason.as_deref() == Some("RetriesSpent"), "{status:?}");
    ensure!(message_of(&pipeline).contains("has failed 2 times"), "{status:?}");
    ensure!(status.runs.len() == 4, "{status:?}");
    let second = world.ended("repair-implement-3").await?;
    let output = world.output(&second).await?;
    ensure!(
        output.contains("assertion: mismatch of left and right") && output.contains("repaired"),
        "{output}"
    );
    Ok(())
}

pub(super) async fn a_cancelled_pipeline_ends_its_task_first(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    create(
        world,
        "stop",
        json!({
            "type": "shell", "prompt": "p", "workspace": {"repo": repository.url},
            "steps": [step("wait", "exec sleep 1000"), step("never", "true")],
        }),
    )
    .await?;
    world
        .wait_for("stop-wait-1", "to run", |task| {
            task.phase() == Some(axon_api::Phase::Running)
        })
        .await?;
    let patch = json!({ "spec": { "cancel": true } }).to_string();
    patched(world, "stop", &patch, &[])
        .await?
        .expect(0, &["patched"])?;
    ended(world, "stop", PipelinePhase::Cancelled).await?;
    let task = world.ended("stop-wait-1").await?;
    world.expect(&task, axon_api::Phase::Cancelled).await?;
    ensure!(world.api::<Task>().get_opt("stop-never-2").await?.is_none());
    let back = json!({ "spec": { "cancel": false } }).to_string();
    let said = patched(world, "stop", &back, &[]).await?;
    said.expect(1, &["cancel cannot be taken back"])
}

pub(super) async fn a_pipeline_with_a_bad_step_fails_before_anything_runs(
    world: &World,
) -> anyhow::Result<()> {
    let mut lost = step("check", "true");
    lost["onFailure"] = json!("nowhere");
    let mut forward = step("first", "true");
    forward["onFailure"] = json!("second");
    for (name, steps, says) in [
        (
            "template",
            json!([step("one", "echo {{.Prompt")]),
            "the prompt of step `one`",
        ),
        ("unknown", json!([lost]), "there is no such step"),
        (
            "forward",
            json!([forward, step("second", "true")]),
            "comes after it",
        ),
        ("empty", json!([{ "name": "own" }]), "has no prompt"),
        (
            "script",
            json!([{ "name": "test" }]),
            "which is the script to run",
        ),
    ] {
        let spec = json!({ "type": "shell", "prompt": "p", "workspace": {"repo": "https://git.example/r.git"}, "steps": steps });
        create(world, name, spec).await?;
        let pipeline = ended(world, name, PipelinePhase::Failed).await?;
        ensure!(message_of(&pipeline).contains(says), "{}", message_of(&pipeline));
    }
    let tasks = world.api::<Task>().list(&ListParams::default()).await?;
    ensure!(tasks.items.is_empty(), "{} Tasks", tasks.items.len());
    Ok(())
}

pub(super) async fn a_template_that_misses_a_step_ends_the_pipeline(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    create(
        world,
        "typo",
        json!({
            "type": "shell", "prompt": "p", "workspace": {"repo": repository.url},
            "steps": [step("one", "true"), step("two", "echo {{.Steps.won.Text}}")],
        }),
    )
    .await?;
    let pipeline = ended(world, "typo", PipelinePhase::Failed).await?;
    ensure!(status_of(&pipeline).reason.as_deref() == Some("BadTemplate"));
    ensure!(message_of(&pipeline).contains("won"), "{}", message_of(&pipeline));
    Ok(())
}

pub(super) async fn a_deleted_task_of_a_step_counts_as_a_failure(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    create(
        world,
        "lost",
        json!({
            "type": "shell", "prompt": "p", "workspace": {"repo": repository.url}, "maxRetries": 1,
            "steps": [step("one", "exec sleep 1000")],
        }),
    )
    .await?;
    for name in ["lost-one-1", "lost-one-2"] {
        wait_for(world, "lost", "the Task to be recorded", |pipeline| {
            let runs = status_of(pipeline).runs;
            runs.iter().any(|run| run.task == name && run.task_uid.is_some())
        })
        .await?;
        world.api::<Task>().delete(name, &DeleteParams::default()).await?;
    }
    let pipeline = ended(world, "lost", PipelinePhase::Failed).await?;
    let message = message_of(&pipeline);
    ensure!(
        message.contains("`lost-one-2` was deleted before it had ended"),
        "{message}"
    );
    Ok(())
}

pub(super) async fn the_spec_of_a_pipeline_cannot_be_changed(world: &World) -> anyhow::Result<()> {
    create(
        world,
        "fixed",
        json!({ "prompt": "p", "workspaceRef": {"name": "missing"} }),
    )
    .await?;
    wait_for(world, "fixed", "to wait for its Workspace", |pipeline| {
        status_of(pipeline).reason.as_deref() == Some("WorkspaceNotFound")
    })
    .await?;
    let patch = json!({ "spec": { "prompt": "another" } }).to_string();
    let said = patched(world, "fixed", &patch, &[]).await?;
    said.expect(1, &["prompt cannot be changed once the TaskPipeline is created"])
}

/// Two people may change pipelines, and one of them may approve.
const PEOPLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: change}
rules:
- {apiGroups: [axon.io], resources: [taskpipelines], verbs: [get, list, create, update, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: approve}
rules:
- {apiGroups: [axon.io], resources: [taskpipelines], verbs: [approve]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: change}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: change}
subjects:
- {kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}
- {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: approve}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: approve}
subjects:
- {kind: User, name: ann, apiGroup: rbac.authorization.k8s.io}
";

pub(super) async fn only_who_may_approve_can_and_only_in_their_own_name(world: &World) -> anyhow::Result<()> {
    let mut policy = String::new();
    for object in axon_api::admission::objects() {
        write!(policy, "---\n{object}\n")?;
    }
    for manifest in [PEOPLE, &policy] {
        world
            .kubectl_with(&["apply", "-f", "-"], manifest)
            .await?
            .expect(0, &[])?;
    }
    let repository = world.repository("work").await?;
    let mut plan = step("plan", "echo the plan");
    plan["approval"] = json!(true);
    let spec =
        json!({ "type": "shell", "prompt": "p", "workspace": {"repo": repository.url}, "steps": [plan] });
    create(world, "ask", spec.clone()).await?;
    let task = awaits_approval(world, "ask").await?;
    let adds = |task: &str, user: &str| {
        json!({ "spec": { "approvals": [decision(task, user, "Approved", None)] } }).to_string()
    };
    // The server takes a moment until it enforces a policy that is new.
    wait::until(PATIENCE, "the policy to be enforced", async || {
        let said = patched(world, "ask", &adds(&task, "x"), &["--as=ann", "--dry-run=server"]).await?;
        Ok(said.code == Some(1))
    })
    .await?;
    for (who, patch, says) in [
        (
            "bob",
            adds(&task, "bob"),
            "needs the right to approve taskpipelines",
        ),
        ("bob", adds(&task, "ann"), "must be who adds it"),
        ("ann", adds(&task, "bob"), "must be who adds it"),
        (
            "ann",
            adds("ask-plan-2", "ann"),
            "must be of the Task of the step that awaits approval",
        ),
    ] {
        let said = patched(world, "ask", &patch, &[&format!("--as={who}")]).await?;
        said.expect(1, &["Forbidden", says])?;
    }
    let changed = patched(world, "ask", &adds(&task, "ann"), &["--as=ann"]).await?;
    changed.expect(0, &["patched"])?;
    let pipeline = ended(world, "ask", PipelinePhase::Complete).await?;
    let run = status_of(&pipeline).runs.pop().context("a run")?;
    ensure!(run.decided_by.as_deref() == Some("ann"), "{run:?}");
    let taken_back = json!({ "spec": { "approvals": null } }).to_string();
    let said = patched(world, "ask", &taken_back, &["--as=ann"]).await?;
    said.expect(1, &["Forbidden", "neither be changed nor be removed"])?;
    let mut early = json!({ "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline", "metadata": {"name": "early"}, "spec": spec });
    early["spec"]["approvals"] = json!([decision("early-plan-1", "ann", "Approved", None)]);
    let said = world
        .kubectl_with(&["create", "--as=ann", "-f", "-"], &early.to_string())
        .await?;
    said.expect(1, &["Forbidden", "created without approvals"])
}

/// How often what watches a pipeline is killed.
const MOST_RESTARTS: usize = 12;

/// What watches the pipeline is killed after each of its first changes, and no step runs twice.
pub(super) async fn a_pipeline_survives_a_restart_after_each_change(world: &World) -> anyhow::Result<()> {
    let repository = world.repository("work").await?;
    create(
        world,
        "steady",
        json!({
            "type": "shell", "prompt": "p", "workspace": {"repo": repository.url},
            "steps": [step("implement", WORK), step("test", TEST), step("last", "echo {{.Steps.test.Text}}")],
        }),
    )
    .await?;
    let mut seen = None;
    let mut restarts = 0usize;
    wait::until(5 * PATIENCE, "the pipeline to end", async || {
        let pipeline = world.api::<TaskPipeline>().get("steady").await?;
        // On a cluster each new operator first waits for the Lease of the one that was killed.
        if pipeline.metadata.resource_version != seen && restarts < MOST_RESTARTS {
            seen.clone_from(&pipeline.metadata.resource_version);
            restarts += 1;
            world.plane().crash().await?;
            world.plane().recover().await?;
        }
        Ok(pipeline.is_finished())
    })
    .await?;
    let pipeline = ended(world, "steady", PipelinePhase::Complete).await?;
    ensure!(status_of(&pipeline).run_count == Some(5), "{:?}", pipeline.status);
    let tasks = world.api::<Task>().list(&ListParams::default()).await?;
    ensure!(tasks.items.len() == 5, "{} Tasks", tasks.items.len());
    ensure!(
        tasks
            .iter()
            .all(|task| task.status.as_ref().and_then(|status| status.attempts) == Some(1)),
        "a step ran twice"
    );
    ensure!(restarts > 5, "only {restarts} restarts");
    Ok(())
}
