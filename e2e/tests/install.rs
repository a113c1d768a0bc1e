//! `install`, `upgrade`, `doctor` and `uninstall` on a real cluster, in the order in which people
//! come to them. `e2e/run` brings the cluster up.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axon_e2e::plane::{kubectl, program};
use axon_e2e::{chart, wait};
use serde_json::{Value, json};
use tokio::process::Command;

/// How long anything may take that depends on pods being started.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where the operator is.
const HOME: &str = "axon-system";
/// Where Tasks are.
const TEAM: &str = "e2e-install";
/// The Task that runs while its operator is replaced, until this file is there.
const MAY_END: &str = "/tmp/may-end";
/// The operator's Deployment.
const OPERATOR: &str = "deployment/axon-controller-manager";

/// One test, since every step begins where the one before has ended.
#[tokio::test(flavor = "multi_thread")]
async fn axon_is_installed_looked_at_upgraded_broken_mended_and_removed() -> anyhow::Result<()> {
    let cluster = Cluster::named()?;
    cluster.clear().await?;
    cluster.kubectl(&["create", "namespace", TEAM]).await?;
    cluster.refuses_what_cannot_be_done().await?;
    cluster.leaves_to_helm_what_is_helms().await?;
    cluster.installs_and_runs_a_task().await?;
    cluster.upgrades_under_a_running_task().await?;
    cluster.finds_what_is_broken().await?;
    cluster.removes_the_operator_and_keeps_the_objects().await?;
    cluster.removes_the_definitions_with_the_objects().await?;
    cluster.clear().await
}

struct Cluster {
    kubeconfig: PathBuf,
}

/// How a command has ended.
struct Said {
    line: String,
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn ended(self, code: i32) -> anyhow::Result<Self> {
        ensure!(
            self.code == code,
            "`{}` ended with {}\n{}{}",
            self.line,
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    fn says(self, parts: &[&str]) -> anyhow::Result<Self> {
        let all = format!("{}{}", self.out, self.err);
        for part in parts {
            ensure!(
                all.contains(part),
                "{part:?} is missing in `{}`:\n{all}",
                self.line
            );
        }
        Ok(self)
    }
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
        self.axon(&["uninstall", "--crds", "-y"]).await?.ended(0)?;
        let delete = ["delete", "--ignore-not-found", "namespace", TEAM, HOME];
        self.kubectl(&delete).await?;
        Ok(())
    }

    async fn refuses_what_cannot_be_done(&self) -> anyhow::Result<()> {
        self.axon(&["upgrade"])
            .await?
            .ended(1)?
            .says(&["nothing to upgrade", "install` installs Axon"])?;
        self.axon(&["install", "--as", "jane"]).await?.ended(1)?.says(&[
            "error: user `jane` may not install: these rights are missing:",
            "create, get, patch customresourcedefinitions.apiextensions.k8s.io",
            "create, get, patch deployments.apps in namespace `axon-system`",
            "hint: ask an administrator",
        ])?;
        self.axon(&["doctor"]).await?.ended(1)?.says(&[
            "tasks.axon.io, ",
            "are not on the cluster",
            "there is no deployment `axon-controller-manager`",
            "install` installs it",
        ])?;
        self.axon(&["install", "--dry-run=server"]).await?.ended(0)?.says(&[
            "customresourcedefinition.apiextensions.k8s.io/tasks.axon.io serverside-applied (server dry run)",
        ])?;
        let left = self.kubectl(&["get", "crd", "-o", "name"]).await?;
        ensure!(!left.contains("axon.io"), "a dry run has installed: {left}");
        Ok(())
    }

    async fn leaves_to_helm_what_is_helms(&self) -> anyhow::Result<()> {
        let folder = chart::folder();
        let folder = folder.to_string_lossy();
        let install = [
            "install",
            "axon",
            &*folder,
            "--create-namespace",
            "--set=crds.enabled=false",
            "--set=nodeSelector.type=none",
        ];
        self.helm(&install).await?;
        self.axon(&["install"]).await?.ended(1)?.says(&[
            "is managed by Helm, as release `axon`",
            "`helm upgrade axon CHART -n axon-system`",
        ])?;
        self.axon(&["uninstall", "-y"])
            .await?
            .ended(1)?
            .says(&["`helm uninstall axon -n axon-system`"])?;
        self.helm(&["uninstall", "axon", "--wait"]).await?;
        self.kubectl(&["delete", "namespace", HOME]).await?;
        Ok(())
    }

    async fn installs_and_runs_a_task(&self) -> anyhow::Result<()> {
        let said = self.axon(&["install"]).await?.ended(0)?.says(&[
            "namespace/axon-system serverside-applied\n",
            "deployment.apps/axon-controller-manager serverside-applied\n",
            "hint: `kubectl get pods -n axon-system`",
        ])?;
        ensure!(
            said.out.lines().all(|line| line.ends_with(" serverside-applied")),
            "{}",
            said.out
        );
        let before = self.generation().await?;
        self.axon(&["install"]).await?.ended(0)?;
        ensure!(
            before == self.generation().await?,
            "a second time changes something"
        );
        let said = self.axon(&["doctor", "-n", TEAM, "-o", "json"]).await?.ended(0)?;
        let report: Value = serde_json::from_str(&said.out)?;
        for check in report["checks"].as_array().context("checks")? {
            ensure!(check["status"] == "ok", "{check}");
        }
        let run = [
            "run",
            "-n",
            TEAM,
            "-t",
            "shell",
            "-p",
            "echo hello",
            "--name",
            "first",
            "-w",
        ];
        self.axon(&run).await?.ended(0)?.says(&["Succeeded"])?;
        // Who may little is told what is known to all, and what to ask for.
        self.axon(&["doctor", "-n", TEAM, "--as", "jane"])
            .await?
            .ended(0)?
            .says(&[
                &format!("all {} kinds are served", axon_api::crd::all().len()),
                "user `jane` may not ",
                "kubectl create rolebinding axon-users --clusterrole edit --user 'jane'",
            ])?;
        let probe = ["doctor", "-n", TEAM, "--probe"];
        self.axon(&probe)
            .await?
            .ended(0)?
            .says(&["network policies are enforced"])?;
        let left = self
            .kubectl(&["get", "networkpolicies", "-n", TEAM, "-o", "name"])
            .await?;
        ensure!(left.is_empty(), "the probe leaves {left}");
        Ok(())
    }

    async fn upgrades_under_a_running_task(&self) -> anyhow::Result<()> {
        let prompt = format!("until test -e {MAY_END}; do sleep 0.1; done");
        let run = ["run", "-n", TEAM, "-t", "shell", "--name", "long", "-p", &prompt];
        self.axon(&run).await?.ended(0)?;
        self.task_is("long", "Running").await?;
        let before = self.task("long").await?;
        // As if an older version had had it.
        let stale = ["create", "configmap", "axon-old", "-n", HOME];
        self.kubectl(&stale).await?;
        let label = [
            "label",
            "configmap",
            "axon-old",
            "-n",
            HOME,
            "axon.io/installation=axon-system",
        ];
        self.kubectl(&label).await?;
        self.axon(&["upgrade", "--replicas", "2", "--version", VERSION])
            .await?
            .ended(0)?
            .says(&[
                &format!("version {VERSION} is installed in namespace `axon-system`"),
                "configmap/axon-old pruned",
            ])?;
        let pod = before["status"]["podName"].as_str().context("a pod")?;
        self.kubectl(&["exec", "-n", TEAM, pod, "-c", "agent", "--", "touch", MAY_END])
            .await?;
        self.task_is("long", "Succeeded").await?;
        let after = self.task("long").await?;
        for unchanged in ["/metadata/uid", "/status/podName", "/status/attempts"] {
            ensure!(
                before.pointer(unchanged) == after.pointer(unchanged),
                "{unchanged} has changed: {after}"
            );
        }
        Ok(())
    }

    /// Each time, the hint that doctor gives is followed.
    async fn finds_what_is_broken(&self) -> anyhow::Result<()> {
        self.kubectl(&["delete", "crd", "taskdefaults.axon.io"]).await?;
        self.axon(&["doctor"]).await?.ended(1)?.says(&[
            "taskdefaults.axon.io is not on the cluster",
            "install --crds-only` brings them",
        ])?;
        self.axon(&["install", "--crds-only"]).await?.ended(0)?;

        let no_jobs = r#"[{"op": "replace", "path": "/rules", "value": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}]"#;
        let patch = [
            "patch",
            "clusterrole",
            "axon-controller-manager",
            "--type=json",
            "-p",
            no_jobs,
        ];
        self.kubectl(&patch).await?;
        self.axon(&["doctor"]).await?.ended(1)?.says(&[
            "service account `axon-controller-manager` may not ",
            "upgrade --force-conflicts` brings it back",
        ])?;
        self.axon(&["upgrade"])
            .await?
            .ended(1)?
            .says(&["--force-conflicts"])?;
        self.axon(&["upgrade", "--force-conflicts"]).await?.ended(0)?;

        self.kubectl(&["scale", OPERATOR, "-n", HOME, "--replicas=0"])
            .await?;
        self.axon(&["doctor"]).await?.ended(1)?.says(&[
            "deployment `axon-controller-manager` is scaled to 0",
            "hint: `kubectl scale deployment/axon-controller-manager -n axon-system --replicas 1`",
        ])?;
        self.kubectl(&["scale", OPERATOR, "-n", HOME, "--replicas=1"])
            .await?;

        let missing = [
            "upgrade",
            "--image",
            "axon/no-such-operator:1",
            "--timeout",
            "10s",
        ];
        self.axon(&missing)
            .await?
            .ended(14)?
            .says(&["the operator is not available after 10 s"])?;
        wait::until(
            PATIENCE,
            "doctor to see that the image cannot be pulled",
            async || {
                let said = self.axon(&["doctor"]).await?.ended(1)?;
                Ok(said.out.contains("axon/no-such-operator:1") && said.out.contains("--image-registry"))
            },
        )
        .await?;
        self.axon(&["upgrade"]).await?.ended(0)?;
        self.doctor_is_content().await
    }

    /// A new operator has its Lease some moments after it is ready.
    async fn doctor_is_content(&self) -> anyhow::Result<()> {
        let mut last = String::new();
        wait::until(PATIENCE, "doctor to find nothing", async || {
            let said = self.axon(&["doctor", "-n", TEAM]).await?;
            last = said.out;
            Ok(said.code == 0)
        })
        .await
        .with_context(|| last.clone())
    }

    async fn removes_the_operator_and_keeps_the_objects(&self) -> anyhow::Result<()> {
        self.axon(&["uninstall"]).await?.ended(1)?.says(&[
            "nobody is there to be asked",
            "the definitions stay, and with them 2 tasks",
            "hint: -y",
        ])?;
        self.axon(&["uninstall", "-y"]).await?.ended(0)?.says(&[
            "deployment.apps \"axon-controller-manager\" deleted\n",
            "clusterrole.rbac.authorization.k8s.io \"axon-controller-manager\" deleted\n",
            "namespace \"axon-system\" deleted\n",
        ])?;
        let kinds = "namespace,deployment,clusterrole,clusterrolebinding,validatingadmissionpolicy";
        let left = self
            .kubectl(&["get", kinds, "-A", "-o", "name", "-l", "axon.io/installation"])
            .await?;
        ensure!(left.is_empty(), "it stays: {left}");
        let task = self.task("long").await?;
        ensure!(task["status"]["phase"] == "Succeeded", "{task}");
        self.axon(&["uninstall", "-y"])
            .await?
            .ended(0)?
            .says(&["Axon is not installed in namespace `axon-system`"])?;
        Ok(())
    }

    async fn removes_the_definitions_with_the_objects(&self) -> anyhow::Result<()> {
        self.axon(&["uninstall", "--crds"])
            .await?
            .ended(1)?
            .says(&["the definitions go, and with them 2 tasks of all namespaces"])?;
        self.axon(&["uninstall", "--crds", "-y"])
            .await?
            .ended(0)?
            .says(&["customresourcedefinition.apiextensions.k8s.io \"tasks.axon.io\" deleted\n"])?;
        let left = self.kubectl(&["get", "crd", "-o", "name"]).await?;
        ensure!(!left.contains("axon.io"), "{left}");
        let jobs = ["get", "jobs", "-n", TEAM, "-o", "name"];
        wait::until(PATIENCE, "the jobs to go with their tasks", async || {
            Ok(self.kubectl(&jobs).await?.is_empty())
        })
        .await
    }
}

/// The version of this build, which the images have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Cluster {
    async fn generation(&self) -> anyhow::Result<String> {
        let path = "jsonpath={.metadata.generation}";
        self.kubectl(&["get", OPERATOR, "-n", HOME, "-o", path]).await
    }

    async fn task(&self, name: &str) -> anyhow::Result<Value> {
        let object = self
            .kubectl(&["get", "task", name, "-n", TEAM, "-o", "json"])
            .await?;
        Ok(serde_json::from_str(&object)?)
    }

    async fn task_is(&self, name: &str, phase: &str) -> anyhow::Result<()> {
        let mut task = Value::Null;
        let found = wait::until(PATIENCE, &format!("Task {name} to be {phase}"), async || {
            task = self.task(name).await?;
            Ok(task.pointer("/status/phase") == Some(&json!(phase)))
        })
        .await;
        found.with_context(|| format!("{}", task["status"]))
    }

    async fn axon(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        said(self.command(program("kubectl-axon")?).args(arguments), arguments).await
    }

    async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = said(self.command(kubectl()?).args(arguments), arguments).await?;
        Ok(said.ended(0)?.out)
    }

    async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut helm = chart::command()?;
        helm.env("KUBECONFIG", &self.kubeconfig)
            .arg("--namespace=axon-system");
        Ok(said(helm.args(arguments), arguments).await?.ended(0)?.out)
    }

    fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        // No config file of whoever runs the tests.
        command
            .env("HOME", "/nonexistent")
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }
}

async fn said(command: &mut Command, arguments: &[&str]) -> anyhow::Result<Said> {
    let out = command.output().await?;
    Ok(Said {
        line: arguments.join(" "),
        code: out.status.code().context("it was killed")?,
        out: String::from_utf8_lossy(&out.stdout).into_owned(),
        err: String::from_utf8_lossy(&out.stderr).into_owned(),
    })
}
