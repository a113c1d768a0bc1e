//! Documentation and examples are true: references say what the code says, manifests are taken by the
//! plane and planned, pictures are what their script makes.
//!
//! What is generated is compared with the file; `make docs` writes it anew.

#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/files.rs"]
mod files;
#[path = "docs/kinds.rs"]
mod kinds;
#[path = "docs/manifests.rs"]
mod manifests;
#[path = "docs/pages.rs"]
mod pages;
#[path = "docs/pictures.rs"]
mod pictures;
#[path = "docs/planned.rs"]
mod planned;
#[path = "docs/reference.rs"]
mod reference;
#[path = "docs/samples.rs"]
mod samples;
