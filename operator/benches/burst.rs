//! How many Jobs a second a running operator makes of Tasks that are created all at once.
//!
//! ```text
//! KUBECONFIG=... cargo bench -p axon-operator --bench burst -- --tasks 5000 --pid $(pidof axon-operator)
//! ```
//!
//! Works in a namespace of its own on the cluster that `KUBECONFIG` names, and deletes it at the
//! end. With `--pid` it also tells what that process used meanwhile.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axon_api::{Task, TaskSpec};
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

/// How often Jobs are counted.
const LOOK: Duration = Duration::from_millis(250);
/// Clock ticks a second in `/proc/PID/stat`, which Linux has fixed for user space.
const TICKS: u64 = 100;

#[derive(Parser)]
struct Options {
    /// How many Tasks to create
    #[arg(long, default_value_t = 5000)]
    tasks: u32,
    /// Requests in flight while they are created
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Process of the operator
    #[arg(long)]
    pid: Option<u32>,
    /// Only create the Tasks and do not wait for Jobs: what the server can do at best
    #[arg(long)]
    bare: bool,
    /// Leave the namespace and all that is in it
    #[arg(long)]
    keep: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // Another provider that is installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_default().await?;
    let namespace = format!("burst-{}", std::process::id());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let metadata = ObjectMeta {
        name: Some(namespace.clone()),
        ..ObjectMeta::default()
    };
    let object = Namespace {
        metadata,
        ..Namespace::default()
    };
    namespaces.create(&PostParams::default(), &object).await?;
    let measured = measure(&options, &client, &namespace).await;
    if !options.keep {
        namespaces.delete(&namespace, &DeleteParams::default()).await?;
    }
    let report = measured?;
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

async fn measure(options: &Options, client: &Client, namespace: &str) -> anyhow::Result<String> {
    let cpu_before = options.pid.map(cpu_seconds).transpose()?;
    let began = Instant::now();
    let tasks: Api<Task> = Api::namespaced(client.clone(), namespace);
    let create = stream::iter(0..options.tasks)
        .map(|number| create(&tasks, number))
        .buffer_unordered(options.in_flight)
        .try_for_each(|()| async { Ok(()) });
    let jobs: Api<PartialObjectMeta<Job>> = Api::namespaced(client.clone(), namespace);
    let created = async {
        create.await?;
        anyhow::Ok(began.elapsed())
    };
    if options.bare {
        let created: Duration = created.await?;
        return Ok(tasks_created(options, created));
    }
    let (created, (all, counts)) = tokio::try_join!(created, count(&jobs, options.tasks, began))?;
    let half = counts
        .iter()
        .find(|(_, jobs)| *jobs >= options.tasks / 2)
        .map_or(all, |(at, _)| *at);
    let mut report = tasks_created(options, created);
    writeln!(
        report,
        "{} Jobs after {:.1} s, {:.0}/s; half of them after {:.1} s",
        options.tasks,
        all.as_secs_f64(),
        f64::from(options.tasks) / all.as_secs_f64(),
        half.as_secs_f64(),
    )?;
    if let (Some(pid), Some(before)) = (options.pid, cpu_before) {
        let cpu = cpu_seconds(pid)? - before;
        writeln!(report, "operator: {cpu:.2} s of processor, {}", memory(pid)?)?;
    }
    Ok(report)
}

fn tasks_created(options: &Options, took: Duration) -> String {
    let rate = f64::from(options.tasks) / took.as_secs_f64();
    let seconds = took.as_secs_f64();
    format!("{} Tasks created in {seconds:.1} s, {rate:.0}/s\n", options.tasks)
}

async fn create(tasks: &Api<Task>, number: u32) -> anyhow::Result<()> {
    let spec = TaskSpec {
        type_: Some("shell".to_owned()),
        prompt: "echo hello".to_owned(),
        ..TaskSpec::default()
    };
    let task = Task::new(&format!("burst-{number}"), spec);
    tasks.create(&PostParams::default(), &task).await?;
    Ok(())
}

/// Counts the Jobs until there are `wanted`.
async fn count(
    jobs: &Api<PartialObjectMeta<Job>>,
    wanted: u32,
    began: Instant,
) -> anyhow::Result<(Duration, Vec<(Duration, u32)>)> {
    let mut counts = Vec::new();
    loop {
        let list = jobs.list(&ListParams::default().limit(1)).await?;
        let more = list.metadata.remaining_item_count.unwrap_or(0);
        let count = u32::try_from(more)? + u32::try_from(list.items.len())?;
        counts.push((began.elapsed(), count));
        if count >= wanted {
            return Ok((began.elapsed(), counts));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Processor seconds that a process has used.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    // The second field is the program's name in parentheses and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS).as_secs_f64())
}

/// The memory of a process, now and at its highest.
fn memory(pid: u32) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
    Ok(lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", "))
}
