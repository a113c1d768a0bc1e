//! `convert`: manifests of other systems become manifests of axon.io.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::convert::{self, Weight};
use crate::exit::Exit;
use crate::failure::Result;
use crate::output;

/// Turn manifests of Kelos, Agent Operator and earlier Axon into manifests of axon.io
#[derive(Args)]
#[command(
    after_help = "Manifests go to stdout, and what was changed, what is to be done by hand and what was lost to stderr.\n\n\
                  Exit codes:\n  0    converted; nothing was lost\n  1    an error\n  13   converted; something was lost or is to be done by hand"
)]
pub(crate) struct ConvertArgs {
    /// File, folder or - for stdin; may be given more than once
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Format of stdout
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Written,
}

/// How the manifests are written.
#[derive(Clone, Copy, ValueEnum)]
enum Written {
    Yaml,
    Json,
}

pub(crate) fn convert(args: &ConvertArgs) -> Result<Exit> {
    let converted = convert::convert(convert::read(&args.files)?);
    for document in &converted {
        for note in &document.notes {
            output::note(format!("# {}: {}", document.origin, note.line()));
        }
    }
    let is_lossless = converted
        .iter()
        .flat_map(|document| &document.notes)
        .all(|note| note.weight == Weight::Changed);
    let objects: Vec<_> = converted
        .into_iter()
        .flat_map(|document| document.objects)
        .collect();
    match args.output {
        Written::Json => match objects.as_slice() {
            [object] => output::print(output::to_json(object))?,
            objects => output::print(output::to_json(&output::list_of(objects)))?,
        },
        Written::Yaml => {
            let documents = objects.iter().map(output::to_yaml).collect::<Result<Vec<_>>>()?;
            output::print(documents.join("---\n"))?;
        }
    }
    Ok(if is_lossless { Exit::Success } else { Exit::Lossy })
}
