//! The plane is killed while agents run.

use std::fs;

use axon_api::kinds::task::{Phase, Task};

use k8s_openapi::api::core::v1::Pod;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Plane, create, on_a_plane, open, output, phase, pod, reaches, script, until};

fn phase_of(task: Option<&Task>) -> Option<Phase> {
    task?.status.as_ref()?.phase
}

#[test]
fn an_agent_goes_on_when_the_plane_is_killed_and_is_reported_by_the_next_one() {
    on_a_plane(|plane: Plane| async move {
        let gate = plane.gate("gate");
        let starts = plane.file("starts");
        let prompt = format!(
            "echo started >> {}; read line < {}; echo \"$line\" >> {0}",
            starts.display(),
            gate.display()
        );
        let client = plane.client().await;
        create::<Task>(&client, script("run", &prompt)).await;
        until(|| starts.exists()).await;

        plane.crash().await;
        let client = plane.client().await;
        open(&gate).await;
        let task = reaches(&client, "run", |task: Option<&Task>| {
            phase_of(task).is_some_and(|phase| phase == Phase::Succeeded || phase == Phase::Failed)
        })
        .await;
        assert_eq!(phase_of(Some(&task)), Some(Phase::Succeeded), "{task:?}");
        assert_eq!(fs::read_to_string(&starts).expect("written"), "started\ngo\n");
    });
}

#[test]
fn an_agent_that_ended_without_a_plane_is_reported_by_the_next_one() {
    on_a_plane(|plane: Plane| async move {
        let gate = plane.gate("gate");
        let starts = plane.file("starts");
        let prompt = format!(
            "echo started >> {}; read line < {}; exit 3",
            starts.display(),
            gate.display()
        );
        let client = plane.client().await;
        let task: Task = create(&client, script("run", &prompt)).await;
        until(|| starts.exists()).await;

        plane.crash().await;
        open(&gate).await;
        let pods = plane.directory.root().join("pods");
        let ended = || {
            let folders = fs::read_dir(&pods).expect("pods").flatten();
            folders
                .into_iter()
                .any(|folder| folder.path().join("agent.exit").exists())
        };
        until(ended).await;
        let client = plane.client().await;
        let name = task.metadata.name.expect("a name");
        let task = reaches(&client, &name, |task: Option<&Task>| {
            phase_of(task) == Some(Phase::Failed)
        })
        .await;
        let status = task.status.expect("a status");
        assert_eq!(status.exit_code, Some(3));
        assert_eq!(fs::read_to_string(&starts).expect("written"), "started\n");
    });
}

#[test]
fn a_container_whose_supervisor_is_killed_runs_on_and_is_reported_as_lost() {
    on_a_plane(|plane: Plane| async move {
        let gate = plane.gate("gate");
        let numbers = plane.file("numbers");
        let command = format!(
            "echo $PPID > {0}.draft; mv {0}.draft {0}; read line < {1}; echo end",
            numbers.display(),
            gate.display()
        );
        let client = plane.client().await;
        create::<Pod>(&client, pod("orphan", "none", &["sh", "-c", &command])).await;
        until(|| numbers.exists()).await;
        let supervisor = fs::read_to_string(&numbers).expect("written");
        let supervisor = supervisor.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(supervisor.expect("a process"), Signal::KILL).expect("killed");

        open(&gate).await;
        let lost = reaches(&client, "orphan", |pod: Option<&Pod>| {
            matches!(phase(pod), Some("Succeeded" | "Failed"))
        })
        .await;
        let status = lost.status.and_then(|status| status.container_statuses);
        let state = status.and_then(|mut statuses| statuses.pop()?.state?.terminated);
        let terminated = state.expect("terminated");
        assert_eq!(
            (terminated.exit_code, terminated.message.as_deref()),
            (137, Some("lost"))
        );
        assert_eq!(output(&client, "orphan").await, "end\n");
    });
}

#[test]
fn many_tasks_run_once_each_while_the_plane_is_killed_again_and_again() {
    const TASKS: usize = 12;
    on_a_plane(|plane: Plane| async move {
        let starts = plane.file("starts");
        for index in 0..TASKS {
            let client = plane.client().await;
            let prompt = format!("echo {index} >> {}", starts.display());
            create::<Task>(&client, script(&format!("run-{index}"), &prompt)).await;
            if index % 3 == 0 {
                plane.crash().await;
            }
        }
        let client = plane.client().await;
        for index in 0..TASKS {
            let task = reaches(&client, &format!("run-{index}"), |task: Option<&Task>| {
                task.and_then(|task| task.status.as_ref()?.completion_time.as_ref())
                    .is_some()
            })
            .await;
            assert_eq!(phase_of(Some(&task)), Some(Phase::Succeeded), "{task:?}");
        }
        let text = fs::read_to_string(&starts).expect("written");
        let mut started: Vec<usize> = text.lines().map(|line| line.parse().expect("a number")).collect();
        started.sort_unstable();
        assert_eq!(started, (0..TASKS).collect::<Vec<_>>());
    });
}
