//! Every label, annotation, finalizer-free mark and field manager that Axon writes.

/// On Jobs, pods and run Secrets: the name of the Task (cut to a label's 63 characters).
pub const TASK: &str = "axon.io/task";
/// On Jobs, pods and run Secrets: the UID of the Task, by which watches find the owner.
pub const TASK_UID: &str = "axon.io/task-uid";
/// On Jobs and pods: the attempt, counted from 1.
pub const ATTEMPT: &str = "axon.io/attempt";
/// The standard label that says who manages an object; its value is [`MANAGER`].
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The standard label that names the application; its value is `axon`.
pub const NAME: &str = "app.kubernetes.io/name";
/// The standard label that names the part; its value is `task` on a Task's objects.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Value of [`MANAGED_BY`].
pub const MANAGER: &str = "axon-operator";

/// Field manager of everything that the operator writes.
pub const OPERATOR_FIELD_MANAGER: &str = "axon-operator";
/// Field manager of everything that the command line writes.
pub const CLI_FIELD_MANAGER: &str = "kubectl-axon";

/// The scheduling gate of every agent pod: the operator takes it off the one pod that may start.
pub const START_GATE: &str = "axon.io/start";

/// On Tasks: the sandbox in which the embedded plane runs the agent, `bubblewrap` or `none`. The
/// operator copies it to the pod, and a real cluster pays no attention to it.
pub const SANDBOX: &str = "axon.io/sandbox";

/// On Secrets with a token that was made for a Task: when it expires, as RFC 3339.
pub const TOKEN_EXPIRES: &str = "axon.io/token-expires-at";
/// On Leases that keep a branch: the repository.
pub const REPOSITORY: &str = "axon.io/repository";
/// On Leases that keep a branch: the branch.
pub const BRANCH: &str = "axon.io/branch";
/// On Leases that keep a branch: namespace/name of the Task that holds it.
pub const HOLDER: &str = "axon.io/holder";
/// On Leases that keep a branch, as a label: `true`. By it they are watched.
pub const BRANCH_LEASE: &str = "axon.io/branch-lease";
/// On Tasks: the Task of which this one is another try.
pub const RETRY_OF: &str = "axon.io/retry-of";
/// On Tasks to be cancelled: `true` gives up a pod whose node is not heard from.
pub const FORCE: &str = "axon.io/force";
/// On Tasks, as a label: the TaskPipeline whose step they are.
pub const PIPELINE: &str = "axon.io/pipeline";
/// On Tasks, as a label: the step of the TaskPipeline.
pub const PIPELINE_STEP: &str = "axon.io/pipeline-step";
/// On the objects of an installation, as a label: the operator's namespace. By it they are found
/// again when they are upgraded or removed.
pub const INSTALLATION: &str = "axon.io/installation";
/// The annotation in which `kubectl apply` keeps a second copy of the object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// On Tasks, as a label: the TaskSpawner that made them (cut to a label's 63 characters).
pub const SPAWNER: &str = "axon.io/taskspawner";
/// On Tasks, as a label: the one of the spawner's credentials that they got.
pub const SPAWNER_CREDENTIAL: &str = "axon.io/spawner-credential";
/// On Tasks of a spawner: the key of the item that they were made for, such as `issue-42`.
pub const ITEM: &str = "axon.io/item";
/// On Tasks of a spawner: what made the item due, such as `match-1` or `comment-123`.
pub const TRIGGER: &str = "axon.io/trigger";
/// On Tasks of a spawner: which one of its item's Tasks they are, counted from 1.
pub const ITEM_RUN: &str = "axon.io/item-run";
/// On Tasks of a spawner: where and how to report, as the JSON of [`crate::report::ReportTarget`].
pub const REPORT: &str = "axon.io/report";
/// On Tasks of a spawner: what was reported last, as JSON with the Task's `phase`.
pub const REPORTED: &str = "axon.io/reported";
/// On TaskSpawners: a person's wish for a Task now, as JSON with `request` (unique to the wish) and
/// `item` (the key of an item; absent for cron, which is a tick of this moment).
pub const TRIGGER_REQUEST: &str = "axon.io/trigger-request";
/// On ConfigMaps with what a spawner remembers, as a label: the UID of the TaskSpawner.
pub const SPAWNER_MEMORY: &str = "axon.io/spawner-memory";
/// On Secrets with a webhook delivery that is not yet a Task, as a label: `true`. By it they are
/// watched.
pub const DELIVERY: &str = "axon.io/delivery";
/// On Secrets with a webhook delivery: what it is and which TaskSpawners want it, as JSON.
pub const DELIVERED: &str = "axon.io/delivered";
