//! The platforms: can they be reached from here? A connection is made and closed; no request is sent.

use std::collections::BTreeSet;

use super::{Finding, reach::reach};
use crate::{
    domain::{Directory, Platform, account::Transport},
    platform::Endpoints,
};

pub(super) async fn look(directory: &Directory, endpoints: &Endpoints) -> Vec<Finding> {
    let mut findings = Vec::new();
    for platform in Platform::ALL {
        for address in addresses(platform, directory, endpoints) {
            let subject = format!("{} reachable", platform.title());
            findings.push(match reach(&address).await {
                Ok(way) => Finding::ok(subject, way.to_string()),
                Err(failure) => Finding::wrong(
                    subject,
                    format!("{failure}: see this machine's network, its name service and its firewall"),
                ),
            });
        }
    }
    findings
}

/// The addresses that the ad accounts need, each once.
fn addresses(platform: Platform, directory: &Directory, endpoints: &Endpoints) -> BTreeSet<String> {
    let accounts = directory
        .accounts()
        .filter(|account| account.platform == platform && !account.removed);
    let needed = accounts.flat_map(|account| match (platform, account.rules.transport) {
        (Platform::Meta, _) => vec![&endpoints.meta],
        (Platform::Google, Transport::DataManager) => vec![&endpoints.google_data_manager, &endpoints.google_token],
        (Platform::Google, Transport::AdsApi) => vec![&endpoints.google_ads, &endpoints.google_token],
        (Platform::Tiktok, _) => vec![&endpoints.tiktok],
    });
    // Two paths of one host are one connection.
    needed.filter_map(|address| origin(address)).collect()
}

fn origin(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    Some(url.origin().ascii_serialization())
}
