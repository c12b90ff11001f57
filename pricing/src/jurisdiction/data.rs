//! Where each kind of data may be processed.

use serde::{Deserialize, Serialize};
use tandem_model::network::{Country, Grade};
use tandem_model::workload::DataClass;

use super::{Denial, Party, Rule, Subject, areas};

/// Where the two guarded classes may be processed. `public` and `internal` data go wherever the
/// other rules allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataRules {
    /// Whether the European Economic Area and the countries found adequate are allowed for
    /// `personal` and `restricted` data.
    pub eea_and_adequate: bool,
    /// Further countries for both, such as the customer's own under contract clauses.
    pub places_also: Vec<Country>,
    /// Whether `personal` data need hardware of data-centre grade too.
    pub personal_needs_datacenter: bool,
}

impl Default for DataRules {
    fn default() -> Self {
        Self {
            eea_and_adequate: true,
            places_also: Vec::new(),
            personal_needs_datacenter: false,
        }
    }
}

impl DataRules {
    /// Whether data of this kind may be processed in a country.
    pub(super) fn allow(&self, data: DataClass, place: Country) -> bool {
        match data {
            DataClass::Public | DataClass::Internal => true,
            DataClass::Personal | DataClass::Restricted => self.lists(place),
        }
    }

    /// Whether data of this kind need hardware of data-centre grade.
    pub(super) fn need_datacenter(&self, data: DataClass) -> bool {
        match data {
            DataClass::Public | DataClass::Internal => false,
            DataClass::Personal => self.personal_needs_datacenter,
            DataClass::Restricted => true,
        }
    }

    fn lists(&self, place: Country) -> bool {
        let public = [areas::EU, areas::EEA_BEYOND_EU, areas::ADEQUATE];
        self.places_also.contains(&place)
            || (self.eea_and_adequate && public.iter().any(|list| areas::holds(list, place)))
    }
}

pub(super) fn judge(
    rules: &DataRules,
    subject: &Subject<'_>,
    place: Country,
) -> Result<(), Denial> {
    let word = subject.data.as_str();
    if rules.need_datacenter(subject.data) && subject.grade != Grade::Datacenter {
        return Err(Denial::new(
            Rule::DataGrade,
            Party::Machine,
            format!("{place}, hardware of consumer grade"),
            format!(
                "{word} data need hardware of data-centre grade: the owner of a machine can read it"
            ),
            "choose the enterprise tier, or another data class if the data are not of this kind",
        ));
    }
    if !rules.allow(subject.data, place) {
        return Err(Denial::new(
            Rule::DataPlace,
            Party::Machine,
            place.to_string(),
            format!(
                "{word} data may be processed in the European Economic Area and in countries found adequate (Article 45 of Regulation (EU) 2016/679), as configured"
            ),
            "the operator adds the country to `data.places_also`, where a contract allows it",
        ));
    }
    Ok(())
}
