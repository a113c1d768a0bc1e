//! Whether an installation may be written as flags say. Pure.

use axon_api::labels;
use k8s_openapi::apimachinery::pkg::version::Info;
use serde_json::Value;

use super::present::Place;
use super::schemas::{Difference, compare};
use super::versions::{OLDEST, kubernetes};
use super::{VERSION, server};
use crate::failure::Failure;
use crate::{invocation, output};

/// A server that is too old.
pub(crate) fn too_old(info: &Info) -> Option<Failure> {
    let version = kubernetes(info)?;
    (version < OLDEST).then(|| {
        Failure::new(format!(
            "the cluster is Kubernetes {}.{}, and Axon needs {}.{} or newer",
            version.0, version.1, OLDEST.0, OLDEST.1
        ))
        .hint("upgrade the cluster, or make another: `kind create cluster`")
        .hint(format!("without a cluster: `{} run --local`", invocation::name()))
    })
}

/// The installation that an object belongs to, if it is Helm's: `namespace/release`.
pub(crate) fn helm_release(object: &Value) -> Option<String> {
    let metadata = &object["metadata"];
    let annotation = |name: &str| metadata["annotations"][name].as_str();
    let release = annotation("meta.helm.sh/release-name");
    // A manifest that Helm has rendered and kubectl has applied has the label, and no release.
    let namespace = annotation("meta.helm.sh/release-namespace").unwrap_or("default");
    release.map(|release| format!("{namespace}/{release}"))
}

/// An object that Helm keeps, and the command that is Helm's for what was to be done.
pub(crate) fn is_helms<'a>(
    present: impl IntoIterator<Item = &'a Value>,
    verb: &str,
    tail: &str,
) -> Option<Failure> {
    let (object, release) = present
        .into_iter()
        .find_map(|object| Some((object, helm_release(object)?)))?;
    let (namespace, release) = release.split_once('/').unwrap_or(("default", &release));
    Some(
        Failure::new(format!(
            "{} is managed by Helm, as release `{release}` in namespace `{namespace}`",
            output::kind_and_name(object)
        ))
        .hint(format!("`helm {verb} {release}{tail} -n {namespace}`")),
    )
}

/// An object that belongs to an installation in another namespace.
pub(crate) fn is_anothers(places: &[Place], namespace: &str) -> Option<Failure> {
    let (object, other) = places.iter().find_map(|place| {
        let object = place.present.as_ref()?;
        let other = object["metadata"]["labels"][labels::INSTALLATION].as_str()?;
        (other != namespace).then_some((object, other))
    })?;
    Some(
        Failure::new(format!(
            "{} belongs to the installation in namespace `{other}`: a cluster has one",
            output::kind_and_name(object)
        ))
        .hint(format!(
            "{} names that namespace, and `{} uninstall -n {other}` removes it",
            invocation::command(&format!("upgrade -n {other}")),
            invocation::name()
        )),
    )
}

/// A definition on the server that is newer than this program's.
pub(crate) fn is_downgrade(places: &[Place]) -> Option<Failure> {
    let (object, version, fields) = places.iter().find_map(|place| {
        let present = place.present.as_ref()?;
        if place.wanted["kind"] != "CustomResourceDefinition" {
            return None;
        }
        match compare(&place.wanted, present) {
            Difference::Newer { version, fields } => Some((&place.wanted, version, fields)),
            _ => None,
        }
    })?;
    let what = match (version, fields.as_slice()) {
        (Some(version), _) => format!("of version {version}"),
        (None, [first, ..]) => format!("newer: it has the field `{first}`, which this program does not know"),
        (None, []) => "newer".to_owned(),
    };
    Some(
        Failure::new(format!(
            "the definition `{}` on the cluster is {what}; this program is {VERSION}",
            server::name(object)
        ))
        .hint("get a newer kubectl-axon: with older definitions the server drops fields of objects")
        .hint("--allow-downgrade goes back nevertheless"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::manifest::{Parts, Wanted};
    use serde_json::json;

    fn places(present: impl Fn(&Value) -> Option<Value>) -> Vec<Place> {
        let wanted = Wanted {
            parts: Parts::All,
            ..Wanted::standard("axon-system")
        };
        let objects = wanted.objects().expect("objects");
        objects
            .into_iter()
            .map(|wanted| Place {
                present: present(&wanted),
                wanted,
            })
            .collect()
    }

    #[test]
    fn an_old_cluster_is_refused_with_the_way_on() {
        let info = |minor: &str| Info {
            major: "1".into(),
            minor: minor.into(),
            ..Info::default()
        };
        let text = too_old(&info("30")).expect("refused").render();
        assert!(
            text.contains("Kubernetes 1.30") && text.contains("kind create cluster"),
            "{text}"
        );
        assert_eq!(too_old(&info("31")), None);
        assert_eq!(too_old(&info("?")), None);
    }

    #[test]
    fn what_helm_keeps_is_left_to_helm() {
        let annotations =
            json!({"meta.helm.sh/release-name": "axon", "meta.helm.sh/release-namespace": "ns"});
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "annotations": annotations}});
        let text = is_helms([&object], "uninstall", "").expect("refused").render();
        assert!(text.contains("`helm uninstall axon -n ns`"), "{text}");
        assert_eq!(is_helms([&json!({"metadata": {}})], "uninstall", ""), None);
    }

    #[test]
    fn a_manifest_that_helm_only_rendered_is_nobodys() {
        let object = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}});
        assert_eq!(helm_release(&object), None);
    }

    #[test]
    fn a_second_installation_is_refused() {
        let same = places(|wanted| Some(wanted.clone()));
        assert_eq!(is_anothers(&same, "axon-system"), None);
        let text = is_anothers(&same, "other").expect("refused").render();
        assert!(text.contains("in namespace `axon-system`"), "{text}");
    }

    #[test]
    fn older_definitions_do_not_replace_newer_ones() {
        assert_eq!(is_downgrade(&places(|_| None)), None);
        assert_eq!(is_downgrade(&places(|wanted| Some(wanted.clone()))), None);
        let newer = places(|wanted| {
            let mut present = wanted.clone();
            let fields =
                present.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")?;
            fields["later"] = json!({"type": "string"});
            Some(present)
        });
        let text = is_downgrade(&newer).expect("refused").render();
        assert!(
            text.contains("`spec.later`") && text.contains("--allow-downgrade"),
            "{text}"
        );
    }
}
