//! What the decisions about spawners are, from the outside.

mod cron;
mod drafting;
mod due;
mod histories;
mod model;
mod places;
mod remembering;
mod telling;
mod world;
