//! The verbs on the plane of this machine: what they print where, and with which exit code they
//! end.

mod plane;

use plane::Plane;

#[test]
fn waiting_ends_with_the_phase_of_the_task() {
    let plane = Plane::new();
    plane.script("good", "true", &[]).ended(0);
    plane.script("bad", "exit 3", &[]).ended(0);
    plane
        .axon(&["wait", "good"])
        .ended(0)
        .out("task.axon.io/good Succeeded\n");
    plane
        .axon(&["wait", "task", "good", "bad"])
        .ended(1)
        .shows(&["task.axon.io/bad Failed\n"]);
    plane
        .axon(&["wait", "bad", "--for=phase=Succeeded"])
        .ended(1)
        .out("")
        .notes("task `bad` has ended before that, it is Failed");
    plane
        .axon(&["wait", "good", "--for=condition=Complete"])
        .ended(0)
        .out("task.axon.io/good condition met\n");
    plane
        .axon(&["wait", "none"])
        .ended(1)
        .notes("task `none` not found");
    plane
        .axon(&["wait", "good", "--for=delete", "--timeout=0"])
        .ended(14)
        .notes("timed out waiting for task `good`");
    plane.axon(&["delete", "good"]).ended(0);
    plane
        .axon(&["wait", "good", "--for=delete"])
        .ended(0)
        .out("task.axon.io/good condition met\n");
}

#[test]
fn a_task_that_has_ended_can_be_run_once_more() {
    let plane = Plane::new();
    plane.script("t", "exit 3", &["-w"]).ended(1);
    plane
        .axon(&["retry", "t", "-w"])
        .ended(1)
        .shows(&["task.axon.io/t-retry-1 created\n"]);
    plane
        .axon(&[
            "get",
            "task",
            "t-retry-1",
            "-o",
            "jsonpath={.metadata.annotations.axon\\.io/retry-of}",
        ])
        .ended(0)
        .out("t");
    plane
        .axon(&["retry", "t", "--dry-run", "-o", "name"])
        .ended(0)
        .out("task.axon.io/t-retry-2\n");
}

#[test]
fn what_a_task_waits_for_is_the_first_thing_that_describe_says() {
    let plane = Plane::new();
    plane
        .script("t", "true", &["--depends-on", "a,b", "--workspace", "w"])
        .ended(0);
    plane.axon(&["wait", "t", "--for=phase=Waiting"]).ended(0);
    let said = plane.axon(&["describe", "t"]).ended(0);
    let first = said.out.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("Task `t` does not run yet, it waits") && first.contains("not"),
        "{first}"
    );
    said.shows(&["  a      not found   -\n", "  type    shell   Task\n"]);
    plane
        .axon(&["retry", "t"])
        .ended(1)
        .notes("task `t` has not ended");
    plane
        .axon(&["cancel", "t"])
        .ended(0)
        .out("task.axon.io/t cancelled\n");
    plane
        .axon(&["wait", "t"])
        .ended(11)
        .out("task.axon.io/t Cancelled\n");
    plane
        .axon(&["cancel", "t", "--force"])
        .ended(0)
        .out("")
        .notes("has ended already: it is Cancelled");
}

/// A repository with one commit, in a folder of the plane's.
fn repository(plane: &Plane) -> String {
    let folder = plane.path().join("repository");
    let git = |arguments: &[&str]| {
        let status = plane
            .git()
            .args(arguments)
            .arg(&folder)
            .status()
            .expect("git is there");
        assert!(status.success());
    };
    git(&["init", "-q"]);
    let status = plane
        .git()
        .arg("-C")
        .arg(&folder)
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ])
        .status()
        .expect("git is there");
    assert!(status.success());
    folder.to_str().expect("UTF-8").to_owned()
}

/// A pipeline of scripts whose first step is to be approved.
fn pipeline(plane: &Plane, repository: &str) {
    plane
        .axon(&[
            "create",
            "pipeline",
            "work",
            "-p",
            "x",
            "-t",
            "shell",
            "--repo",
            repository,
            "--step",
            "plan=echo the plan {{.Feedback}}",
            "--step",
            "implement=true",
            "--approve-after",
            "plan",
        ])
        .ended(0)
        .out("taskpipeline.axon.io/work created\n");
    plane
        .axon(&["wait", "tp/work", "--for=phase=AwaitingApproval"])
        .ended(0);
}

#[test]
fn a_step_is_denied_with_feedback_and_then_approved() {
    let plane = Plane::new();
    pipeline(&plane, &repository(&plane));
    plane.axon(&["describe", "tp", "work"]).ended(0).shows(&[
        "waits for a person to approve step `plan`",
        "To Approve:\n  the plan\n",
    ]);
    plane
        .axon(&["approve", "work", "--step", "implement"])
        .ended(1)
        .notes("step `implement` of taskpipeline `work` awaits no approval: `plan` does");
    plane
        .axon(&["deny", "work", "--feedback", "again"])
        .ended(0)
        .out("taskpipeline.axon.io/work denied\n")
        .notes("step `plan`, task `work-plan-1`, as `");
    plane.axon(&["wait", "task/work-plan-2", "--for=create"]).ended(0);
    plane.axon(&["wait", "task/work-plan-2"]).ended(0);
    plane
        .axon(&["wait", "tp/work", "--for=phase=AwaitingApproval"])
        .ended(0);
    plane
        .axon(&["describe", "tp", "work"])
        .ended(0)
        .shows(&["To Approve:\n  the plan again\n"]);
    plane
        .axon(&["approve", "work"])
        .ended(0)
        .out("taskpipeline.axon.io/work approved\n");
    plane
        .axon(&["wait", "tp/work"])
        .ended(0)
        .out("taskpipeline.axon.io/work Complete\n");
    plane
        .axon(&["approve", "work"])
        .ended(1)
        .notes("awaits no approval: it is Complete");
}

#[test]
fn a_pipeline_that_is_denied_without_a_word_or_cancelled_ends() {
    let plane = Plane::new();
    let repository = repository(&plane);
    pipeline(&plane, &repository);
    plane
        .axon(&["cancel", "tp/work"])
        .ended(0)
        .out("taskpipeline.axon.io/work cancelled\n");
    plane.axon(&["wait", "tp/work"]).ended(11);
    plane.axon(&["delete", "tp", "work"]).ended(0);
    pipeline(&plane, &repository);
    plane.axon(&["deny", "work"]).ended(0);
    plane
        .axon(&["wait", "tp/work"])
        .ended(1)
        .out("taskpipeline.axon.io/work Failed\n");
}

#[test]
fn every_kind_is_created_shown_described_and_deleted() {
    let plane = Plane::new();
    std::fs::write(plane.path().join("AGENTS.md"), "Be brief.").expect("written");
    let kinds: &[(&[&str], &str, &str, &[&str])] = &[
        (
            &[
                "create",
                "workspace",
                "w",
                "--repo",
                "https://h/r.git",
                "--token",
                "ghp",
            ],
            "workspace",
            "ws",
            &["https://h/r.git"],
        ),
        (
            &[
                "create",
                "agentconfig",
                "c",
                "--agents-md",
                "@AGENTS.md",
                "--mcp",
                "m={\"url\":\"https://h\"}",
            ],
            "agentconfig",
            "ac",
            &["m"],
        ),
        (
            &[
                "create",
                "provider",
                "p",
                "--agent-type",
                "codex",
                "--base-url",
                "https://h",
            ],
            "agentprovider",
            "providers",
            &["codex"],
        ),
        (
            &["create", "taskdefaults", "--timeout", "1h"],
            "taskdefaults",
            "td",
            &["1h"],
        ),
        (
            &[
                "create",
                "pipeline",
                "l",
                "-p",
                "x",
                "-t",
                "shell",
                "--workspace",
                "none",
            ],
            "taskpipeline",
            "tp",
            &["l"],
        ),
    ];
    for (create, kind, word, cells) in kinds {
        let said = plane.axon(create).ended(0);
        let name = said.out.trim_end().trim_end_matches(" created").to_owned();
        assert!(name.starts_with(&format!("{kind}.axon.io/")), "{name}");
        plane.axon(&["get", word]).ended(0).shows(cells);
        plane
            .axon(&["get", word, "-o", "name"])
            .ended(0)
            .out(&format!("{name}\n"));
        plane.axon(&["describe", &name]).ended(0).shows(&["Name:  "]);
        let names = plane.complete(&["describe", word, ""]);
        assert!(
            names.lines().any(|line| Some(line) == name.rsplit('/').next()),
            "{names}"
        );
        plane
            .axon(&["delete", &name])
            .ended(0)
            .shows(&[&format!("{kind}.axon.io \"")]);
    }
}

#[test]
fn an_object_that_is_there_is_changed_only_when_asked() {
    let plane = Plane::new();
    let create = |text: &str, more: &[&str]| {
        let mut arguments = vec!["create", "ac", "c", "--agents-md", text];
        arguments.extend(more);
        plane.axon(&arguments)
    };
    create("one", &[]).ended(0).out("agentconfig.axon.io/c created\n");
    create("one", &[])
        .ended(0)
        .out("agentconfig.axon.io/c unchanged\n");
    create("two", &[])
        .ended(1)
        .out("")
        .notes("agentconfig `c` exists with other content\nhint: --yes changes it");
    create("two", &["--dry-run=server", "--yes"])
        .ended(0)
        .out("agentconfig.axon.io/c configured (server dry run)\n");
    create("two", &["--yes"])
        .ended(0)
        .out("agentconfig.axon.io/c configured\n");
}

#[test]
fn the_namespaces_defaults_answer_what_flags_leave_open() {
    let plane = Plane::new();
    plane
        .axon(&["run", "-p", "x"])
        .ended(1)
        .notes("no credentials configured");
    plane
        .axon(&["create", "taskdefaults", "--type", "shell"])
        .ended(0);
    plane
        .axon(&["run", "-p", "true", "--name", "t", "--sandbox", "none", "-w"])
        .ended(0);
    plane
        .axon(&["get", "task", "t", "-o", "jsonpath={.spec.type}"])
        .ended(0)
        .out("");
    plane
        .axon(&["describe", "t"])
        .ended(0)
        .shows(&["shell", "TaskDefaults/default"]);
}
