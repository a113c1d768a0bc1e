//! Cases over the world.
