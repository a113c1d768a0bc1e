//! What a release consists of, made by the scripts of a release from the programs of this build:
//! archives and krew's manifest, the Dockerfiles, the workflows, and one version in all of them.

mod archives;
mod dockerfiles;
mod files;
mod krew;
mod manifests;
mod version;
mod workflows;
