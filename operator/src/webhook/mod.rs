//! Webhooks: events that GitHub and others send become work.
//!
//! Every replica answers at the webhook address ([`Server`]). A delivery whose signature is good and
//! that a `TaskSpawner` wants is kept as a Secret before it is acknowledged ([`delivery`]), so that a
//! crash loses nothing. The leader tells spawners what waits for them ([`Deliveries`]), and removes
//! the Secret once each of them has made its Task.
//!
//! ```text
//! request --signature, filters--> Secret --watch--> Candidate --get--> WorkItem --> Task
//! ```

mod answer;
mod body;
mod catch_up;
mod choose;
mod connections;
mod deliveries;
pub mod delivery;
pub mod downtime;
mod filters;
mod forge;
#[cfg(feature = "github")]
mod forge_hooks;
#[cfg(feature = "github")]
mod forge_hub;
mod keys;
mod listeners;
mod pending;
mod request;
mod server;
mod signature;
mod store;
mod sweep;

pub use catch_up::{Hook, Hooks};
pub use deliveries::{Deliveries, start};
pub use forge::{Forge, Question, Told};
#[cfg(feature = "github")]
pub use forge_hub::HubForge;
pub use keys::WEBHOOK_SECRET;
pub use server::{Server, ServerOptions};
pub use store::MOST_PENDING;
