//! What the operator counts. Labels never hold names of objects.

use std::sync::atomic::AtomicI64;

use axon_api::Phase;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All that is counted. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Tasks by phase.
    pub tasks: Census,
    /// Jobs that this process has created.
    pub jobs_created: Counter,
    /// Tokens of GitHub Apps that this process has made.
    pub tokens_made: Counter,
    /// Rounds by how they ended.
    pub rounds: Family<RoundLabels, Counter>,
    /// How long a round takes.
    pub round_seconds: Histogram,
    /// Tasks that wait for a round.
    pub queue_depth: Gauge,
    /// 1 while this process holds the lease.
    pub leader: Gauge,
    /// Requests that write, by verb and kind.
    pub api_writes: Family<WriteLabels, Counter>,
    /// Requests to the webhook address, by source and answer.
    pub deliveries: Family<DeliveryLabels, Counter>,
    /// Deliveries that are kept and not yet Tasks, as the leader sees them.
    pub deliveries_pending: Gauge,
}

/// How many Tasks there are in each phase.
#[derive(Clone, Debug, Default)]
pub struct Census(Family<PhaseLabels, Gauge<i64, AtomicI64>>);

/// Labels of `axon_tasks`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabels {
    phase: Option<PhaseLabel>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PhaseLabel(Phase);

/// Labels of `axon_rounds_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RoundLabels {
    /// How the round ended.
    pub result: RoundResult,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum RoundResult {
    /// All that was planned is done.
    Done,
    /// The server has newer objects than those that were decided upon.
    Stale,
    /// A step failed.
    Failed,
}

/// Labels of `axon_api_writes_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// Kind of the object, in lower case.
    pub kind: &'static str,
}

/// Labels of `axon_deliveries_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryLabels {
    /// `github`, `webhook` for all others, or `none` for a path without one.
    pub source: &'static str,
    /// HTTP status of the answer.
    pub code: u16,
}

impl EncodeLabelValue for PhaseLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

impl Census {
    /// A Task is in `phase`.
    pub fn enter(&self, phase: Option<Phase>) {
        self.gauge(phase).inc();
    }

    /// A Task is no longer in `phase`.
    pub fn leave(&self, phase: Option<Phase>) {
        self.gauge(phase).dec();
    }

    /// How many Tasks are in `phase`.
    pub fn count(&self, phase: Option<Phase>) -> i64 {
        self.gauge(phase).get()
    }

    fn gauge(&self, phase: Option<Phase>) -> Gauge<i64, AtomicI64> {
        let labels = PhaseLabels {
            phase: phase.map(PhaseLabel),
        };
        self.0.get_or_create_owned(&labels)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            tasks: Census::default(),
            jobs_created: Counter::default(),
            tokens_made: Counter::default(),
            rounds: Family::default(),
            round_seconds: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            queue_depth: Gauge::default(),
            leader: Gauge::default(),
            api_writes: Family::default(),
            deliveries: Family::default(),
            deliveries_pending: Gauge::default(),
        }
    }
}

impl Metrics {
    /// The page that Prometheus reads, in its text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("axon");
        registry.register("tasks", "Tasks by phase", self.tasks.0.clone());
        registry.register("jobs_created", "Jobs created", self.jobs_created.clone());
        registry.register(
            "tokens_made",
            "Tokens of GitHub Apps that were made",
            self.tokens_made.clone(),
        );
        registry.register("rounds", "Rounds by how they ended", self.rounds.clone());
        registry.register_with_unit(
            "round",
            "How long a round takes",
            Unit::Seconds,
            self.round_seconds.clone(),
        );
        registry.register(
            "queue_depth",
            "Tasks that wait for a round",
            self.queue_depth.clone(),
        );
        registry.register(
            "leader",
            "1 while this process holds the lease",
            self.leader.clone(),
        );
        registry.register(
            "api_writes",
            "Requests that write, by verb and kind",
            self.api_writes.clone(),
        );
        registry.register(
            "deliveries",
            "Requests to the webhook address, by source and answer",
            self.deliveries.clone(),
        );
        registry.register(
            "deliveries_pending",
            "Deliveries that are kept and not yet Tasks",
            self.deliveries_pending.clone(),
        );
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_metric_under_its_documented_name() {
        let metrics = Metrics::default();
        metrics.tasks.enter(None);
        metrics.tasks.enter(Some(Phase::Running));
        metrics.tasks.leave(None);
        metrics.jobs_created.inc();
        let result = RoundResult::Done;
        metrics.rounds.get_or_create(&RoundLabels { result }).inc();
        metrics.round_seconds.observe(0.002);
        let labels = WriteLabels {
            verb: "create",
            kind: "job",
        };
        metrics.api_writes.get_or_create(&labels).inc();
        let labels = DeliveryLabels {
            source: "github",
            code: 202,
        };
        metrics.deliveries.get_or_create(&labels).inc();
        let page = metrics.encode().expect("a page");
        for line in [
            "axon_tasks{phase=\"Running\"} 1",
            "axon_tasks{phase=\"\"} 0",
            "axon_jobs_created_total 1",
            "axon_tokens_made_total 0",
            "axon_rounds_total{result=\"Done\"} 1",
            "axon_round_seconds_count 1",
            "axon_queue_depth 0",
            "axon_leader 0",
            "axon_api_writes_total{verb=\"create\",kind=\"job\"} 1",
            "axon_deliveries_total{source=\"github\",code=\"202\"} 1",
            "axon_deliveries_pending 0",
        ] {
            assert!(page.lines().any(|other| other == line), "no `{line}` in\n{page}");
        }
    }
}
