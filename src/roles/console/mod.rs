//! The console: commands by which people ask and act. Each gives `Args` and `run`, and writes what it has to say to the writer it is given.

pub mod audit;
mod clock;
mod connect;
pub mod publish;
mod table;
mod when;
mod words;
