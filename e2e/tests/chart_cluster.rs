//! The Helm chart on a real cluster: every set of values is taken by the server, and one release is
//! installed, tested, upgraded under a running Task, and removed. `e2e/run` brings the cluster up.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axon_e2e::plane::kubectl;
use axon_e2e::{chart, wait};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long anything may take that depends on pods being started.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where the operator is.
const HOME: &str = "axon-system";
/// Where Tasks are.
const TEAM: &str = "e2e-chart";
/// Where no operator looks after the upgrade.
const OTHER: &str = "e2e-chart-other";
/// The Task that runs while its operator is replaced, until this file is there.
const LONG: &str = "long";
const MAY_END: &str = "/tmp/may-end";

/// Both tests are one, since they share the definitions and the namespaces.
#[tokio::test(flavor = "multi_thread")]
async fn the_chart_works_on_a_cluster_from_its_values_to_its_end() -> anyhow::Result<()> {
    let cluster = Cluster::named()?;
    cluster.clear().await?;
    for namespace in [HOME, TEAM, OTHER, "team-a", "team-b"] {
        cluster.kubectl(&["create", "namespace", namespace]).await?;
    }
    cluster.takes_every_set_of_values().await?;
    cluster.tells_of_definitions_that_are_missing_or_old().await?;
    cluster.runs_its_own_test().await?;
    cluster.gives_people_their_rights().await?;
    cluster.replaces_the_operator_under_a_running_task().await?;
    cluster.reads_the_secrets_on_the_list_alone().await?;
    cluster.leaves_users_objects_when_it_goes().await
}

struct Cluster {
    kubeconfig: PathBuf,
}

impl Cluster {
    fn named() -> anyhow::Result<Self> {
        let kubeconfig = std::env::var_os("AXON_E2E_KUBECONFIG");
        let kubeconfig = kubeconfig.context("no cluster is named\nhint: call e2e/run")?;
        Ok(Self {
            kubeconfig: kubeconfig.into(),
        })
    }

    /// What an earlier run may have left.
    async fn clear(&self) -> anyhow::Result<()> {
        self.helm(&["uninstall", "axon", "--ignore-not-found", "--wait"])
            .await?;
        let definitions: Vec<String> = axon_api::crd::all()
            .into_iter()
            .filter_map(|definition| definition.metadata.name)
            .collect();
        let mut delete = vec![
            "delete",
            "--ignore-not-found",
            "crd",
            "servicemonitors.monitoring.coreos.com",
        ];
        delete.extend(definitions.iter().map(String::as_str));
        self.kubectl(&delete).await?;
        let admission = [
            "delete",
            "--ignore-not-found",
            "validatingadmissionpolicies,validatingadmissionpolicybindings",
        ];
        self.kubectl(&[&admission[..], &[axon_api::admission::NAME]].concat())
            .await?;
        let of_plane = [
            "delete",
            "clusterrole,clusterrolebinding",
            "-l",
            "app.kubernetes.io/part-of=axon",
        ];
        self.kubectl(&of_plane).await?;
        let mut delete = vec!["delete", "--ignore-not-found", "namespace"];
        delete.extend([HOME, TEAM, OTHER, "team-a", "team-b"]);
        self.kubectl(&delete).await?;
        Ok(())
    }

    async fn takes_every_set_of_values(&self) -> anyhow::Result<()> {
        // A kind that the chart knows and only some clusters have.
        self.apply(&servicemonitors().to_string()).await?;
        let established = ["wait", "--for=condition=Established", "--timeout=60s", "crd"];
        self.kubectl(&[&established[..], &["servicemonitors.monitoring.coreos.com"]].concat())
            .await?;
        for file in chart::values()? {
            let values = format!("--values={}", file.display());
            let objects = chart::template(&[&values]).await?;
            let taken = self
                .with_input(&["apply", "--dry-run=server", "-f", "-"], &objects)
                .await;
            taken.with_context(|| format!("the server does not take the chart with {}", file.display()))?;
        }
        Ok(())
    }

    async fn tells_of_definitions_that_are_missing_or_old(&self) -> anyhow::Result<()> {
        self.install(&["--set=crds.enabled=false"]).await?;
        self.operator_says("the server does not serve all kinds").await?;
        self.operator_says("hint: install the chart with crds.enabled=true")
            .await?;
        let older = tempfile::tempdir()?;
        older_chart(older.path()).await?;
        self.install_chart(older.path(), &[]).await?;
        self.operator_says("older than this operator: they lack Task.spec.dependsOn")
            .await?;
        self.operator_says("hint: upgrade the chart with crds.enabled=true")
            .await?;
        self.install(&["--wait", "--timeout=2m"]).await?;
        wait::until(PATIENCE, "the field to be explained", async || {
            let explain = ["explain", "task.spec.dependsOn"];
            Ok(self
                .command(kubectl()?)
                .args(explain)
                .output()
                .await?
                .status
                .success())
        })
        .await
    }

    async fn runs_its_own_test(&self) -> anyhow::Result<()> {
        let said = self.helm(&["test", "axon", "--timeout=3m"]).await?;
        ensure!(said.contains("Succeeded"), "{said}");
        let left = self.kubectl(&["get", "tasks", "-A", "-o", "name"]).await?;
        ensure!(left.is_empty(), "its Task stays: {left}");
        Ok(())
    }

    /// By the built-in roles: who views sees, who edits runs agents, and who administrates approves.
    async fn gives_people_their_rights(&self) -> anyhow::Result<()> {
        for role in ["view", "edit", "admin"] {
            let (role_flag, user) = (format!("--clusterrole={role}"), format!("--user={role}er"));
            self.kubectl(&["create", "rolebinding", role, &role_flag, &user, "-n", TEAM])
                .await?;
        }
        for (role, verb, expected) in [
            ("view", "get", true),
            ("view", "create", false),
            ("edit", "create", true),
            ("edit", "approve", false),
            ("admin", "approve", true),
        ] {
            let user = format!("--as={role}er");
            // Roles are gathered a little after they are there.
            wait::until(
                PATIENCE,
                &format!("{role} and {verb} to be {expected}"),
                async || {
                    let ask = ["auth", "can-i", verb, "taskpipelines.axon.io", &user, "-n", TEAM];
                    let out = self.command(kubectl()?).args(ask).output().await?;
                    Ok(out.status.success() == expected)
                },
            )
            .await?;
        }
        Ok(())
    }

    /// The new operator looks at one namespace of two, and at one Secret: its rights are others.
    async fn replaces_the_operator_under_a_running_task(&self) -> anyhow::Result<()> {
        let prompt = format!("until test -e {MAY_END}; do sleep 0.1; done");
        self.apply(&task(TEAM, LONG, &json!({ "type": "shell", "prompt": prompt })).to_string())
            .await?;
        self.task_is(LONG, "/status/phase", &["Running"]).await?;
        let before = self.get("task", LONG).await?;
        self.install(&[
            "--set=replicas=2",
            "--set=watchNamespaces={e2e-chart,axon-system}",
            "--set=rbac.secrets[0].namespace=e2e-chart,rbac.secrets[0].name=listed",
            "--set=rbac.secrets[1].namespace=axon-system",
            "--set=selftest.namespace=axon-system",
            "--wait",
            "--timeout=2m",
        ])
        .await?;
        let cluster_wide = self.kubectl(&["get", "clusterrolebinding", "-o", "name"]).await?;
        ensure!(
            !cluster_wide.contains("axon-controller-manager"),
            "{cluster_wide}"
        );
        let pod = text(&before, "/status/podName")?;
        self.kubectl(&["exec", "-n", TEAM, &pod, "-c", "agent", "--", "touch", MAY_END])
            .await?;
        self.task_is(LONG, "/status/phase", &["Succeeded"]).await?;
        let after = self.get("task", LONG).await?;
        for unchanged in ["/metadata/uid", "/status/podName", "/status/attempts"] {
            ensure!(
                before.pointer(unchanged) == after.pointer(unchanged),
                "{unchanged} has changed: {after}"
            );
        }
        Ok(())
    }

    async fn reads_the_secrets_on_the_list_alone(&self) -> anyhow::Result<()> {
        for secret in ["listed", "unlisted"] {
            let spec = json!({
                "type": "shell", "prompt": "true",
                "workspace": {
                    "repo": "https://127.0.0.1:9/none.git", "secretRef": { "name": secret },
                },
            });
            self.apply(&task(TEAM, secret, &spec).to_string()).await?;
        }
        self.task_is("unlisted", "/status/reason", &["SecretInvalid"])
            .await?;
        let told = text(&self.get("task", "unlisted").await?, "/status/message")?;
        ensure!(
            told.contains("add `e2e-chart/unlisted` to its --secrets"),
            "{told}"
        );
        self.task_is("listed", "/status/reason", &["SecretNotFound"])
            .await?;
        // Only a watch by its name can tell of it.
        let make = [
            "create",
            "secret",
            "generic",
            "listed",
            "--from-literal=GITHUB_TOKEN=x",
        ];
        self.kubectl(&[&make[..], &["-n", TEAM]].concat()).await?;
        self.task_is("listed", "/status/phase", &["Pending", "Running", "Failed"])
            .await?;
        // Pipelines read back what the operator has made, and say so before an agent is paid for.
        let pipeline = json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskPipeline",
            "metadata": { "name": "fix", "namespace": TEAM },
            "spec": {
                "prompt": "x",
                "workspaceRef": { "name": "w" },
            },
        });
        let workspace = json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Workspace",
            "metadata": { "name": "w", "namespace": TEAM },
            "spec": { "repo": "https://127.0.0.1:9/none.git" },
        });
        self.apply(&workspace.to_string()).await?;
        self.apply(&pipeline.to_string()).await?;
        wait::until(PATIENCE, "the pipeline to say why it cannot run", async || {
            let told = self.get("taskpipeline", "fix").await?.to_string();
            Ok(told.contains("list namespace `e2e-chart` whole"))
        })
        .await?;
        // Where all may be read, all works as before.
        let said = self.helm(&["test", "axon", "--timeout=3m"]).await?;
        ensure!(said.contains("Succeeded"), "{said}");
        // Nobody looks at the namespaces that are not named.
        self.apply(&task(OTHER, "unseen", &json!({ "type": "shell", "prompt": "true" })).to_string())
            .await?;
        let seen = self
            .kubectl(&["get", "task", "unseen", "-n", OTHER, "-o", "jsonpath={.status}"])
            .await?;
        ensure!(seen.is_empty(), "{seen}");
        Ok(())
    }

    async fn leaves_users_objects_when_it_goes(&self) -> anyhow::Result<()> {
        self.helm(&["uninstall", "axon", "--wait", "--timeout=2m"])
            .await?;
        let left = self
            .kubectl(&[
                "get",
                "deployment,role,clusterrole",
                "-A",
                "-o",
                "name",
                "-l",
                "app.kubernetes.io/part-of=axon",
            ])
            .await?;
        ensure!(left.is_empty(), "it stays: {left}");
        let task = self.get("task", LONG).await?;
        ensure!(
            task.pointer("/status/phase") == Some(&json!("Succeeded")),
            "{task}"
        );
        self.clear().await
    }
}

impl Cluster {
    /// Installs the release, or upgrades it.
    async fn install(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.install_chart(&chart::folder(), arguments).await
    }

    async fn install_chart(&self, chart: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let chart = chart.to_string_lossy();
        // Helm would go on with the values of the last time.
        let fixed = ["upgrade", "--install", "--reset-values", "axon", &*chart];
        self.helm(&[&fixed[..], arguments].concat()).await
    }

    async fn operator_says(&self, words: &str) -> anyhow::Result<()> {
        let mut said = String::new();
        let found = wait::until(PATIENCE, "the operator to say so", async || {
            let log = ["logs", "deployment/axon-controller-manager", "-n", HOME];
            let out = self.command(kubectl()?).args(log).output().await?;
            said = String::from_utf8_lossy(&out.stdout).into_owned();
            Ok(said.contains(words))
        })
        .await;
        found.with_context(|| format!("`{words}` is not in:\n{said}"))
    }

    async fn task_is(&self, name: &str, pointer: &str, wanted: &[&str]) -> anyhow::Result<()> {
        let mut task = Value::Null;
        let found = wait::until(PATIENCE, &format!("Task {name} to be {wanted:?}"), async || {
            task = self.get("task", name).await?;
            let is = task.pointer(pointer).and_then(Value::as_str);
            Ok(is.is_some_and(|is| wanted.contains(&is)))
        })
        .await;
        found.with_context(|| format!("{}", task["status"]))
    }

    async fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let object = self
            .kubectl(&["get", kind, name, "-n", TEAM, "-o", "json"])
            .await?;
        Ok(serde_json::from_str(&object)?)
    }

    async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut helm = chart::command()?;
        helm.env("KUBECONFIG", &self.kubeconfig)
            .arg("--namespace=axon-system");
        answer(helm.args(arguments), arguments).await
    }

    async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        answer(self.command(kubectl()?).args(arguments), arguments).await
    }

    async fn apply(&self, objects: &str) -> anyhow::Result<String> {
        self.with_input(&["apply", "-f", "-"], objects).await
    }

    async fn with_input(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = self
            .command(kubectl()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("a standard input")?;
        stdin.write_all(input.as_bytes()).await?;
        drop(stdin);
        let out = child.wait_with_output().await?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig).kill_on_drop(true);
        command
    }
}

async fn answer(command: &mut Command, arguments: &[&str]) -> anyhow::Result<String> {
    let out = command.output().await?;
    let (said, error) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    ensure!(out.status.success(), "{arguments:?} failed: {said}{error}");
    Ok(said.into_owned())
}

fn text(object: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = object.pointer(pointer).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("no {pointer} in {object}"))?
        .to_owned())
}

fn task(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "Task",
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    })
}

/// Makes a chart in `folder` that is as this one was when Tasks could not yet depend on each other.
async fn older_chart(folder: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp")
        .args(["--recursive", "--no-target-directory"])
        .args([chart::folder().as_path(), folder])
        .status()
        .await?;
    ensure!(copied.success(), "failed to copy the chart");
    let file = folder.join("files/crds.yaml");
    let mut definitions: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(&file)?)?;
    let tasks = definitions
        .iter_mut()
        .find(|definition| definition["spec"]["names"]["kind"] == "Task");
    let schema = &mut tasks.context("Tasks")?["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let spec = &mut schema["properties"]["spec"];
    let removed = spec["properties"]
        .as_object_mut()
        .and_then(|properties| properties.remove("dependsOn"));
    ensure!(removed.is_some(), "Tasks have no dependsOn");
    // Rules that speak of the field go with it.
    if let Some(rules) = spec["x-kubernetes-validations"].as_array_mut() {
        rules.retain(|rule| !rule.to_string().contains("dependsOn"));
    }
    let documents: Vec<String> = definitions.iter().map(Value::to_string).collect();
    std::fs::write(&file, documents.join("\n---\n"))?;
    Ok(())
}

/// As much of the Prometheus operator's definition as a dry run asks for.
fn servicemonitors() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "servicemonitors.monitoring.coreos.com" },
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": { "kind": "ServiceMonitor", "plural": "servicemonitors" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    })
}
