//! Workspaces: how a repository is reached, and where its checkout lies.

use axon_api::Phase::{Failed, Pending, Waiting};
use axon_api::run::Access;
use axon_plan::{Plan, Step};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::{Value, json};

use crate::fixtures::{
    Scene, created_pod, mounts_of, run_description, running, steps, task, task_defaults, told, variable_of,
    workspace,
};

const APP: &[&str] = &["appID", "installationID", "privateKey"];
const HTTPS: &str = "https://github.com/o/r";

fn scene(spec: Value) -> Scene {
    Scene::of(task(json!({ "type": "shell", "prompt": "x", "workspace": spec })))
}

fn named(spec: Value) -> Scene {
    let of_task = json!({ "type": "shell", "prompt": "x", "workspaceRef": { "name": "w" } });
    let mut scene = Scene::of(task(of_task));
    scene.workspace = Some(workspace(spec));
    scene
}

fn message(plan: &Plan) -> String {
    plan.status.message.clone().unwrap_or_default()
}

fn claim(plan: &Plan) -> &PersistentVolumeClaim {
    let mut claims = plan.steps.iter().filter_map(|step| match step {
        Step::CreateClaim(claim) => Some(&**claim),
        _ => None,
    });
    claims.next().expect("a claim is created")
}

#[test]
fn the_keys_of_a_secret_tell_what_it_is() {
    let ssh = &["ssh-privatekey", "known_hosts"];
    for (repo, keys, access) in [
        (HTTPS, &["GITHUB_TOKEN"][..], Access::Token),
        (HTTPS, APP, Access::Token),
        ("git@github.com:o/r.git", ssh, Access::Ssh),
        ("ssh://git@github.com/o/r", ssh, Access::Ssh),
    ] {
        let scene = scene(json!({ "repo": repo, "secretRef": { "name": "s" } })).with_secret("s", keys);
        let plan = scene.plan();
        assert_eq!(told(&plan).0, Pending, "{repo} {keys:?}: {}", message(&plan));
        let checkout = run_description(&plan).checkout.expect("a checkout");
        assert_eq!(checkout.access, access);
        assert_eq!(checkout.secret_name.as_deref(), Some("s"));
    }
}

#[test]
fn a_secret_that_does_not_fit_is_told() {
    let scp = "git@github.com:o/r";
    for (repo, keys, phase, reason, says) in [
        (
            HTTPS,
            &["ssh-privatekey", "known_hosts"][..],
            Failed,
            "SecretNotForRepository",
            "ssh key",
        ),
        (
            scp,
            &["GITHUB_TOKEN"],
            Failed,
            "SecretNotForRepository",
            "https://",
        ),
        (scp, APP, Failed, "SecretNotForRepository", "ssh-privatekey"),
        (
            scp,
            &["ssh-privatekey"],
            Waiting,
            "SecretKeyMissing",
            "`known_hosts`",
        ),
        (
            HTTPS,
            &["appID", "privateKey"],
            Waiting,
            "SecretKeyMissing",
            "`installationID`",
        ),
        (
            HTTPS,
            &["token"],
            Waiting,
            "SecretKeyMissing",
            "`GITHUB_TOKEN`; or `appID`, `installationID`, `privateKey` of a GitHub App; or `ssh-privatekey`",
        ),
    ] {
        let scene = scene(json!({ "repo": repo, "secretRef": { "name": "s" } })).with_secret("s", keys);
        let plan = scene.plan();
        assert_eq!(told(&plan), (phase, reason.to_owned()), "{repo} {keys:?}");
        assert!(message(&plan).contains(says), "{}", message(&plan));
    }
}

#[test]
fn an_ssh_key_is_mounted_and_no_token_is_spoken_of() {
    let spec = json!({ "repo": "git@github.com:o/r", "secretRef": { "name": "s" } });
    let plan = scene(spec)
        .with_secret("s", &["ssh-privatekey", "known_hosts"])
        .plan();
    for container in ["prepare", "agent"] {
        assert!(mounts_of(&plan, container).contains(&"axon-ssh at /axon/ssh".to_owned()));
        let value = |name| variable_of(&plan, container, name);
        assert_eq!(value("AXON_SSH_DIR"), Some("/axon/ssh".to_owned()));
        assert_eq!(value("GITHUB_TOKEN"), None);
    }
}

#[test]
fn what_only_clones_is_never_with_the_agent() {
    let spec = json!({ "repo": HTTPS, "cloneSecretRef": { "name": "reader" } });
    let plan = scene(spec).with_secret("reader", &["GITHUB_TOKEN"]).plan();
    assert_eq!(
        variable_of(&plan, "prepare", "GITHUB_TOKEN"),
        Some("secret reader/GITHUB_TOKEN".to_owned())
    );
    assert!(mounts_of(&plan, "prepare").contains(&"axon-clone at /axon/git".to_owned()));
    assert_eq!(variable_of(&plan, "agent", "GITHUB_TOKEN"), None);
    assert_eq!(variable_of(&plan, "agent", "AXON_GITHUB_TOKEN_FILE"), None);
    assert!(
        !mounts_of(&plan, "agent")
            .iter()
            .any(|mount| mount.contains("/axon/git"))
    );

    let spec = json!({
        "repo": HTTPS,
        "secretRef": { "name": "writer" },
        "cloneSecretRef": { "name": "reader" },
    });
    let scene = scene(spec).with_secret("reader", &["GITHUB_TOKEN"]);
    let plan = scene.with_secret("writer", &["GITHUB_TOKEN"]).plan();
    assert!(mounts_of(&plan, "prepare").contains(&"axon-clone at /axon/git".to_owned()));
    assert!(mounts_of(&plan, "agent").contains(&"git-token at /axon/git".to_owned()));
    assert_eq!(
        variable_of(&plan, "agent", "GITHUB_TOKEN"),
        Some("secret writer/GITHUB_TOKEN".to_owned())
    );
}

#[test]
fn the_runner_is_told_all_of_a_workspace() {
    let spec = json!({
        "repo": HTTPS,
        "ref": "main",
        "commit": "abcdef1",
        "remotes": [{ "name": "upstream", "url": "https://github.com/up/stream.git" }],
        "setupCommand": ["make", "setup"],
        "clone": { "depth": 5, "filter": "blob:none", "submodules": true, "lfs": true },
    });
    let plan = scene(spec).plan();
    let run = run_description(&plan);
    assert_eq!(run.setup_command, ["make", "setup"]);
    assert_eq!(run.upstream_repo.as_deref(), Some("up/stream"));
    assert_eq!(
        variable_of(&plan, "agent", "AXON_UPSTREAM_REPO"),
        Some("up/stream".to_owned())
    );
    let checkout = serde_json::to_value(run.checkout).expect("JSON");
    assert_eq!(
        checkout,
        json!({
            "repo": HTTPS,
            "ref": "main",
            "commit": "abcdef1",
            "remotes": [{ "name": "upstream", "url": "https://github.com/up/stream.git" }],
            "clone": { "depth": 5, "filter": "blob:none", "submodules": true, "lfs": true },
            "directory": "repo",
            "access": "anonymous",
        })
    );
}

#[test]
fn a_worktree_has_its_branch_and_lies_beside_its_clone() {
    let spec =
        json!({ "repo": HTTPS, "ref": "main", "worktree": { "branch": "work", "sourceBranch": "next" } });
    let plan = scene(spec).plan();
    let checkout = run_description(&plan).checkout.expect("a checkout");
    assert_eq!(checkout.directory, "worktrees/task-uid");
    assert_eq!(checkout.shared_clone.as_deref(), Some("clone"));
    assert_eq!(checkout.branch.as_deref(), Some("work"));
    assert_eq!(checkout.ref_.as_deref(), Some("next"));
    assert!(!checkout.persistent);
    assert_eq!(
        variable_of(&plan, "agent", "AXON_BRANCH"),
        Some("work".to_owned())
    );
    assert_eq!(
        variable_of(&plan, "agent", "AXON_BASE_BRANCH"),
        Some("next".to_owned())
    );
}

#[test]
fn storage_of_a_task_is_a_claim_that_it_owns() {
    let spec = json!({ "repo": HTTPS, "storage": { "className": "fast" } });
    let plan = scene(spec).plan();
    assert_eq!(steps(&plan), ["CreateClaim", "CreateJob", "WriteStatus"]);
    let claim = claim(&plan);
    insta::assert_json_snapshot!(claim);
    let volumes = created_pod(&plan).volumes.iter().flatten();
    let workspace = volumes.into_iter().find(|volume| volume.name == "workspace");
    let source = workspace.and_then(|volume| volume.persistent_volume_claim.as_ref());
    assert_eq!(
        source.map(|source| &source.claim_name),
        claim.metadata.name.as_ref()
    );
    let checkout = run_description(&plan).checkout.expect("a checkout");
    assert!(checkout.persistent);
    assert_eq!(checkout.directory, "repo");
}

#[test]
fn storage_of_a_workspace_is_shared_and_each_task_has_a_worktree_of_it() {
    let storage = json!({ "size": "50Gi", "scope": "Workspace" });
    let plan = named(json!({ "repo": HTTPS, "storage": storage })).plan();
    let claim = claim(&plan);
    insta::assert_json_snapshot!(claim);
    let checkout = run_description(&plan).checkout.expect("a checkout");
    assert!(checkout.persistent);
    assert_eq!(checkout.directory, "worktrees/task-uid");
    assert_eq!(checkout.shared_clone.as_deref(), Some("clone"));
}

#[test]
fn a_workspace_in_place_has_nothing_to_share() {
    let storage = json!({ "scope": "Workspace" });
    let plan = scene(json!({ "repo": HTTPS, "storage": storage })).plan();
    assert_eq!(told(&plan), (Failed, "StorageNotShared".to_owned()));
    assert!(message(&plan).contains("spec.workspace.storage.scope"));

    let mut scene = scene(json!({ "repo": HTTPS }));
    scene.defaults = Some(task_defaults(json!({ "storage": storage })));
    assert_eq!(told(&scene.plan()), (Waiting, "StorageNotShared".to_owned()));
}

#[test]
fn workspaces_without_storage_have_that_of_the_defaults() {
    let mut scene = named(json!({ "repo": HTTPS }));
    scene.defaults = Some(task_defaults(json!({ "storage": { "size": "1Gi" } })));
    let plan = scene.plan();
    assert!(claim(&plan).spec.is_some());
    let storage = plan
        .status
        .effective
        .iter()
        .find(|setting| setting.field == "workspace.storage");
    assert_eq!(
        storage.map(|setting| setting.value.as_str()),
        Some(r#"{"size":"1Gi"}"#)
    );
    let mut without = Scene::of(task(json!({ "type": "shell", "prompt": "x" })));
    without.defaults.clone_from(&scene.defaults);
    assert_eq!(steps(&without.plan()), ["CreateJob", "WriteStatus"]);
}

fn of_app() -> Scene {
    named(json!({ "repo": HTTPS, "secretRef": { "name": "app" } })).with_secret("app", APP)
}

#[test]
fn the_token_of_an_app_is_made_before_the_job() {
    let plan = of_app().plan();
    assert_eq!(steps(&plan), ["MakeToken", "CreateJob", "WriteStatus"]);
    let Some(Step::MakeToken {
        secret,
        app_secret,
        repository,
    }) = plan.steps.first()
    else {
        panic!("the token comes first");
    };
    assert_eq!((app_secret.as_str(), repository.as_str()), ("app", HTTPS));
    for container in ["prepare", "agent"] {
        assert_eq!(
            variable_of(&plan, container, "GITHUB_TOKEN"),
            Some(format!("secret {secret}/GITHUB_TOKEN"))
        );
    }
}

#[test]
fn a_token_is_made_anew_when_less_than_ten_minutes_are_left() {
    for (expires, expected) in [
        (601, &["CreateJob", "WriteStatus"][..]),
        (600, &["MakeToken", "CreateJob", "WriteStatus"]),
    ] {
        let mut scene = of_app();
        scene.token_expires = Some(expires);
        assert_eq!(steps(&scene.plan()), expected, "{expires}");
    }
}

#[test]
fn a_refused_token_is_told_and_asked_for_again() {
    let mut scene = of_app();
    scene.refused_token = Some("the App is not installed");
    let plan = scene.step();
    assert_eq!(told(&plan), (Waiting, "TokenRefused".to_owned()));
    assert!(message(&plan).contains("the App is not installed") && message(&plan).contains("`app`"));
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(60));
    scene.refused_token = None;
    assert_eq!(steps(&scene.plan()), ["MakeToken", "CreateJob", "WriteStatus"]);
}

#[test]
fn the_token_of_a_running_agent_is_kept_fresh() {
    let mut scene = of_app();
    scene.token_expires = Some(3600);
    let mut scene = scene.let_go().with_pod(&running());
    scene.step();
    scene.now = 100;
    let plan = scene.plan();
    assert_eq!(steps(&plan), Vec::<&str>::new());
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(3600 - 600 - 100));

    scene.now = 3000;
    assert_eq!(steps(&scene.plan()), ["MakeToken"]);
    scene.secrets.clear();
    assert_eq!(
        steps(&scene.plan()),
        ["MakeToken"],
        "while it runs its Secrets are not looked at"
    );
    scene.refused_token = Some("no");
    let plan = scene.plan();
    assert_eq!(steps(&plan), Vec::<&str>::new());
    assert_eq!(plan.wake.map(|wake| wake.as_secs()), Some(60));
}

#[test]
fn two_apps_are_more_than_a_task_has_tokens_for() {
    let spec =
        json!({ "repo": HTTPS, "secretRef": { "name": "app" }, "cloneSecretRef": { "name": "other" } });
    let scene = named(spec).with_secret("app", APP).with_secret("other", APP);
    assert_eq!(
        told(&scene.plan()),
        (Waiting, "CloneSecretUnsupported".to_owned())
    );
}
