//! Lets go of deliveries that wait for spawners that are gone.

use std::time::Duration;

use axon_api::TaskSpawner;
use kube::{Api, ResourceExt};

use super::deliveries::Deliveries;
use super::delivery::Wanting;

/// How long after one sweep the next one begins.
const EVERY: Duration = Duration::from_mins(10);

/// Sweeps, for ever.
pub(super) async fn keep(deliveries: Deliveries) -> anyhow::Error {
    loop {
        tokio::time::sleep(EVERY).await;
        sweep(&deliveries).await;
    }
}

/// Looks once at every spawner that something waits for. What fails is tried by the next sweep.
pub(super) async fn sweep(deliveries: &Deliveries) {
    let awaited = deliveries.lock().awaited();
    for wanting in awaited {
        if let Err(error) = let_go(deliveries, &wanting).await {
            let error = format!("{error:#}");
            let spawner = format!("{}/{}", wanting.namespace, wanting.name);
            tracing::warn!(spawner, error, "deliveries of a spawner could not be swept");
        }
    }
    let spent = deliveries.lock().spent();
    for spent in spent {
        if let Err(error) = deliveries.remove(&spent).await {
            tracing::warn!(error = format!("{error:#}"), "a delivery could not be swept");
        }
    }
}

async fn let_go(deliveries: &Deliveries, wanting: &Wanting) -> anyhow::Result<()> {
    if is_there(deliveries, wanting).await? {
        return Ok(());
    }
    let names = deliveries.lock().waiting_for(&wanting.uid);
    for name in names {
        deliveries.settle_secret(&wanting.uid, &name).await?;
    }
    Ok(())
}

/// Whether the spawner exists. One that may not be looked at does, for all that is known: another
/// operator may look after it.
async fn is_there(deliveries: &Deliveries, wanting: &Wanting) -> anyhow::Result<bool> {
    let spawners: Api<TaskSpawner> = Api::namespaced(deliveries.client().clone(), &wanting.namespace);
    match spawners.get_metadata(&wanting.name).await {
        Ok(spawner) => Ok(spawner.uid().as_ref() == Some(&wanting.uid)),
        // While a kind is not served, its objects are not found either, and that answer names none.
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            Ok(!status.message.contains(&format!("\"{}\"", wanting.name)))
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(true),
        Err(error) => Err(error.into()),
    }
}
