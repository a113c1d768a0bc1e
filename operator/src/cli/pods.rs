//! The flags about the pods of all Tasks.

use axon_plan::{CaBundle, Settings};
use clap::Args;
use k8s_openapi::api::core::v1::ResourceRequirements;

#[derive(Debug, Args)]
pub(super) struct PodOptions {
    /// A variable of the clones and agents of all Tasks, such as `HTTPS_PROXY=http://proxy:3128`; can be
    /// given many times. TaskDefaults, providers and Tasks can say otherwise
    #[arg(long = "pod-env", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,

    /// A `ConfigMap` of every namespace with Tasks, and its key with the certificates in PEM that clones and
    /// agents trust instead of their images'
    #[arg(long = "pod-ca", env = "AXON_POD_CA", value_name = "CONFIGMAP/KEY", value_parser = ca_bundle)]
    ca: Option<CaBundle>,

    /// Resources of the agent's container, as a JSON object with requests and limits, for Tasks of a type
    /// for which neither they nor their TaskDefaults have any; can be given many times
    #[arg(long = "agent-resources", value_name = "TYPE=JSON", value_parser = agent_resources)]
    agent_resources: Vec<(String, ResourceRequirements)>,
}

impl PodOptions {
    /// Tells the settings.
    pub(super) fn put_into(&self, settings: &mut Settings) {
        settings.pod_env.extend(self.variables.iter().cloned());
        settings.pod_ca.clone_from(&self.ca);
        let resources = self.agent_resources.iter().cloned();
        settings.agent_resources.extend(resources);
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("must be NAME=VALUE".to_owned());
    };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_of_name) {
        return Err(format!("`{name}` is no name of a variable"));
    }
    if axon_plan::is_reserved_variable(name) {
        return Err(format!("`{name}` is a variable that Axon keeps for itself"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn ca_bundle(text: &str) -> Result<CaBundle, String> {
    match text.split_once('/') {
        Some((config_map, key)) if !config_map.is_empty() && !key.is_empty() && !key.contains('/') => {
            Ok(CaBundle {
                config_map: config_map.to_owned(),
                key: key.to_owned(),
            })
        }
        _ => Err("must be CONFIGMAP/KEY".to_owned()),
    }
}

fn agent_resources(text: &str) -> Result<(String, ResourceRequirements), String> {
    let Some((name, json)) = text.split_once('=') else {
        return Err("must be TYPE=JSON".to_owned());
    };
    let name = super::agent_type(name)?;
    let resources = serde_json::from_str(json);
    let resources =
        resources.map_err(|error| format!("the resources of `{name}` cannot be read: {error}"))?;
    Ok((name, resources))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        pods: PodOptions,
    }

    fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
        let alone = Alone::try_parse_from(["test"].iter().chain(arguments))?;
        let mut settings = Settings::default();
        alone.pods.put_into(&mut settings);
        Ok(settings)
    }

    #[test]
    fn values_may_have_commas_and_equals_signs() {
        let settings = settings(&[
            "--pod-env=NO_PROXY=.svc,10.0.0.0/8",
            "--pod-env=OPTIONS=a=b",
            "--pod-ca=trusted/ca-bundle.crt",
            r#"--agent-resources=codex={"limits":{"memory":"4Gi"}}"#,
        ])
        .expect("settings");
        assert_eq!(settings.pod_env["NO_PROXY"], ".svc,10.0.0.0/8");
        assert_eq!(settings.pod_env["OPTIONS"], "a=b");
        assert_eq!(settings.pod_ca.expect("a bundle").key, "ca-bundle.crt");
        let limits = settings.agent_resources["codex"].limits.clone().expect("limits");
        assert_eq!(limits["memory"].0, "4Gi");
    }

    #[test]
    fn what_no_pod_can_have_is_refused() {
        for argument in [
            "--pod-env=NO_PROXY",
            "--pod-env=1=a",
            "--pod-env=A B=a",
            "--pod-env=AXON_RUN=a",
            "--pod-ca=trusted",
            "--pod-ca=/key",
            "--agent-resources=cobol={}",
            "--agent-resources=codex=4Gi",
        ] {
            assert!(settings(&[argument]).is_err(), "{argument}");
        }
    }
}
