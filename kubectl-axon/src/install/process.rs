//! Writing an installation: what `install` and `upgrade` share.

use std::time::Duration;

use axon_api::labels;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use serde_json::Value;

use super::flags::InstallFlags;
use super::manifest::Wanted;
use super::present::{self, Place};
use super::{DEPLOYMENT, Wait, deployment, refusal, remains, rights, server};
use crate::apply::Keep;
use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::writing::DryRun;
use crate::{invocation, writing};

/// Which of the two verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Install,
    Upgrade,
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
        }
    }
}

/// How long a new definition may take to be served.
const ESTABLISHED: Duration = Duration::from_mins(1);
/// Between two looks at a definition.
const INTERVAL: Duration = Duration::from_millis(200);

/// Installs or upgrades.
pub(crate) fn act(context: &Context, flags: &InstallFlags, act: Act) -> Result<Exit> {
    refuse_local(context, act.verb())?;
    let wanted = flags.wanted(context)?;
    let timeout = flags.timeout()?;
    let objects = wanted.objects()?;
    if flags.dry_run == Some(DryRun::Client) {
        let format = flags.output.as_ref();
        output::print(writing::unsent(&objects, format)?)?;
        return Ok(Exit::Success);
    }
    cluster::block_on(async {
        let cluster = reach(context).await?;
        let work = write(&cluster.client, &wanted, &objects, flags, act, timeout);
        tokio::select! {
            ended = work => ended,
            _ = tokio::signal::ctrl_c() => {
                output::note(format!("interrupted; {} again brings it to its end", invocation::command(act.verb())));
                Ok(Exit::Interrupted)
            }
        }
    })
}

/// The plane of this machine is in this program, and knows no server-side apply.
pub(crate) fn refuse_local(context: &Context, verb: &str) -> Result<()> {
    if !context.global.local {
        return Ok(());
    }
    Err(Failure::new(format!(
        "nothing to {verb} on this machine: with --local the definitions and the operator are in this program"
    ))
    .hint(format!(
        "`{0} run --local` runs a task, `{0} doctor --local` looks for problems",
        invocation::name()
    )))
}

/// Connects to a cluster that is new enough, or says how to get one.
pub(crate) async fn reach(context: &Context) -> Result<Cluster> {
    let no_cluster =
        |failure: Failure| failure.hint("to make a cluster on this machine: `kind create cluster`");
    let cluster = cluster::connect(context).await.map_err(no_cluster)?;
    let info = cluster.client.apiserver_version().await.map_err(|error| {
        let failure = Failure::api("get the server's version", &error);
        match error {
            kube::Error::Api(_) => failure,
            _ => no_cluster(failure),
        }
    })?;
    match refusal::too_old(&info) {
        Some(failure) => Err(failure),
        None => Ok(cluster),
    }
}

async fn write(
    client: &Client,
    wanted: &Wanted,
    objects: &[Value],
    flags: &InstallFlags,
    act: Act,
    timeout: Duration,
) -> Result<Exit> {
    rights::check(client, objects, &["get", "create", "patch"], act.verb()).await?;
    let places = present::look(client, objects).await?;
    let version = admit(&places, wanted, flags, act)?;
    let keep = if flags.dry_run.is_some() {
        Keep::No
    } else {
        Keep::Yes
    };
    let stale = match act {
        Act::Install => Vec::new(),
        Act::Upgrade => remains::stale(client, &wanted.namespace, objects).await?,
    };
    if let Some(version) = &version {
        output::note(if version == wanted.version() {
            format!(
                "version {version} is installed in namespace `{}`",
                wanted.namespace
            )
        } else {
            format!(
                "version {version} is installed in namespace `{}`, and becomes {}",
                wanted.namespace,
                wanted.version()
            )
        });
    }
    let applied = apply_all(client, &places, flags, keep).await?;
    for object in &stale {
        if keep == Keep::Yes {
            server::delete(client, object, &kube::api::DeleteParams::background()).await?;
        }
        say(
            flags,
            object,
            if keep == Keep::Yes {
                "pruned"
            } else {
                "pruned (server dry run)"
            },
        )?;
    }
    if let Some(format) = &flags.output {
        output::print(writing::unsent(&applied, Some(format))?)?;
    }
    let has_operator = objects.iter().any(super::manifest::is_operator);
    if keep == Keep::No || !has_operator {
        return Ok(Exit::Success);
    }
    if act == Act::Install
        && version
            .as_ref()
            .is_some_and(|version| version != wanted.version())
    {
        output::note(format!(
            "hint: {} also removes what the new version no longer has",
            invocation::command("upgrade")
        ));
    }
    if flags.wait == Wait::False {
        return Ok(Exit::Success);
    }
    finish(client, wanted, timeout).await
}

/// Whether the act goes on; the version that is installed already.
fn admit(places: &[Place], wanted: &Wanted, flags: &InstallFlags, act: Act) -> Result<Option<String>> {
    let is_forced = flags.conflicts() == server::Conflicts::Force;
    // Definitions that outlive their release are nobody's, though they still name it.
    let present = places
        .iter()
        .filter(|place| place.wanted["kind"] != "CustomResourceDefinition")
        .filter_map(|place| place.present.as_ref());
    let helms = refusal::is_helms(present, "upgrade", " CHART").map(|failure| {
        failure.hint("--force-conflicts takes the objects over from Helm, which then no longer keeps them")
    });
    let refusals = [helms, refusal::is_anothers(places, &wanted.namespace)];
    if let Some(failure) = refusals.into_iter().flatten().next().filter(|_| !is_forced) {
        return Err(failure);
    }
    if let Some(failure) = refusal::is_downgrade(places).filter(|_| !flags.allow_downgrade) {
        return Err(failure);
    }
    let version = present::installed_version(places);
    let has_operator = places
        .iter()
        .any(|place| super::manifest::is_operator(&place.wanted));
    let is_there = if has_operator {
        version.is_some()
    } else {
        places.iter().any(|place| place.present.is_some())
    };
    if act == Act::Upgrade && !is_there {
        return Err(Failure::new(format!(
            "Axon is not installed in namespace `{}`, so there is nothing to upgrade",
            wanted.namespace
        ))
        .hint(format!("{} installs Axon", invocation::command("install"))));
    }
    Ok(version)
}

/// Applies the objects in their order; what the server then has.
async fn apply_all(
    client: &Client,
    places: &[Place],
    flags: &InstallFlags,
    keep: Keep,
) -> Result<Vec<Value>> {
    let no_namespace = places
        .iter()
        .find(|place| place.wanted["kind"] == "Namespace" && place.present.is_none())
        .map(|place| &place.wanted["metadata"]["name"]);
    let mut applied = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let object = &place.wanted;
        if let Some(present) = place.present.as_ref().filter(|present| is_of_others(present)) {
            say(flags, object, "unchanged")?;
            applied.push(present.clone());
            continue;
        }
        // A server that keeps nothing has no namespace to ask about what is to be in it.
        let is_homeless = no_namespace == Some(&object["metadata"]["namespace"]);
        if keep == Keep::No && is_homeless {
            say(
                flags,
                object,
                "serverside-applied (client dry run: its namespace is not there yet)",
            )?;
            applied.push(object.clone());
            continue;
        }
        applied.push(server::apply(client, object, keep, flags.conflicts()).await?);
        say(
            flags,
            object,
            match keep {
                Keep::Yes => "serverside-applied",
                Keep::No => "serverside-applied (server dry run)",
            },
        )?;
        let is_definition = |object: &Value| object["kind"] == "CustomResourceDefinition";
        let is_last = places
            .get(index + 1)
            .is_none_or(|next| !is_definition(&next.wanted));
        if keep == Keep::Yes && is_definition(object) && is_last {
            established(client, places).await?;
        }
    }
    Ok(applied)
}

/// A namespace that was there before: it is not ours to label, and not ours to remove later.
fn is_of_others(present: &Value) -> bool {
    present["kind"] == "Namespace" && !present["metadata"]["labels"][labels::INSTALLATION].is_string()
}

/// A line such as kubectl's, unless the objects themselves are printed.
fn say(flags: &InstallFlags, object: &Value, what: &str) -> Result<()> {
    match flags.output {
        None | Some(Format::Wide) => output::print(format!("{} {what}\n", output::kind_and_name(object))),
        Some(_) => Ok(()),
    }
}

/// Waits until the server serves all the definitions.
async fn established(client: &Client, places: &[Place]) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let names = places
        .iter()
        .map(|place| &place.wanted)
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .map(server::name);
    for name in names {
        let wait = async {
            loop {
                let definition = api
                    .get(name)
                    .await
                    .map_err(|error| Failure::api(&format!("get the definition `{name}`"), &error))?;
                if is_established(&definition) {
                    return Ok(());
                }
                tokio::time::sleep(INTERVAL).await;
            }
        };
        tokio::time::timeout(ESTABLISHED, wait)
            .await
            .unwrap_or_else(|_| {
                Err(Failure::new(format!(
                    "the definition `{name}` is not served after {} s",
                    ESTABLISHED.as_secs()
                ))
                .hint(format!("`kubectl describe crd {name}` says why")))
            })?;
    }
    Ok(())
}

/// Whether the server serves the kind.
pub(crate) fn is_established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}

/// Waits for the operator, and says what to do next.
async fn finish(client: &Client, wanted: &Wanted, timeout: Duration) -> Result<Exit> {
    let namespace = &wanted.namespace;
    let waiting = deployment::wait(client, namespace, DEPLOYMENT);
    let Ok(ended) = tokio::time::timeout(timeout, waiting).await else {
        output::note(format!(
            "error: the operator is not available after {} s\nhint: {} says what is wrong\n\
             hint: `kubectl logs deployment/{DEPLOYMENT} -n {namespace}` shows its log",
            timeout.as_secs(),
            invocation::command("doctor"),
        ));
        return Ok(Exit::WaitedTooLong);
    };
    ended?;
    output::note(format!(
        "Axon {} is installed in namespace `{namespace}`\n\
         hint: `kubectl get pods -n {namespace}` shows the operator, and `{1} doctor` checks everything\n\
         hint: `{1} run -t shell -p 'echo hello' -w` runs a first task",
        wanted.version(),
        invocation::name(),
    ));
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_namespace_that_was_there_before_is_left_as_it_is() {
        let namespace = |labels: &Value| json!({"kind": "Namespace", "metadata": {"labels": labels}});
        assert!(is_of_others(&namespace(&json!({"team": "a"}))));
        assert!(!is_of_others(&namespace(
            &json!({labels::INSTALLATION: "axon-system"})
        )));
        assert!(!is_of_others(&json!({"kind": "Service", "metadata": {}})));
    }
}
