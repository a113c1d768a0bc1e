//! The flags of `install` and `upgrade`.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use super::images::Images;
use super::manifest::{Parts, Wanted};
use super::server::Conflicts;
use super::{NAMESPACE, Wait};
use crate::cli::Context;
use crate::complete;
use crate::failure::{Failure, Result};
use crate::output::Format;
use crate::parts::seconds;
use crate::writing::DryRun;

/// What is installed, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct InstallFlags {
    /// Only show what would be applied: without asking the server, or as it would answer
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,

    /// Print the objects as yaml, json, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) output: Option<Format>,

    #[command(flatten)]
    parts: PartFlags,

    /// Tag of all images that are not named whole; default: this program's version
    #[arg(long, value_name = "TAG", help_heading = "Images")]
    version: Option<String>,

    /// Registry, and folder in it, of all images that are not named whole
    #[arg(long, value_name = "REGISTRY", help_heading = "Images")]
    image_registry: Option<String>,

    /// The operator's image
    #[arg(long, value_name = "IMAGE", help_heading = "Images")]
    image: Option<String>,

    /// The image with git, in which scripts run too
    #[arg(long, value_name = "IMAGE", help_heading = "Images")]
    git_image: Option<String>,

    /// The image of an agent type; may be given more than once
    #[arg(long = "agent-image", value_name = "TYPE=IMAGE", help_heading = "Images", add = types_with_image())]
    agent_images: Vec<String>,

    /// When images are pulled, of the operator and of tasks
    #[arg(long, value_name = "POLICY", help_heading = "Images", value_parser = PossibleValuesParser::new(["Always", "IfNotPresent", "Never"]))]
    image_pull_policy: Option<String>,

    /// Replicas of the operator: one works, the others stand by
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=100))]
    replicas: Option<u32>,

    /// The only namespace whose tasks the operator runs; its rights stay those of the whole cluster
    #[arg(long, value_name = "NAMESPACE", add = complete::namespaces())]
    watch_namespace: Option<String>,

    /// Take over fields that another program keeps, such as Helm
    #[arg(long)]
    force_conflicts: bool,

    /// Replace definitions by older ones; the server then drops fields of objects
    #[arg(long)]
    pub(crate) allow_downgrade: bool,

    /// Whether to wait until the operator is available
    #[arg(long, value_enum, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub(crate) wait: Wait,

    /// How long to wait for the operator, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
}

/// Which parts of an installation.
#[derive(Args, Clone, Debug)]
struct PartFlags {
    /// The definitions alone, without the operator
    #[arg(long, conflicts_with = "skip_crds")]
    crds_only: bool,

    /// All but the definitions
    #[arg(long)]
    skip_crds: bool,
}

impl InstallFlags {
    /// What the flags ask for.
    pub(crate) fn wanted(&self, context: &Context) -> Result<Wanted> {
        let parts = match (self.parts.crds_only, self.parts.skip_crds) {
            (true, _) => Parts::Definitions,
            (_, true) => Parts::Operator,
            _ => Parts::All,
        };
        let images = Images {
            version: self.version.clone(),
            registry: self.image_registry.clone(),
            operator: self.image.clone(),
            git: self.git_image.clone(),
            agents: agent_images(&self.agent_images)?,
            pull_policy: self.image_pull_policy.clone(),
        };
        if let Some(version) = images.version.as_deref().filter(|version| !is_tag(version)) {
            return Err(Failure::new(format!("invalid --version value `{version}`"))
                .hint("it is the tag of images, such as 1.2.3: letters, digits, `_`, `.` and `-`"));
        }
        Ok(Wanted {
            namespace: namespace(context),
            parts,
            images,
            replicas: self.replicas,
            watch_namespace: self.watch_namespace.clone(),
        })
    }

    pub(crate) fn conflicts(&self) -> Conflicts {
        if self.force_conflicts {
            Conflicts::Force
        } else {
            Conflicts::Refuse
        }
    }

    pub(crate) fn timeout(&self) -> Result<Duration> {
        let seconds = seconds("--timeout", &self.timeout)?;
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
    }
}

/// The operator's namespace: the flag's. That of kubeconfig and config file is where people work.
pub(crate) fn namespace(context: &Context) -> String {
    context
        .global
        .namespace
        .clone()
        .unwrap_or_else(|| NAMESPACE.to_owned())
}

/// A tag has at most 128 characters, and is a label's value here too, which has at most 63.
fn is_tag(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| plain(*byte))
}

fn agent_images(flags: &[String]) -> Result<BTreeMap<String, String>> {
    let names = axon_agents::NAMES;
    flags
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, image)) if names.contains(&name) && !image.is_empty() => {
                Ok((name.to_owned(), image.to_owned()))
            }
            _ => Err(
                Failure::new(format!("invalid --agent-image value `{text}`")).hint(format!(
                    "write TYPE=IMAGE, where TYPE is one of {}",
                    names.join(", ")
                )),
            ),
        })
        .collect()
}

/// Completes `TYPE=`, after which the image is to be typed.
fn types_with_image() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        axon_agents::NAMES
            .iter()
            .map(|name| CompletionCandidate::new(format!("{name}=")))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_image_names_a_type() {
        let images = |text: &str| agent_images(&[text.to_owned()]);
        assert_eq!(
            images("codex=a:1"),
            Ok(BTreeMap::from([("codex".to_owned(), "a:1".to_owned())]))
        );
        for text in ["codex", "codex=", "cobol=a"] {
            assert!(
                images(text).is_err_and(|failure| failure.render().contains("gemini")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_version_is_a_tag() {
        for (text, valid) in [
            ("1.2.3", true),
            ("v1_a", true),
            ("", false),
            ("a/b", false),
            ("1.", false),
        ] {
            assert_eq!(is_tag(text), valid, "{text}");
        }
    }
}
