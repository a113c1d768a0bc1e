//! Which images an installation uses.

use std::collections::BTreeMap;

use super::VERSION;

/// What flags say of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Images {
    /// The tag of all images that are not named whole; `None` means this program's version.
    pub(crate) version: Option<String>,
    /// Where all images that are not named whole come from, such as `registry.example.com/axon`.
    pub(crate) registry: Option<String>,
    /// The operator's image, whole.
    pub(crate) operator: Option<String>,
    /// The image with git, whole.
    pub(crate) git: Option<String>,
    /// Images of agent types, whole.
    pub(crate) agents: BTreeMap<String, String>,
    pub(crate) pull_policy: Option<String>,
}

impl Images {
    /// The operator's image, where `chart` is what the chart has.
    pub(crate) fn operator(&self, chart: &str) -> String {
        match &self.operator {
            Some(image) => image.clone(),
            None => self.moved(chart),
        }
    }

    /// The flags of the operator that name images, without leading dashes. Those that are left out
    /// are as the operator has them by itself.
    pub(crate) fn flags(&self, chart: &str) -> Vec<(String, String)> {
        let mut flags = vec![("runner-image".to_owned(), self.operator(chart))];
        let is_moved = self.version.is_some() || self.registry.is_some();
        let git = match &self.git {
            Some(image) => Some(image.clone()),
            None => is_moved.then(|| self.moved(&standard("git"))),
        };
        let mut agents = BTreeMap::new();
        if is_moved {
            let names = axon_agents::NAMES.iter().filter(|name| **name != "shell");
            agents.extend(names.map(|name| ((*name).to_owned(), self.moved(&standard(name)))));
        }
        if let Some(image) = git {
            // Scripts run in the image with git.
            agents.insert("shell".to_owned(), image.clone());
            flags.push(("git-image".to_owned(), image));
        }
        agents.extend(self.agents.clone());
        flags.extend(
            agents
                .into_iter()
                .map(|(name, image)| ("agent-image".to_owned(), format!("{name}={image}"))),
        );
        if let Some(policy) = &self.pull_policy {
            flags.push(("image-pull-policy".to_owned(), policy.clone()));
        }
        flags
    }

    /// The image with the tag and in the registry that the flags name.
    fn moved(&self, image: &str) -> String {
        let (name, tag) = split_tag(image);
        let tag = self.version.as_deref().or(tag).unwrap_or(VERSION);
        match &self.registry {
            None => format!("{name}:{tag}"),
            Some(registry) => format!("{}/{}:{tag}", registry.trim_end_matches('/'), path(name)),
        }
    }
}

/// The image of a part by this version's own name.
fn standard(part: &str) -> String {
    format!("axon/{part}:{VERSION}")
}

/// The image's name, and its tag if it has one; a digest counts for nothing.
pub(crate) fn split_tag(image: &str) -> (&str, Option<&str>) {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        // A colon before the last slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

/// The name without the host of a registry.
fn path(name: &str) -> &str {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = "axon/operator:0.1.0";

    #[test]
    fn the_names_are_those_that_the_operator_has_by_itself() {
        let known = axon_plan::Settings::default();
        assert_eq!(standard("git"), known.git_image);
        assert_eq!(standard("operator"), known.runner_image);
        for (name, image) in known.agent_images.iter().filter(|(name, _)| *name != "shell") {
            assert_eq!(standard(name), *image);
        }
        assert_eq!(known.agent_images["shell"], standard("git"));
    }

    #[test]
    fn without_flags_only_the_runner_is_named() {
        let flags = Images::default().flags(CHART);
        assert_eq!(flags, [("runner-image".to_owned(), CHART.to_owned())]);
    }

    #[test]
    fn a_registry_and_a_version_move_every_image_that_is_not_named_whole() {
        let images = Images {
            version: Some("9.9.9".into()),
            registry: Some("mirror.example.com:5000/team/".into()),
            agents: BTreeMap::from([("codex".to_owned(), "my/codex".to_owned())]),
            ..Images::default()
        };
        let flags: Vec<String> = images
            .flags("registry.example.com/axon/operator:0.1.0")
            .into_iter()
            .map(|(flag, value)| format!("{flag} {value}"))
            .collect();
        let mirror = "mirror.example.com:5000/team/axon";
        assert_eq!(
            flags,
            [
                format!("runner-image {mirror}/operator:9.9.9"),
                format!("git-image {mirror}/git:9.9.9"),
                format!("agent-image claude-code={mirror}/claude-code:9.9.9"),
                "agent-image codex=my/codex".to_owned(),
                format!("agent-image gemini={mirror}/gemini:9.9.9"),
                format!("agent-image opencode={mirror}/opencode:9.9.9"),
                format!("agent-image shell={mirror}/git:9.9.9"),
            ]
        );
    }

    #[test]
    fn a_port_is_no_tag_and_a_digest_is_dropped() {
        for (image, parts) in [
            ("a/b:1", ("a/b", Some("1"))),
            ("h:5000/a", ("h:5000/a", None)),
            ("h:5000/a:2@sha256:00", ("h:5000/a", Some("2"))),
            ("a", ("a", None)),
        ] {
            assert_eq!(split_tag(image), parts, "{image}");
        }
    }
}
