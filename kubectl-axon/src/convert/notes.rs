//! What people should know about a conversion.

/// How much a note weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// The meaning is kept; it is written otherwise.
    Changed,
    /// The meaning is kept when somebody does something by hand.
    ToDo,
    /// Something has no equivalent.
    Lost,
}

/// One remark about one field of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) weight: Weight,
    /// The path in the source, such as `spec.podFailurePolicy`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Note {
    /// The note as one line of stderr, without the document's name.
    pub(crate) fn line(&self) -> String {
        let weight = match self.weight {
            Weight::Changed => "",
            Weight::ToDo => "to do: ",
            Weight::Lost => "lost: ",
        };
        format!("field .{}: {weight}{}", self.path, self.text)
    }
}

/// The notes of one document, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn changed(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.add(Weight::Changed, path, text);
    }

    pub(super) fn hand_work(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.add(Weight::ToDo, path, text);
    }

    pub(super) fn lost(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.add(Weight::Lost, path, text);
    }

    fn add(&mut self, weight: Weight, path: impl Into<String>, text: impl Into<String>) {
        self.0.push(Note {
            weight,
            path: path.into(),
            text: text.into(),
        });
    }

    pub(super) fn into_list(self) -> Vec<Note> {
        self.0
    }
}
