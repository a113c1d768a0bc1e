//! From the manifests of other systems to those of axon.io: pure functions over documents.
//!
//! Each source system has a file with one function per kind. A function takes the fields that it
//! knows out of the source; what is left over was not understood and is reported by its path, so
//! that nothing is lost without a word.

mod axon;
mod check;
mod fields;
mod kelos;
mod kelos_spawner;
mod metadata;
mod notes;
mod quantity;
mod read;
mod surroundings;
mod wearn;
mod wearn_parts;
mod xonovex;

#[cfg(test)]
mod kelos_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wearn_tests;
#[cfg(test)]
mod xonovex_tests;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use notes::{Note, Weight};
pub(crate) use read::{Document, read};

use crate::text::one_line;
use notes::Notes;
use surroundings::Surroundings;

/// What became of one document.
#[derive(Debug)]
pub(crate) struct Converted {
    /// Where it was and what it is, for people: `file.yaml:2 Task/fix`.
    pub(crate) origin: String,
    /// What to apply instead of it; nothing when there is no equivalent.
    pub(crate) objects: Vec<Value>,
    /// What people should know.
    pub(crate) notes: Vec<Note>,
}

/// Converts all documents. They are looked at together: a Secret or the defaults of a namespace
/// decide what is written into the objects that use them.
pub(crate) fn convert(documents: Vec<Document>) -> Vec<Converted> {
    let surroundings = Surroundings::of(documents.iter().map(|document| &document.object));
    let mut names = BTreeSet::new();
    documents
        .into_iter()
        .map(|document| {
            let mut converted = convert_one(document, &surroundings);
            let mut notes = Notes::default();
            converted.objects.retain(|object| {
                let is_first =
                    group_of(object) != axon_api::GROUP || names.insert(metadata::identity(object));
                if !is_first {
                    notes.lost(
                        "metadata.name",
                        format!(
                            "an earlier document gives {} already; this one is left out",
                            metadata::kind_and_name(object)
                        ),
                    );
                }
                is_first
            });
            converted.notes.extend(notes.into_list());
            converted
        })
        .collect()
}

fn convert_one(document: Document, surroundings: &Surroundings) -> Converted {
    let mut notes = Notes::default();
    let origin = format!(
        "{} {}",
        document.place,
        one_line(&metadata::kind_and_name(&document.object))
    );
    let group = group_of(&document.object).to_owned();
    let mut object = document.object;
    if let Some(task) = wearn::task_that_made(&object) {
        notes.changed(
            "metadata.ownerReferences",
            format!(
                "CodingTask `{task}` made this run, and its TaskPipeline makes Tasks itself; it is left out"
            ),
        );
        return Converted {
            origin,
            objects: Vec::new(),
            notes: notes.into_list(),
        };
    }
    metadata::clean(&mut object, &group, &mut notes);
    let mut objects = match group.as_str() {
        kelos::GROUP => kelos::convert(object, &mut notes),
        xonovex::GROUP => xonovex::convert(object, surroundings, &mut notes),
        wearn::GROUP => wearn::convert(object, surroundings, &mut notes),
        axon_api::GROUP => axon::convert(object, &mut notes),
        _ => others(object, &mut notes),
    };
    for object in &mut objects {
        if group_of(object) == axon_api::GROUP {
            check::remove_nulls(object);
        }
        check::note_problems(object, &mut notes);
    }
    Converted {
        origin,
        objects,
        notes: notes.into_list(),
    }
}

/// Objects of Kubernetes and of anybody else stay as they are.
fn others(object: Value, notes: &mut Notes) -> Vec<Value> {
    let is_object = ["apiVersion", "kind"]
        .iter()
        .all(|field| object[*field].as_str().is_some_and(|text| !text.is_empty()));
    if is_object {
        return vec![object];
    }
    notes.lost("kind", "this is no object of Kubernetes; it is left out");
    Vec::new()
}

/// The API group of an object; empty for Kubernetes' core.
fn group_of(object: &Value) -> &str {
    object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group)
}
