//! The prompts of the four known steps, and what is added to every prompt of an agent.

use super::steps::{Known, Recipe};
use super::verdict::{FAIL, PASS};

/// The template of a known step, for an agent.
pub(crate) fn template(known: Known) -> &'static str {
    match known {
        Known::Plan => PLAN,
        Known::Implement => IMPLEMENT,
        Known::Test => TEST,
        Known::PullRequest => PULL_REQUEST,
    }
}

const PLAN: &str = "\
Plan a change to the repository in the current directory. Do not make it: edit no file, commit nothing, push nothing. \
Another agent will carry out your plan, and will know of your work only what you answer.

<task>
{{.Prompt}}
</task>
{{if .Source.URL}}
The task comes from {{.Source.URL}}; read it there if that helps.
{{end}}
Read the code that the task is about before you decide. Then answer with the plan:
1. what is to be different when it is done, and how one can tell;
2. the files to change, and in each what to change and why;
3. the tests to add or adapt, and the command that runs them;
4. what may go wrong, and what is left out on purpose.
Name files and functions exactly. If the task is already done or cannot be done, say so and why.
";

const IMPLEMENT: &str = "\
Make a change to the repository in the current directory, on the branch `{{.Branch}}`, which is checked out. \
The branch may have commits of an earlier try: look at them first and go on from there.

<task>
{{.Prompt}}
</task>
{{if .Plan}}
<plan>
{{.Plan}}
</plan>
{{end}}
Follow the plan where there is one; where it turns out to be wrong, do what the task needs and say so. \
Keep to the style of the code around. Add or adapt tests, and run those that your change concerns.
When it works, commit everything with a message that says what changes and why, and push the branch `{{.Branch}}` to origin. \
What is not pushed is lost. Do not open a pull request: a later step does.
Answer with what you changed, and what you left undone.
";

const TEST: &str = "\
Test the branch `{{.Branch}}`, which is checked out in the current directory. Change no file and commit nothing: \
if something is broken, another agent will repair it and will know only what you answer.

<task>
{{.Prompt}}
</task>

Find out how the project is built, checked and tested (its README, CI configuration, Makefile or package file), \
and run all of it that can run here. Then look at what the branch changes{{if .BaseBranch}} compared with `{{.BaseBranch}}`{{end}}, \
and check that it does what the task asks for.
The result is a pass only if the branch has commits for the task, it builds, and every test that ran has passed. \
A test that already failed without the change does not count against it; say which.
If it is not a pass, quote the commands that failed with the end of their output, and say where the cause seems to be.
";

const PULL_REQUEST: &str = "\
Open a pull request from the branch `{{.Branch}}`, which is checked out in the current directory, \
to {{if .BaseBranch}}`{{.BaseBranch}}`{{else}}the repository's default branch{{end}}.

<task>
{{.Prompt}}
</task>
{{if .Implementation}}
<what-was-done>
{{.Implementation}}
</what-was-done>
{{end}}
Push the branch first if origin does not have its last commit; change nothing else. \
If there is an open pull request from this branch already, use that one and bring its description up to date; never open a second one.
With the GitHub CLI: `gh pr list --head {{.Branch}} --state open`, `gh pr create --head {{.Branch}}{{if .BaseBranch}} --base {{.BaseBranch}}{{end}} --title ... --body ...`.
The title says what changes. The description says why, how it was tested{{if .Source.Reference}}, and has the line `Closes {{.Source.Reference}}`{{end}}.
End your answer with the address of the pull request on a line of its own.
";

/// What is said to an agent beside its instructions.
#[derive(Debug, Default)]
pub(crate) struct Circumstances<'a> {
    /// Why the step is done (again), with the step that has failed.
    pub(crate) failure: Option<(&'a str, String)>,
    /// What a person wants to be different.
    pub(crate) feedback: Option<String>,
}

/// Appends to the instructions what this run is about, as far as the template has not said it, and
/// how it is to end.
pub(crate) fn complete(instructions: &str, recipe: &Recipe<'_>, about: &Circumstances<'_>) -> String {
    let mut prompt = instructions.trim_end().to_owned();
    let mut add = |section: String| {
        prompt.push_str("\n\n");
        prompt.push_str(&section);
    };
    if let Some((step, failure)) = &about.failure
        && !recipe.template.contains(".Failure")
    {
        add(if *step == recipe.name {
            format!(
                "This has been tried before and has failed. Look at what is there already, and avoid what went wrong:\n<failure>\n{failure}\n</failure>"
            )
        } else {
            format!(
                "This has been done before, and after it the step `{step}` has failed. What has to be repaired:\n<failure>\n{failure}\n</failure>"
            )
        });
    }
    if let Some(feedback) = &about.feedback
        && !recipe.template.contains(".Feedback")
    {
        add(format!(
            "A person has looked at the result of an earlier try and wants something to be different:\n<feedback>\n{feedback}\n</feedback>"
        ));
    }
    if let Some(turns) = recipe.turns {
        add(format!(
            "You have {turns} turns at most, after which the run is ended: be done before."
        ));
    }
    if recipe.judges {
        add(format!(
            "End your answer with exactly one of these two lines, and write nothing after it:\n{PASS}\n{FAIL}"
        ));
    }
    prompt.push('\n');
    prompt
}
