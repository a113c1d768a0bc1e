//! The real parts work together without Axon: each agent CLI, told by the scripted provider,
//! commits and pushes to the git server. When this fails, the scenarios say nothing about Axon.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use axon_e2e::clis;
use axon_e2e::git::{GitServer, Repository};
use axon_e2e::llm::{Conversation, Llm, Turn};
use tokio::process::Command;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const WORK: &str = "git checkout -q -b feature/x && echo change >> README.md && \
    git -c user.name=A -c user.email=a@example.com commit -qam 'agent change' && \
    git push -q origin feature/x";

#[tokio::test]
async fn claude_code_commits_and_pushes() -> anyhow::Result<()> {
    commits_and_pushes("claude", |base, command, _| {
        command
            .env("ANTHROPIC_BASE_URL", base)
            .env("ANTHROPIC_API_KEY", "made-up")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("IS_SANDBOX", "1")
            .args(["-p", "--output-format", "stream-json", "--verbose"])
            .args(["--dangerously-skip-permissions", "--model", "claude-sonnet-4-5"])
            .args(["--", "do it"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn codex_commits_and_pushes() -> anyhow::Result<()> {
    commits_and_pushes("codex", |base, command, home| {
        std::fs::create_dir(home.join(".codex"))?;
        command
            .env("CODEX_API_KEY", "made-up")
            .args(["exec", "--json", "--dangerously-bypass-approvals-and-sandbox"])
            .args(["-c", &format!("openai_base_url=\"{base}/v1\""), "-m", "gpt-5.5"])
            .args(["--", "do it"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn gemini_commits_and_pushes() -> anyhow::Result<()> {
    commits_and_pushes("gemini", |base, command, home| {
        std::fs::create_dir(home.join(".gemini"))?;
        std::fs::write(
            home.join(".gemini/settings.json"),
            r#"{"security":{"auth":{"selectedType":"gemini-api-key"}},"privacy":{"usageStatisticsEnabled":false},"general":{"enableAutoUpdate":false}}"#,
        )?;
        command
            .env("GOOGLE_GEMINI_BASE_URL", base)
            .env("GEMINI_API_KEY", "made-up")
            .env("GEMINI_CLI_TRUST_WORKSPACE", "true")
            .env("GEMINI_CLI_NO_RELAUNCH", "true")
            .args(["--yolo", "--output-format", "stream-json"])
            .args(["-m", "gemini-2.5-pro", "--prompt=do it"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn opencode_commits_and_pushes() -> anyhow::Result<()> {
    commits_and_pushes("opencode", |base, command, _| {
        command
            .env("ANTHROPIC_BASE_URL", format!("{base}/v1"))
            .env("ANTHROPIC_API_KEY", "made-up")
            .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
            .env("OPENCODE_DISABLE_MODELS_FETCH", "1")
            .env("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1")
            .env("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9/")
            .args(["run", "--format", "json", "--auto"])
            .args(["-m", "anthropic/claude-sonnet-4-5", "--", "do it"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_private_repository_asks_for_its_token() -> anyhow::Result<()> {
    let server = GitServer::start(LOOPBACK, "127.0.0.1").await?;
    let repository = server.private_repository("private", "right").await?;
    let with = |token: &str| {
        repository
            .url
            .replace("://", &format!("://x-access-token:{token}@"))
    };
    assert!(ls_remote(&with("right")).await?);
    assert!(!ls_remote(&with("wrong")).await?);
    assert!(!ls_remote(&repository.url).await?);
    Ok(())
}

async fn ls_remote(url: &str) -> anyhow::Result<bool> {
    let status = Command::new("git")
        .args(["ls-remote", url])
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await?;
    Ok(status.success())
}

async fn commits_and_pushes(
    program: &str,
    configure: impl FnOnce(&str, &mut Command, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bin = clis::install().await?;
    let git = GitServer::start(LOOPBACK, "127.0.0.1").await?;
    let llm = Llm::start(LOOPBACK, "127.0.0.1").await?;
    let repository = git.open_repository("work").await?;
    let talk = llm.converse(program, vec![Turn::run(WORK), Turn::say("Pushed the change.")]);
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    std::fs::create_dir(&home)?;
    clone(&repository, &folder.path().join("work")).await?;

    let path = std::env::var("PATH").context("PATH is not set")?;
    let mut command = Command::new(bin.join(program));
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", &home)
        .current_dir(folder.path().join("work"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    configure(talk.base_url(), &mut command, &home)?;
    let out = command.output().await?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(
        out.status.success() && talk.log().iter().filter(|entry| entry.main).count() == 2,
        "{program} ended with {}\n{said}\n{}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr),
        requests(&talk),
    );
    ensure!(
        repository.commit("feature/x").await?.is_some(),
        "nothing was pushed: {said}"
    );
    ensure!(
        talk.credentials() == ["made-up"],
        "the credential did not arrive: {}",
        requests(&talk)
    );
    Ok(())
}

async fn clone(repository: &Repository, folder: &Path) -> anyhow::Result<()> {
    let status = Command::new("git")
        .args(["clone", "--quiet", &repository.url])
        .arg(folder)
        .status()
        .await?;
    ensure!(status.success(), "failed to clone `{}`", repository.url);
    Ok(())
}

fn requests(talk: &Conversation) -> String {
    let lines: Vec<String> = talk
        .log()
        .iter()
        .map(|entry| format!("{} {} main={}", entry.method, entry.path, entry.main))
        .collect();
    lines.join("\n")
}
