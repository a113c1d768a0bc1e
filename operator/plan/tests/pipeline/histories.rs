//! Whole histories, as they are told.

use std::fmt::Write as _;

use serde_json::json;

use crate::world::{End, World, fails, says};

/// What happens to a pipeline, one after the other.
enum Happens {
    Ends(End),
    Decides(&'static str, Option<&'static str>),
}

fn history(spec: serde_json::Value, happenings: Vec<Happens>) -> String {
    let mut world = World::of(spec);
    let mut told = String::new();
    world.settle();
    line(&mut told, "created", &world);
    for happens in happenings {
        world.now += 60;
        let what = match happens {
            Happens::Ends(end) => {
                let name = world.created.last().cloned().unwrap_or_default();
                let what = format!("{name} is {}", end.phase);
                world.runs().ends(end);
                what
            }
            Happens::Decides(decision, feedback) => {
                world.decide(decision, feedback);
                format!("{decision} by ann")
            }
        };
        line(&mut told, &what, &world);
    }
    let status = serde_json::to_string_pretty(&world.status()).expect("JSON");
    let _ = write!(
        told,
        "\nevents:\n  {}\nstatus: {status}\n",
        world.told.join("\n  ")
    );
    told
}

fn line(told: &mut String, what: &str, world: &World) {
    let (phase, reason, message) = world.said();
    let _ = writeln!(told, "{what}\n  -> {phase}/{reason}: {message}");
}

#[test]
fn from_a_plan_to_a_pull_request_with_an_approval_and_a_failed_test() {
    use Happens::{Decides, Ends};
    let spec = json!({
        "prompt": "add a page",
        "steps": [{ "name": "plan", "approval": true }, { "name": "implement" }, { "name": "test" }, { "name": "pullRequest" }],
    });
    insta::assert_snapshot!(history(
        spec,
        vec![
            Ends(says("a large plan")),
            Decides("Denied", Some("smaller")),
            Ends(says("a small plan")),
            Decides("Approved", None),
            Ends(says("done").with("commit", "abc")),
            Ends(says("broken\nAXON-RESULT: fail")),
            Ends(says("repaired").with("commit", "def")),
            Ends(says("AXON-RESULT: pass")),
            Ends(says("opened").with("pr", "https://github.com/o/r/pull/12")),
        ]
    ));
}

#[test]
fn to_the_end_of_all_retries() {
    use Happens::Ends;
    let spec =
        json!({ "prompt": "p", "maxRetries": 1, "steps": [{ "name": "plan" }, { "name": "implement" }] });
    insta::assert_snapshot!(history(
        spec,
        vec![
            Ends(says("a plan")),
            Ends(fails("exit code 1")),
            Ends(fails("exit code 1"))
        ]
    ));
}
