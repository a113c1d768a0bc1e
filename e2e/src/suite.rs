//! Runs the scenarios on one plane, several at a time, and says how each ended.
//!
//! It stands in place of the standard test harness, because all scenarios share one plane, which
//! must be ended after the last one, and some may only run alone.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};

use crate::git::GitServer;
use crate::llm::Llm;
use crate::plane::{Plane, PlaneKind};
use crate::scenarios::{Company, SCENARIOS, Scenario};
use crate::world::{Shared, World};

/// No scenario may take longer: it would be stuck. `AXON_E2E_LONGEST` gives other seconds, for one that
/// is told to do more.
const LONGEST: Duration = Duration::from_mins(5);

/// What the suite was told on its command line, as the standard harness takes it.
#[derive(Debug, Default)]
struct Options {
    /// Only scenarios with one of these in their names; all if there are none.
    filters: Vec<String>,
    exact: bool,
    list: bool,
    threads: Option<usize>,
}

/// Runs the scenarios of one plane that the command line selects.
pub fn main(kind: PlaneKind) -> ExitCode {
    let options = Options::read(std::env::args().skip(1));
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| scenario.is_for(kind) && options.selects(scenario.name))
        .collect();
    if options.list {
        for scenario in &chosen {
            say(&format!("{}: test", scenario.name));
        }
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        say("no scenario is selected");
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("failed to start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(kind, &chosen, options.threads.unwrap_or(4))) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs them all and returns how many failed.
async fn run(kind: PlaneKind, chosen: &[&Scenario], threads: usize) -> anyhow::Result<usize> {
    let plane = Plane::start(kind).await?;
    let host = plane.host()?;
    let shared = Arc::new(Shared {
        llm: Llm::start(host.address, &host.name).await?,
        git: GitServer::start(host.address, &host.name).await?,
        plane,
    });
    say(&format!("running {} scenarios", chosen.len()));
    let mut failures = Vec::new();
    for (company, at_once) in [(Company::Others, threads.max(1)), (Company::Alone, 1)] {
        let group = chosen.iter().filter(|scenario| scenario.company() == company);
        let mut running = futures::stream::iter(group)
            .map(|scenario| one(&shared, scenario))
            .buffer_unordered(at_once);
        while let Some((name, result)) = running.next().await {
            match result {
                Ok(()) => say(&format!("test {name} ... ok")),
                Err(error) => {
                    say(&format!("test {name} ... FAILED"));
                    failures.push((name, error));
                }
            }
        }
    }
    let ended = shared.plane.end().await;
    for (name, error) in &failures {
        say(&format!("\n---- {name} ----\n{error:#}"));
    }
    if !failures.is_empty() || ended.is_err() {
        say(&format!(
            "\n---- the plane's last words ----\n{}",
            shared.plane.log()
        ));
    }
    // The words of the standard harness, which scripts count.
    say(&format!(
        "\ntest result: {}. {} passed; {} failed",
        if failures.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failures.len(),
        failures.len()
    ));
    ended?;
    Ok(failures.len())
}

async fn one<'a>(shared: &Arc<Shared>, scenario: &'a Scenario) -> (&'a str, anyhow::Result<()>) {
    let work = async {
        let world = World::new(Arc::clone(shared), scenario.name).await?;
        // A panic is this scenario's failure and no other's.
        AssertUnwindSafe(scenario.run(world))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("panicked")))
    };
    let longest = std::env::var("AXON_E2E_LONGEST")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .map_or(LONGEST, Duration::from_secs);
    let result = tokio::time::timeout(longest, work)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("not done after {} s", longest.as_secs())));
    (scenario.name, result)
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self::default();
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--exact" => options.exact = true,
                "--list" => options.list = true,
                "--test-threads" => {
                    options.threads = arguments.next().and_then(|number| number.parse().ok());
                }
                flag if flag.starts_with('-') => {
                    if let Some(number) = flag.strip_prefix("--test-threads=") {
                        options.threads = number.parse().ok();
                    }
                }
                _ => options.filters.push(argument),
            }
        }
        options
    }

    fn selects(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self.filters.iter().any(|filter| {
                if self.exact {
                    filter == name
                } else {
                    name.contains(filter.as_str())
                }
            })
    }
}

/// Prints a line on standard output, where the results are.
pub(crate) fn say(line: &str) {
    // Nobody is left to be told when standard output is closed.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::read(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn the_standard_arguments_are_understood() {
        let options = options(&["--quiet", "--test-threads=3", "push", "--exact"]);
        assert_eq!(options.threads, Some(3));
        assert!(options.selects("push") && !options.selects("a_push"));
    }

    #[test]
    fn without_a_filter_all_are_selected() {
        assert!(options(&["--test-threads", "2"]).selects("anything"));
        assert!(!options(&["push"]).selects("pull"));
    }
}
