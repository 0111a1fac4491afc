//! Where the platforms are, where that differs from the real ones.

use super::reader::Reader;

/// Addresses and versions of the platforms' interfaces; addresses have no slash at the end, `None` means the real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformsConfig {
    /// `RELAY_META_URL`
    pub meta_url: Option<String>,
    /// `RELAY_META_VERSION`
    pub meta_version: String,
    /// `RELAY_GOOGLE_URL`: the Data Manager API.
    pub google_url: Option<String>,
    /// `RELAY_GOOGLE_ADS_URL`
    pub google_ads_url: Option<String>,
    /// `RELAY_GOOGLE_ADS_VERSION`
    pub google_ads_version: Option<String>,
    /// `RELAY_GOOGLE_TOKEN_URL`
    pub google_token_url: Option<String>,
    /// `RELAY_TIKTOK_URL`
    pub tiktok_url: Option<String>,
}

impl PlatformsConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let meta_version = reader.checked("RELAY_META_VERSION", "a version such as v26.0", version);
        let google_ads_version = reader.optional("RELAY_GOOGLE_ADS_VERSION");
        if google_ads_version
            .as_deref()
            .is_some_and(|text| version(text).is_none())
        {
            reader.wrong("RELAY_GOOGLE_ADS_VERSION", "expected a version such as v26");
        }
        let meta_url = reader.web_address("RELAY_META_URL");
        let google_url = reader.web_address("RELAY_GOOGLE_URL");
        let google_ads_url = reader.web_address("RELAY_GOOGLE_ADS_URL");
        let google_token_url = reader.web_address("RELAY_GOOGLE_TOKEN_URL");
        let tiktok_url = reader.web_address("RELAY_TIKTOK_URL");
        Some(Self {
            meta_url,
            meta_version: meta_version?,
            google_url,
            google_ads_url,
            google_ads_version,
            google_token_url,
            tiktok_url,
        })
    }
}

fn version(text: &str) -> Option<String> {
    let numbers = text.strip_prefix('v')?;
    let is_valid = numbers.split('.').all(|number| number.parse::<u16>().is_ok());
    is_valid.then(|| text.to_owned())
}
