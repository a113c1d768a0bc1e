//! The serving process from outside: what it starts, what it adopts, whom it lets in.

mod adoption;
mod claims;
mod containers;
mod doors;
mod harness;
mod lifetime;
