//! What only containers can do.

use anyhow::ensure;
use axon_api::Phase;
use serde_json::json;

use crate::world::{World, message_of, reason_of, result_of};

const OLD_CONTRACT: &str = "axon-e2e/kelos-agent:1";
const NEW_CONTRACT: &str = "axon-e2e/axon-agent:1";

pub(super) async fn an_image_that_does_not_exist_fails_and_is_named(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "nowhere",
            json!({"type": "shell", "prompt": "true", "image": "axon-e2e/no-such-image:1", "startTimeout": "20s"}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        message_of(&task).contains("axon-e2e/no-such-image:1"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn an_agent_that_takes_too_much_memory_fails_with_that_reason(
    world: &World,
) -> anyhow::Result<()> {
    let task = world
        .run(
            "hungry",
            json!({
                "type": "shell",
                "prompt": "x=$(head -c 400000000 /dev/zero | tr '\\0' x); echo ${#x}",
                "podOverrides": {"resources": {"limits": {"memory": "64Mi"}}},
            }),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    let told = format!("{} {}", reason_of(&task), message_of(&task));
    ensure!(
        told.contains("OutOfMemory") || told.contains("out of memory"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn an_image_of_the_old_contract_works(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "old",
            json!({"type": "claude-code", "prompt": "say $(hi)\n'there'", "image": OLD_CONTRACT}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    ensure!(
        output.contains("asked as claude-code: say $(hi)\n'there'"),
        "{output}"
    );
    ensure!(
        result_of(&task, "branch") == Some("made-by-image"),
        "{:?}",
        task.status
    );
    ensure!(
        result_of(&task, "prompt-bytes") == Some("17"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn an_image_of_the_new_contract_works(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "new",
            json!({"type": "claude-code", "prompt": "do this", "image": NEW_CONTRACT}),
        )
        .await?;
    world.expect(&task, Phase::Succeeded).await?;
    ensure!(
        world
            .output(&task)
            .await?
            .contains("asked as claude-code for new: do this")
    );
    ensure!(
        result_of(&task, "prompt-file-bytes") == Some("7"),
        "{:?}",
        task.status
    );
    Ok(())
}

pub(super) async fn an_image_that_fails_gives_its_exit_code(world: &World) -> anyhow::Result<()> {
    let task = world
        .run(
            "bad",
            json!({"type": "claude-code", "prompt": "fail", "image": NEW_CONTRACT}),
        )
        .await?;
    world.expect(&task, Phase::Failed).await?;
    ensure!(
        task.status.as_ref().and_then(|status| status.exit_code) == Some(3),
        "{:?}",
        task.status
    );
    Ok(())
}
