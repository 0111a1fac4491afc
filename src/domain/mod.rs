//! The domain: types and rules. No input or output, no clock, no randomness; `now` comes in as an argument.

pub mod account;
pub mod cause;
pub mod click;
pub mod desired;
pub mod directory;
pub mod dispatch;
pub mod event;
pub mod hash;
pub mod ids;
pub mod outcome;
pub mod pause;
pub mod person;
pub mod phone;
pub mod plan;
pub mod platform;
pub mod record;
pub mod redact;
pub mod retry;
pub mod search_key;
pub mod secret;
pub mod spelling;
pub mod state;
pub mod trace;

pub use account::{Account, Client, Login, Mode};
pub use cause::{Cause, Who};
pub use click::{Click, ClickIds, ClickKind};
pub use directory::Directory;
pub use dispatch::{Dispatch, DispatchKey};
pub use ids::{AccountId, ClientId, EventId, EventKey};
pub use outcome::{Classification, Outcome, Verdict};
pub use pause::{Pause, Scope};
pub use platform::{PerPlatform, Platform};
pub use record::EventRecord;
pub use state::State;
pub use trace::TraceParent;
