//! The Helm chart, as far as it can be looked at without a cluster: real Helm renders it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use axon_e2e::chart::{self, KUBERNETES};
use axon_e2e::plane::{helm, program};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt as _;
use serde_json::Value;
use tokio::process::Command;

#[tokio::test]
async fn what_is_generated_is_as_it_would_be_generated_now() -> anyhow::Result<()> {
    let out = Command::new(chart::folder().join("generate"))
        .arg("--check")
        .env("HELM", helm()?)
        .env("AXON_OPERATOR", program("axon-operator")?)
        .output()
        .await?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

#[tokio::test]
async fn helm_has_nothing_to_say_against_the_chart_with_any_of_its_values() -> anyhow::Result<()> {
    let values = chart::values()?;
    ensure!(values.len() >= 8, "only {} files of values", values.len());
    for file in values {
        let out = chart::command()?
            .args([
                "lint",
                "--strict",
                "--kube-version",
                KUBERNETES,
                "--namespace=axon-system",
            ])
            .arg("--values")
            .arg(&file)
            .arg(chart::folder())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&out.stdout);
        ensure!(out.status.success(), "{}: {said}", file.display());
    }
    Ok(())
}

#[tokio::test]
async fn the_definitions_are_those_of_the_operator_and_outlive_the_release() -> anyhow::Result<()> {
    let rendered = chart::template(&["--show-only=templates/crds.yaml"]).await?;
    let rendered: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&rendered)?;
    let own = axon_api::crd::all();
    ensure!(rendered.len() == own.len(), "{} definitions", rendered.len());
    for own in own {
        let name = own.name_any();
        let mut found = rendered.iter().filter(|found| found.name_any() == name);
        let found = found.next().with_context(|| format!("no {name}"))?;
        ensure!(found.spec == own.spec, "{name} is another one");
        let policy = found.annotations().get("helm.sh/resource-policy");
        ensure!(
            policy.is_some_and(|policy| policy == "keep"),
            "{name}: {policy:?}"
        );
    }
    let gone = chart::template(&["--show-only=templates/crds.yaml", "--set=crds.keep=false"]).await?;
    ensure!(
        !gone.contains("resource-policy"),
        "they go with the release when asked to"
    );
    Ok(())
}

#[tokio::test]
async fn the_operator_understands_every_flag_that_it_is_given() -> anyhow::Result<()> {
    for file in chart::values()? {
        let values = format!("--values={}", file.display());
        let deployment =
            documents(&chart::template(&[&values, "--show-only=templates/deployment.yaml"]).await?)?;
        let arguments = deployment[0]["spec"]["template"]["spec"]["containers"][0]["args"].clone();
        let arguments: Vec<String> = serde_json::from_value(arguments)?;
        let out = Command::new(program("axon-operator")?)
            .args(&arguments)
            .args(["--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"])
            .env_clear()
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null())
            .output()
            .await?;
        let said = String::from_utf8_lossy(&out.stderr);
        // It gets as far as it can get without a cluster.
        ensure!(
            said.contains("failed to find a cluster"),
            "{}: {said}",
            file.display()
        );
    }
    Ok(())
}

/// Values that are refused, and what is said of them: what is wrong, and what to do.
const REFUSED: &[(&[&str], &[&str])] = &[
    (&["--set=replica=2"], &["replica", "additional properties"]),
    (
        &["--set=webhook.ingres.enabled=true"],
        &["webhook", "ingres", "additional properties"],
    ),
    (&["--set-string=replicas=two"], &["replicas", "want integer"]),
    (&["--set=log.format=xml"], &["format", "'json', 'text'"]),
    (&["--set=rbac.secrets=some"], &["rbac/secrets", "'all'"]),
    (
        &["--set=defaults.timeout=1week"],
        &["timeout", "does not match pattern"],
    ),
    (
        &["--set=replicas=2,leaderElection.enabled=false"],
        &[
            "replicas is more than 1 and leaderElection.enabled is false",
            "set leaderElection.enabled=true",
        ],
    ),
    (
        &["--set=metrics.service.enabled=false,metrics.serviceMonitor.enabled=true"],
        &["would find nothing", "set metrics.service.enabled=true"],
    ),
    (
        &["--set=webhook.enabled=true"],
        &["no signature could be checked", "make a Secret"],
    ),
    (
        &["--set=webhook.ingress.enabled=true"],
        &["lead nowhere", "set webhook.enabled=true"],
    ),
    (
        &["--set=replicas=2,podDisruptionBudget.maxUnavailable=1"],
        &["takes one of them", "set the other to null"],
    ),
    (
        &["--set=watchNamespaces={a},rbac.secrets[0].namespace=b,rbac.secrets[0].name=key"],
        &[
            "namespace `b`, which is not among watchNamespaces (a)",
            "add it there",
        ],
    ),
    (
        &["--set=networkPolicy.agents.enabled=true"],
        &["nothing says where", "name those with Tasks"],
    ),
    (
        &["--set=serviceAccount.create=false"],
        &["nobody is there to give rights to", "name the service account"],
    ),
    (
        &["--set=watchNamespaces={a},selftest.namespace=b"],
        &["`b`, which is not among watchNamespaces (a)", "name one of them"],
    ),
];

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused_with_what_to_do() -> anyhow::Result<()> {
    for (arguments, sentences) in REFUSED {
        let error = chart::template(arguments).await.err();
        let said = error
            .with_context(|| format!("{arguments:?} is let pass"))?
            .to_string();
        for sentence in *sentences {
            ensure!(
                said.contains(sentence),
                "{arguments:?}: `{sentence}` is not said in: {said}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_is_too_old_is_refused() -> anyhow::Result<()> {
    let out = chart::command()?
        .args(["template", "axon", "--kube-version=1.30.9"])
        .arg(chart::folder())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(!out.status.success(), "it is let pass");
    ensure!(said.contains("requires kubeVersion: >=1.31.0-0"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_schema_and_the_values_name_the_same_things() -> anyhow::Result<()> {
    let read = |name: &str| std::fs::read_to_string(chart::folder().join(name));
    let schema: Value = serde_json::from_str(&read("values.schema.json")?)?;
    let values: Value = serde_saphyr::from_str(&read("values.yaml")?)?;
    // What parent charts share with all of theirs.
    let mut known = BTreeSet::from(["global".to_owned()]);
    let mut described = BTreeSet::new();
    names_of_schema(&schema, "", &mut described)?;
    names_of_values(&values, &schema, "", &mut known);
    ensure!(
        described == known,
        "only in one of them: {:?}",
        described.symmetric_difference(&known).collect::<Vec<_>>()
    );
    Ok(())
}

/// Every name below a schema. An object that names its properties takes no others.
fn names_of_schema(schema: &Value, path: &str, names: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(());
    };
    ensure!(schema["additionalProperties"] == false, "`{path}` takes any name");
    for (name, schema) in properties {
        let path = join(path, name);
        names.insert(path.clone());
        names_of_schema(schema, &path, names)?;
    }
    Ok(())
}

/// Every name among the values, as deep as the schema names them. Resources are Kubernetes' own.
fn names_of_values(values: &Value, schema: &Value, path: &str, names: &mut BTreeSet<String>) {
    for (name, value) in values.as_object().into_iter().flatten() {
        let schema = &schema["properties"][name];
        if schema.is_null() && path.is_empty() || !schema.is_null() {
            names.insert(join(path, name));
        }
        names_of_values(value, schema, &join(path, name), names);
    }
    if path.ends_with("resources") {
        names.extend(["requests", "limits", "claims"].map(|name| join(path, name)));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[test]
fn the_chart_has_the_version_of_the_programs() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(chart::folder().join("Chart.yaml"))?;
    let chart: Value = serde_saphyr::from_str(&text)?;
    let version = env!("CARGO_PKG_VERSION");
    ensure!(
        chart["version"] == version && chart["appVersion"] == version,
        "{chart}"
    );
    let images = chart["annotations"]["artifacthub.io/images"]
        .as_str()
        .context("images")?;
    let images: Value = serde_saphyr::from_str(images)?;
    for image in images.as_array().into_iter().flatten() {
        let name = image["image"].as_str().unwrap_or_default();
        ensure!(name.ends_with(&format!(":{version}")), "{name}");
    }
    let kinds = chart["annotations"]["artifacthub.io/crds"]
        .as_str()
        .context("kinds")?;
    let kinds: Value = serde_saphyr::from_str(kinds)?;
    let listed: BTreeSet<&str> = kinds
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|kind| kind["kind"].as_str())
        .collect();
    let own = axon_api::crd::all();
    let own: BTreeSet<&str> = own.iter().map(|kind| kind.spec.names.kind.as_str()).collect();
    ensure!(listed == own, "listed {listed:?}, there are {own:?}");
    Ok(())
}

/// The rights that the operator has by default, over all that it may do.
#[tokio::test]
async fn the_operator_may_not_do_what_it_does_not_do() -> anyhow::Result<()> {
    let manager = documents(&chart::template(&["--show-only=templates/rbac/manager.yaml"]).await?)?;
    let role = manager.iter().find(|object| object["kind"] == "ClusterRole");
    let rules = role.context("a ClusterRole")?["rules"].clone();
    let said = rules.to_string();
    ensure!(!said.contains('*'), "a right on everything: {said}");
    for rule in rules.as_array().into_iter().flatten() {
        let resources = rule["resources"].to_string();
        let verbs = rule["verbs"].to_string();
        ensure!(
            !verbs.contains("deletecollection")
                && !verbs.contains("escalate")
                && !verbs.contains("impersonate"),
            "{rule}"
        );
        ensure!(
            !resources.contains("roles")
                && !resources.contains("serviceaccounts")
                && !resources.contains("exec"),
            "{rule}"
        );
    }
    let namespaced = Path::new("ci/namespaced-values.yaml");
    let values = format!("--values={}", chart::folder().join(namespaced).display());
    let all = documents(&chart::template(&[&values, "--set=rbac.aggregate=false"]).await?)?;
    let of_cluster = all.iter().find(|object| {
        matches!(
            object["kind"].as_str(),
            Some("ClusterRole" | "ClusterRoleBinding")
        )
    });
    ensure!(of_cluster.is_none(), "{of_cluster:?}");
    Ok(())
}

fn documents(yaml: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}
