//! SIGTERM and SIGINT, as a flag that long waits look at and as a message.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether this process was asked to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Takes over SIGTERM and SIGINT, and calls `told` with the signal's name each time that one comes.
/// The first process of a container has no default action for them: without this they would be
/// lost.
pub(crate) fn watch(told: impl Fn(&'static str) + Send + 'static) -> io::Result<Interruption> {
    let interruption = Interruption::default();
    let flag = interruption.clone();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            flag.0.store(true, Ordering::SeqCst);
            told(if signal == SIGINT { "SIGINT" } else { "SIGTERM" });
        }
    });
    Ok(interruption)
}
