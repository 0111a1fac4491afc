//! What makes one event a copy of another: its key, and how long a platform remembers it.
use std::hash::{DefaultHasher, Hasher};

/// Meta and TikTok discard a copy that arrives within 48 hours of the first.
pub const TWO_DAYS: Memory = Memory::Seconds(48 * 3600);

/// How long a platform recognises a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// It does not: every copy counts.
    None,
    Seconds(i64),
    Always,
}

/// What identifies an event within its ad account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u128);

impl Key {
    /// The key made of these parts; the order matters.
    pub fn of(parts: &[&str]) -> Self {
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(seed);
            for part in parts {
                hasher.write(part.as_bytes());
                hasher.write_u8(0xff);
            }
            hasher.finish()
        };
        Self(u128::from(half(0)) << 64 | u128::from(half(1)))
    }
}
