//! Countries and regions that are refused because of public sanctions programmes.
//!
//! Comprehensive embargoes of the United States (Office of Foreign Assets Control, 31 CFR chapter
//! V; Bureau of Industry and Security, 15 CFR part 746) and the European Union's restrictive
//! measures. Russia and Belarus are not under a comprehensive embargo; they are refused with the
//! others because computing services and controlled items are restricted so widely that selling
//! there needs a decision of its own. As of [`super::DATED`]; lists change, and an operator
//! adds to them in `denied_also`.

use serde::Serialize;
use tandem_model::network::Country;

use super::{Denial, Party, Rule, Rules};
use crate::countries;

/// A country or a region of one, with the programmes that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sanctioned {
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// Names of the region, in lower case; empty for the whole country.
    pub region: &'static [&'static str],
    /// Programmes.
    pub programmes: &'static str,
}

const fn country(country: &'static str, programmes: &'static str) -> Sanctioned {
    Sanctioned {
        country,
        region: &[],
        programmes,
    }
}

const fn region(names: &'static [&'static str], programmes: &'static str) -> Sanctioned {
    Sanctioned {
        country: "UA",
        region: names,
        programmes,
    }
}

/// The table.
const TABLE: &[Sanctioned] = &[
    country("CU", "31 CFR part 515; 15 CFR 746.2"),
    country(
        "IR",
        "31 CFR part 560; 15 CFR 746.7; Regulation (EU) No 267/2012",
    ),
    country(
        "KP",
        "31 CFR part 510; 15 CFR 746.4; Regulation (EU) 2017/1509",
    ),
    country(
        "SY",
        "15 CFR 746.9 (export controls; the sanctions of 31 CFR part 542 ended on 2025-06-30)",
    ),
    country("RU", "15 CFR 746.8; Regulation (EU) No 833/2014"),
    country("BY", "15 CFR 746.8; Regulation (EC) No 765/2006"),
    region(
        &[
            "crimea",
            "krym",
            "sevastopol",
            "simferopol",
            "ua-43",
            "ua-40",
        ],
        "Executive Order 13685; 15 CFR 746.6; Regulation (EU) No 692/2014",
    ),
    region(
        &["donetsk", "donetska", "ua-14"],
        "Executive Order 14065; 15 CFR 746.6; Regulation (EU) 2022/263",
    ),
    region(
        &["luhansk", "lugansk", "luhanska", "ua-09"],
        "Executive Order 14065; 15 CFR 746.6; Regulation (EU) 2022/263",
    ),
    region(&["kherson", "ua-65"], "Regulation (EU) 2022/263"),
    region(
        &["zaporizhzhia", "zaporizhia", "zaporozhye", "ua-23"],
        "Regulation (EU) 2022/263",
    ),
];

impl Sanctioned {
    /// Every row.
    pub fn all() -> &'static [Self] {
        TABLE
    }

    /// Whether the whole country is meant.
    pub fn is_whole_country(&self) -> bool {
        self.region.is_empty()
    }

    fn names(&self, region: &str) -> bool {
        let region = region.to_lowercase();
        self.region.iter().any(|name| region.contains(name))
    }
}

/// Denies sanctioned countries and regions, and those that the operator adds.
pub(super) fn judge(
    rules: &Rules,
    country: Country,
    region: Option<&str>,
    party: Party,
) -> Result<(), Denial> {
    let about = country.to_string();
    if rules.denied_also.contains(&country) {
        return Err(Denial::new(
            Rule::OperatorDenies,
            party,
            about,
            "the operator of this broker denies the country",
            "the operator takes it out of `denied_also`",
        ));
    }
    if rules.licensed.contains(&country) {
        return Ok(());
    }
    let rows = || TABLE.iter().filter(|row| row.country == country.as_str());
    if let Some(row) = rows().find(|row| row.is_whole_country()) {
        return Err(Denial::new(
            Rule::CountrySanctioned,
            party,
            about,
            format!("sanctions programmes name the country: {}", row.programmes),
            "with a licence, the operator adds the country to `licensed`",
        ));
    }
    if rows().next().is_none() {
        return Ok(());
    }
    let Some(region) = region.map(str::trim).filter(|r| is_region(r, country)) else {
        // Where a company of the country is established is a matter of its address, not of this.
        if party == Party::Customer || !rules.region_needed {
            return Ok(());
        }
        return Err(Denial::new(
            Rule::RegionUnknown,
            party,
            about,
            "parts of the country are under sanctions, and the region is not known",
            "the operator sets `region_needed` to false when its networks exclude those regions",
        ));
    };
    match rows().find(|row| row.names(region)) {
        None => Ok(()),
        Some(row) => Err(Denial::new(
            Rule::RegionSanctioned,
            party,
            format!("{country}, {region}"),
            format!("sanctions programmes name the region: {}", row.programmes),
            "with a licence, the operator adds the country to `licensed`",
        )),
    }
}

/// Whether a text says more than the country itself.
fn is_region(text: &str, country: Country) -> bool {
    let repeated = Country::parse(text).is_some_and(|c| c == country || countries::is_assigned(c));
    !text.is_empty() && !repeated
}
