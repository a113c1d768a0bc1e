//! What the API server itself enforces about approvals: a decision on a step of a TaskPipeline
//! needs a right of its own, the verb `approve`, and is given in one's own name.
//!
//! A ValidatingAdmissionPolicy, so that it holds for whoever talks to the server with whatever
//! program, and needs no server of ours.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

/// Name of the policy and of its binding.
pub const NAME: &str = "taskpipeline-approvals.axon.io";

/// The verb on taskpipelines that a decision needs.
pub const APPROVE: &str = "approve";

/// What the expressions call by name.
const VARIABLES: &[(&str, &str)] = &[
    (
        "before",
        "request.operation == 'UPDATE' && has(oldObject.spec.approvals) ? oldObject.spec.approvals : []",
    ),
    ("after", "has(object.spec.approvals) ? object.spec.approvals : []"),
    ("added", "variables.after.filter(a, !(a in variables.before))"),
    (
        "runs",
        "request.operation == 'UPDATE' && has(oldObject.status) && has(oldObject.status.runs) ? oldObject.status.runs : []",
    ),
];

/// Each expression must hold, or the message is why the request is denied.
const VALIDATIONS: &[(&str, &str)] = &[
    (
        "request.operation != 'CREATE' || size(variables.after) == 0",
        "a TaskPipeline is created without approvals: they are decisions on results that are not there yet",
    ),
    (
        "variables.after.filter(a, a in variables.before) == variables.before",
        "an approval that was given can neither be changed nor be removed",
    ),
    (
        "variables.added.all(a, a.user == request.userInfo.username)",
        "the user of an approval must be who adds it",
    ),
    (
        "size(variables.added) == 0 || authorizer.group('axon.io').resource('taskpipelines').namespace(request.namespace).name(request.name).check('approve').allowed()",
        "to add an approval needs the right to approve taskpipelines",
    ),
    (
        "size(variables.added) == 0 || request.operation == 'CREATE' || (has(oldObject.status) && has(oldObject.status.phase) && oldObject.status.phase == 'AwaitingApproval' && size(variables.runs) > 0 && variables.added.all(a, a.task == variables.runs[size(variables.runs) - 1].task))",
        "an approval must be of the Task of the step that awaits approval",
    ),
];

/// The policy and its binding, to be installed with the definitions.
pub fn objects() -> [Value; 2] {
    [
        document::<ValidatingAdmissionPolicy>(serde_json::to_value(policy())),
        document::<ValidatingAdmissionPolicyBinding>(serde_json::to_value(binding())),
    ]
}

/// The policy.
pub fn policy() -> ValidatingAdmissionPolicy {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    ValidatingAdmissionPolicy {
        metadata: metadata(),
        spec: Some(ValidatingAdmissionPolicySpec {
            failure_policy: Some("Fail".to_owned()),
            match_constraints: Some(MatchResources {
                resource_rules: Some(vec![NamedRuleWithOperations {
                    api_groups: words(&[crate::GROUP]),
                    api_versions: words(&["*"]),
                    operations: words(&["CREATE", "UPDATE"]),
                    resources: words(&["taskpipelines"]),
                    ..NamedRuleWithOperations::default()
                }]),
                ..MatchResources::default()
            }),
            variables: Some(VARIABLES.iter().map(variable).collect()),
            validations: Some(VALIDATIONS.iter().map(validation).collect()),
            ..ValidatingAdmissionPolicySpec::default()
        }),
        status: None,
    }
}

/// The binding, which makes the policy hold in the whole cluster.
pub fn binding() -> ValidatingAdmissionPolicyBinding {
    ValidatingAdmissionPolicyBinding {
        metadata: metadata(),
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(NAME.to_owned()),
            validation_actions: Some(vec!["Deny".to_owned()]),
            ..ValidatingAdmissionPolicyBindingSpec::default()
        }),
    }
}

fn metadata() -> ObjectMeta {
    ObjectMeta {
        name: Some(NAME.to_owned()),
        ..ObjectMeta::default()
    }
}

fn variable((name, expression): &(&str, &str)) -> Variable {
    Variable {
        name: (*name).to_owned(),
        expression: (*expression).to_owned(),
    }
}

fn validation((expression, message): &(&str, &str)) -> Validation {
    Validation {
        expression: (*expression).to_owned(),
        message: Some((*message).to_owned()),
        reason: Some("Forbidden".to_owned()),
        ..Validation::default()
    }
}

fn document<K: k8s_openapi::Resource>(object: serde_json::Result<Value>) -> Value {
    let mut document = object.unwrap_or_else(|_| json!({}));
    document["apiVersion"] = json!(K::API_VERSION);
    document["kind"] = json!(K::KIND);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_say_what_they_are_and_the_binding_names_the_policy() {
        let [policy, binding] = objects();
        assert_eq!(policy["kind"], "ValidatingAdmissionPolicy");
        assert_eq!(binding["kind"], "ValidatingAdmissionPolicyBinding");
        assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
    }
}
