//! Installs the agent CLIs, unless they are there, and prints the folder that npm installed them in.

use std::io::Write as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    axon_e2e::clis::install().await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", axon_e2e::clis::prefix()?.display())?;
    Ok(())
}
