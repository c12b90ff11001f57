//! From a region's name to its country.
//!
//! Sources, as of 2026: cloud.google.com/compute/docs/regions-zones, learn.microsoft.com/azure/
//! reliability/regions-list, docs.aws.amazon.com/global-infrastructure/latest/regions, and the
//! regions that Lambda names by their country or state. A region whose country is not published is
//! left out: its offers are refused, because no rule about countries could be kept for them.

use tandem_model::network::Country;

use crate::countries;

/// Whose region it is, where the name is one vendor's alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    /// Google Cloud.
    Gcp,
    /// Azure, AWS or Lambda.
    Other,
}

/// What a region's text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) country: Option<Country>,
    pub(super) vendor: Option<Vendor>,
    /// The text has a country and leaves the place before it empty.
    pub(super) city_missing: bool,
}

/// Country and its regions, in the order of the vendors' pages.
type Regions = &'static [(&'static str, &'static [&'static str])];

const GCP: Regions = &[
    ("TW", &["asia-east1"]),
    ("HK", &["asia-east2"]),
    ("JP", &["asia-northeast1", "asia-northeast2"]),
    ("KR", &["asia-northeast3"]),
    ("IN", &["asia-south1", "asia-south2"]),
    ("SG", &["asia-southeast1"]),
    ("ID", &["asia-southeast2"]),
    ("TH", &["asia-southeast3"]),
    ("AU", &["australia-southeast1", "australia-southeast2"]),
    ("PL", &["europe-central2"]),
    ("FI", &["europe-north1"]),
    ("SE", &["europe-north2"]),
    ("ES", &["europe-southwest1"]),
    ("BE", &["europe-west1"]),
    ("GB", &["europe-west2"]),
    ("DE", &["europe-west3", "europe-west10"]),
    ("NL", &["europe-west4"]),
    ("CH", &["europe-west6"]),
    ("IT", &["europe-west8", "europe-west12"]),
    ("FR", &["europe-west9"]),
    ("QA", &["me-central1"]),
    ("SA", &["me-central2"]),
    ("IL", &["me-west1"]),
    ("ZA", &["africa-south1"]),
    (
        "CA",
        &["northamerica-northeast1", "northamerica-northeast2"],
    ),
    ("MX", &["northamerica-south1"]),
    ("BR", &["southamerica-east1"]),
    ("CL", &["southamerica-west1"]),
    (
        "US",
        &[
            "us-central1",
            "us-central2",
            "us-east1",
            "us-east4",
            "us-east5",
            "us-south1",
            "us-west1",
            "us-west2",
            "us-west3",
            "us-west4",
        ],
    ),
];

const AZURE: Regions = &[
    (
        "AU",
        &[
            "australiacentral",
            "australiacentral2",
            "australiaeast",
            "australiasoutheast",
        ],
    ),
    ("AT", &["austriaeast"]),
    ("BE", &["belgiumcentral"]),
    ("BR", &["brazilsouth", "brazilsoutheast"]),
    ("CA", &["canadacentral", "canadaeast"]),
    ("CL", &["chilecentral"]),
    ("DK", &["denmarkeast"]),
    ("HK", &["eastasia"]),
    ("FR", &["francecentral", "francesouth"]),
    ("DE", &["germanynorth", "germanywestcentral"]),
    (
        "IN",
        &[
            "centralindia",
            "southindia",
            "westindia",
            "jioindiacentral",
            "jioindiawest",
        ],
    ),
    ("ID", &["indonesiacentral"]),
    ("IE", &["northeurope"]),
    ("IL", &["israelcentral"]),
    ("IT", &["italynorth"]),
    ("JP", &["japaneast", "japanwest"]),
    ("KR", &["koreacentral", "koreasouth"]),
    ("MY", &["malaysiawest"]),
    ("MX", &["mexicocentral"]),
    ("NL", &["westeurope"]),
    ("NZ", &["newzealandnorth"]),
    ("NO", &["norwayeast", "norwaywest"]),
    ("PL", &["polandcentral"]),
    ("QA", &["qatarcentral"]),
    ("SG", &["southeastasia"]),
    ("ZA", &["southafricanorth", "southafricawest"]),
    ("ES", &["spaincentral"]),
    ("SE", &["swedencentral", "swedensouth"]),
    ("CH", &["switzerlandnorth", "switzerlandwest"]),
    ("AE", &["uaecentral", "uaenorth"]),
    ("GB", &["uksouth", "ukwest"]),
    (
        "US",
        &[
            "centralus",
            "eastus",
            "eastus2",
            "northcentralus",
            "southcentralus",
            "westcentralus",
            "westus",
            "westus2",
            "westus3",
        ],
    ),
];

/// AWS and Lambda share names; both mean the same country by them.
const AWS_AND_LAMBDA: Regions = &[
    ("ZA", &["af-south-1"]),
    ("HK", &["ap-east-1"]),
    ("TW", &["ap-east-2"]),
    ("JP", &["ap-northeast-1", "ap-northeast-3"]),
    ("KR", &["ap-northeast-2"]),
    ("IN", &["ap-south-1", "ap-south-2"]),
    ("SG", &["ap-southeast-1"]),
    ("AU", &["ap-southeast-2", "ap-southeast-4"]),
    ("ID", &["ap-southeast-3"]),
    ("MY", &["ap-southeast-5"]),
    ("NZ", &["ap-southeast-6"]),
    ("TH", &["ap-southeast-7"]),
    ("CA", &["ca-central-1", "ca-west-1"]),
    ("DE", &["eu-central-1"]),
    ("CH", &["eu-central-2"]),
    ("SE", &["eu-north-1"]),
    ("IT", &["eu-south-1"]),
    ("ES", &["eu-south-2"]),
    ("IE", &["eu-west-1"]),
    ("GB", &["eu-west-2"]),
    ("FR", &["eu-west-3"]),
    ("IL", &["il-central-1"]),
    ("AE", &["me-central-1"]),
    ("BH", &["me-south-1"]),
    ("MX", &["mx-central-1"]),
    ("BR", &["sa-east-1"]),
    ("CN", &["cn-north-1", "cn-northwest-1"]),
    (
        "US",
        &[
            "us-east-1",
            "us-east-2",
            "us-east-3",
            "us-west-1",
            "us-west-2",
            "us-west-3",
            "us-south-1",
            "us-south-2",
            "us-south-3",
            "us-midwest-1",
            "us-southeast-1",
            "us-gov-east-1",
            "us-gov-west-1",
        ],
    ),
    ("AU", &["australia-east-1"]),
    ("DE", &["europe-central-1"]),
    ("IN", &["asia-south-1"]),
    ("IL", &["me-west-1"]),
    ("JP", &["asia-northeast-1", "asia-northeast-2"]),
];

fn within(regions: Regions, name: &str) -> Option<Country> {
    let found = regions.iter().find(|(_, names)| names.contains(&name));
    found.and_then(|(country, _)| Country::parse(country))
}

/// Reads a region: a vendor's name, `City, CC, Continent`, or a country code in capitals.
pub(super) fn read(text: &str) -> Place {
    let name = text.trim();
    if let Some(country) = within(GCP, name) {
        return Place {
            country: Some(country),
            vendor: Some(Vendor::Gcp),
            city_missing: false,
        };
    }
    if let Some(country) = within(AZURE, name).or_else(|| within(AWS_AND_LAMBDA, name)) {
        return Place {
            country: Some(country),
            vendor: Some(Vendor::Other),
            city_missing: false,
        };
    }
    let parts: Vec<&str> = name.split(',').map(str::trim).collect();
    let (city, code) = match parts.as_slice() {
        [only] => (*only, *only),
        [city, .., code, _continent] => (*city, *code),
        [city, code] => (*city, *code),
        [] => return Place::default(),
    };
    let is_code = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    let country = Country::parse(code).filter(|c| is_code && countries::is_assigned(*c));
    Place {
        country,
        vendor: None,
        city_missing: country.is_some() && city.is_empty(),
    }
}

/// Codes of continents.
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// Whether a text is `City, CC, Continent`; the city may be empty.
pub(super) fn is_place(text: &str) -> bool {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let shaped = matches!(parts.as_slice(), [_, _, last] if CONTINENTS.contains(last));
    shaped && read(text).country.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_the_country_of_their_vendors_pages() {
        for (text, country, city_missing) in [
            ("europe-west4", Some("NL"), false),
            ("westeurope", Some("NL"), false),
            ("northeurope", Some("IE"), false),
            ("eastasia", Some("HK"), false),
            ("us-midwest-1", Some("US"), false),
            ("Oregon, US, NA", Some("US"), false),
            (", CN, AS", Some("CN"), true),
            ("The Netherlands, NL, EU", Some("NL"), false),
            ("CZ", Some("CZ"), false),
            ("europe-south-1", None, false),
            ("Oregon, us, NA", None, false),
            ("Nowhere, ZZ, EU", None, false),
            (", , ", None, false),
            ("", None, false),
            ("é", None, false),
        ] {
            let place = read(text);
            let found = place.country.map(|c| c.to_string());
            assert_eq!(found.as_deref(), country, "{text}");
            assert_eq!(place.city_missing, city_missing, "{text}");
        }
    }

    #[test]
    fn no_region_has_two_countries_and_every_country_exists() {
        let mut seen = std::collections::BTreeSet::new();
        for (country, names) in GCP.iter().chain(AZURE).chain(AWS_AND_LAMBDA) {
            let country = Country::parse(country).unwrap();
            assert!(countries::is_assigned(country), "{country}");
            for name in *names {
                assert!(seen.insert(*name), "{name}");
            }
        }
    }
}
