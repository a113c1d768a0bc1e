//! Names that Axon derives. Each is a function of its owner's name, UID and attempt, so that doing
//! a thing twice names it the same.

use sha2::{Digest, Sha256};

/// Name of a Task's Job: the Task's name cut to 50 characters, the attempt, and six digits of the
/// UID's hash. A Task that is made anew under its old name does not meet the dying Job.
pub fn job(task: &str, uid: &str, attempt: i32) -> String {
    let cut: String = task.chars().take(50).collect();
    format!(
        "{}-{attempt}-{}",
        cut.trim_end_matches(['-', '.']).replace('.', "-"),
        short_hash(uid)
    )
}

/// Name of the Secret with a Job's run description.
pub fn run_secret(job: &str) -> String {
    format!("{job}-run")
}

/// Name of the Secret with the token that was made for a Task.
pub fn token_secret(task: &str, uid: &str) -> String {
    format!("{}-token", cut_with_hash(task, uid))
}

/// Name of the volume claim of a Task.
pub fn task_claim(task: &str, uid: &str) -> String {
    format!("{}-workspace", cut_with_hash(task, uid))
}

/// Name of the volume claim that the Tasks of a Workspace share.
pub fn workspace_claim(workspace: &str, uid: &str) -> String {
    format!("{}-workspace", cut_with_hash(workspace, uid))
}

/// Name of the Lease that keeps one branch of one repository for one Task at a time. `identity` is
/// [`crate::repository::identity`].
pub fn branch_lease(identity: &str, branch: &str) -> String {
    format!("axon-branch-{}", hex_digest(&format!("{identity}\n{branch}"), 16))
}

/// Name of the Task of run `number` of a TaskPipeline, for one of its steps. A name of more than 40
/// characters is cut, and then has six digits of the UID's hash, so that two do not meet.
pub fn step_task(pipeline: &str, uid: &str, step: &str, number: i32) -> String {
    let cut = if pipeline.chars().count() <= 40 {
        pipeline.to_owned()
    } else {
        let short: String = pipeline.chars().take(33).collect();
        format!("{}-{}", short.trim_end_matches(['-', '.']), short_hash(uid))
    };
    format!("{cut}-{}-{number}", step.to_ascii_lowercase())
}

/// Name of the Secret with the text that the step of a TaskPipeline ended with.
pub fn step_text(task: &str) -> String {
    format!("{task}-text")
}

/// Name of the ConfigMap with one part of what a TaskSpawner remembers.
pub fn spawner_memory(spawner: &str, uid: &str, shard: usize) -> String {
    format!("{}-memory-{shard}", cut_with_hash(spawner, uid))
}

/// What stands for a Task in the places of its TaskSpawner: 8 letters and digits, which are 40 bits of
/// the hash of its UID. A thousand of them have room in a status.
pub fn place(task_uid: &str) -> String {
    const DIGITS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
    ];
    let digest = Sha256::digest(task_uid.as_bytes());
    let digits = digest.iter().take(8);
    digits.map(|byte| DIGITS[usize::from(byte % 32)]).collect()
}

/// What stands for a webhook delivery, in keys of items and in the name of the Secret that keeps it:
/// 24 hexadecimal digits. `source` is `github` or that of a generic webhook.
pub fn delivery(source: &str, id: &str) -> String {
    hex_digest(&format!("{source}\n{id}"), 12)
}

/// Name of the Secret with a webhook delivery that is not yet a Task.
pub fn delivery_secret(source: &str, id: &str) -> String {
    format!("axon-delivery-{}", delivery(source, id))
}

/// The text's SHA-256, as 64 hexadecimal digits.
pub fn sha256(text: &str) -> String {
    hex_digest(text, 32)
}

fn cut_with_hash(name: &str, uid: &str) -> String {
    let cut: String = name.chars().take(40).collect();
    format!(
        "{}-{}",
        cut.trim_end_matches(['-', '.']).replace('.', "-"),
        short_hash(uid)
    )
}

/// The value of a label that names an object: cut to the 63 characters that a label may have.
pub fn label_value(name: &str) -> String {
    let cut: String = name.chars().take(63).collect();
    cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

fn short_hash(text: &str) -> String {
    hex_digest(text, 3)
}

/// The first `bytes` bytes of the text's SHA-256, in hexadecimal digits.
fn hex_digest(text: &str, bytes: usize) -> String {
    use std::fmt::Write as _;
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_task_attempt_and_uid() {
        assert_eq!(
            job("fix-bug", "a-uid", 1),
            format!("fix-bug-1-{}", short_hash("a-uid"))
        );
        assert_ne!(job("fix-bug", "a-uid", 1), job("fix-bug", "b-uid", 1));
        assert_ne!(job("fix-bug", "a-uid", 1), job("fix-bug", "a-uid", 2));
    }

    #[test]
    fn a_place_has_eight_letters_and_digits() {
        let places: std::collections::BTreeSet<String> =
            (0..1000).map(|number| place(&format!("uid-{number}"))).collect();
        assert_eq!(places.len(), 1000);
        assert!(
            places
                .iter()
                .all(|place| place.len() == 8 && place.chars().all(|c| c.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn a_task_of_a_step_is_named_by_pipeline_step_and_run() {
        assert_eq!(step_task("fix", "u", "pullRequest", 7), "fix-pullrequest-7");
        let long = "a".repeat(60);
        let name = step_task(&long, "u", "plan", 1);
        assert_eq!(name, format!("{}-{}-plan-1", "a".repeat(33), short_hash("u")));
        assert_ne!(name, step_task(&long, "v", "plan", 1));
    }

    #[test]
    fn the_longest_task_name_gives_a_job_name_that_fits_a_label() {
        let name = job(&"a".repeat(253), "uid", 9);
        assert!(name.len() <= 63, "{name}");
        assert!(!job(&format!("{}.b", "a".repeat(49)), "uid", 1).contains(".-"));
    }
}
