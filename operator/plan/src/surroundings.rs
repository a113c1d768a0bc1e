//! What the operator gives to the pods of all Tasks: the way out of the cluster, by variables and by
//! the certificates that are trusted on it.

use axon_api::paths;
use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, EnvVar, KeyToPath, Volume, VolumeMount};

use crate::environment::{plain, unexpanded};
use crate::settings::{CaBundle, Settings};

/// The volume with the certificates.
const CA: &str = "axon-ca";

/// The variables that tell programs where the certificates are: TLS libraries in general, Node.js,
/// git, curl, and Python's requests.
const CA_VARIABLES: &[&str] = &[
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
];

/// The variables of clones and agents.
pub(crate) fn variables(settings: &Settings) -> Vec<EnvVar> {
    let given = settings.pod_env.iter();
    let given = given.map(|(name, value)| plain(name, &unexpanded(value)));
    let of_bundle = settings.pod_ca.iter().flat_map(|_| CA_VARIABLES);
    let of_bundle = of_bundle
        .filter(|name| !settings.pod_env.contains_key(**name))
        .map(|name| plain(name, paths::CA_FILE));
    given.chain(of_bundle).collect()
}

/// The volume of the pod.
pub(crate) fn volume(settings: &Settings) -> Option<Volume> {
    let CaBundle { config_map, key } = settings.pod_ca.as_ref()?;
    Some(Volume {
        name: CA.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map.clone(),
            items: Some(vec![KeyToPath {
                key: key.clone(),
                path: paths::CA_KEY.to_owned(),
                mode: None,
            }]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    })
}

/// Where clones and agents have it.
pub(crate) fn mount(settings: &Settings) -> Option<VolumeMount> {
    settings.pod_ca.as_ref().map(|_| VolumeMount {
        name: CA.to_owned(),
        mount_path: paths::CA.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}
