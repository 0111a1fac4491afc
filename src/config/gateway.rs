//! The gateway: where it listens, and what it takes.

use std::{net::SocketAddr, num::NonZeroU32};

use super::reader::Reader;

/// How the gateway is reached, and how much it takes of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// `RELAY_GATEWAY_ADDRESS`: where it listens.
    pub address: SocketAddr,
    /// `RELAY_GATEWAY_PUBLIC_URL`: how others reach it, without a slash at the end; HubSpot signs it.
    pub public_url: Option<String>,
    /// `RELAY_GATEWAY_RATE`: requests a second that one key may make; as many may come at once.
    pub rate: NonZeroU32,
}

impl GatewayConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let address = reader.parsed("RELAY_GATEWAY_ADDRESS", "an address and port such as 127.0.0.1:8080");
        let public_url = reader.web_address("RELAY_GATEWAY_PUBLIC_URL");
        let rate = reader.checked("RELAY_GATEWAY_RATE", "a whole number from 1 to 1000000", |text| {
            text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= 1_000_000)
        });
        Some(Self {
            address: address?,
            public_url,
            rate: rate?,
        })
    }
}
