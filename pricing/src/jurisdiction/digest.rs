//! The rules as sets of countries, which the offer book is asked with.
//!
//! A book has millions of offers and asks by country, export class and grade. What the rules say of
//! machines is worked out once, when they are read ([`Digester::of`]); what is left for a quote are
//! a few operations on sets and the rules about one customer, cheap enough to be done for each. The
//! customer's own lists are not in it: the book is asked with them apart.

use tandem_model::gpu::ExportClass;
use tandem_model::network::Country;
use tandem_model::workload::DataClass;

use super::{Denial, Party, Rules, Subject, export, judge, sanctions, stated};
use crate::book::Forbidden;
use crate::countries::{self, CountrySet};

/// What the rules leave of the market for one customer and one kind of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Why the customer gets nothing at all, where that is so. The sets hold for machines even then.
    pub customer: Option<Denial>,
    /// Where work may not run, by the export class of the card.
    pub forbidden: Forbidden,
    /// Whether hardware of consumer grade is out for data of this kind.
    pub is_consumer_out: bool,
}

/// Rules with what they say of machines worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digester {
    rules: Rules,
    /// For internal data, whoever the customer is.
    machines: Forbidden,
    /// Where guarded data may not be processed.
    unguarded: CountrySet,
}

impl Digester {
    /// Works the rules out.
    pub fn of(rules: Rules) -> Self {
        let exist: CountrySet = countries::all().collect();
        let are =
            |is_out: &dyn Fn(Country) -> bool| countries::all().filter(|c| is_out(*c)).collect();
        let sanctioned: CountrySet =
            are(&|c| sanctions::judge(&rules, c, None, Party::Machine).is_err());
        let unusable = CountrySet::ALL.without(&exist).or(&sanctioned);
        let by_class = |class| {
            let exported: CountrySet =
                are(&|c| export::denying(&rules, class, c, Party::Machine).is_some());
            unusable.or(&exported)
        };
        Self {
            machines: Forbidden {
                uncontrolled: by_class(ExportClass::Uncontrolled),
                notify: by_class(ExportClass::Notify),
                controlled: by_class(ExportClass::Controlled),
            },
            unguarded: are(&|c| !rules.data.allow(DataClass::Restricted, c)),
            rules,
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What is left for a customer of a country and data of a kind.
    pub fn digest(&self, customer: Option<Country>, data: DataClass) -> Digest {
        let rules = &self.rules;
        let established = stated(rules, customer).and_then(|country| {
            let Some(country) = country else {
                return Ok(None);
            };
            sanctions::judge(rules, country, None, Party::Customer).map(|()| Some(country))
        });
        let (customer, country) = match established {
            Ok(country) => (None, country),
            Err(denial) => (Some(denial), None),
        };
        let guarded = match data {
            DataClass::Public | DataClass::Internal => CountrySet::EMPTY,
            DataClass::Personal | DataClass::Restricted => self.unguarded,
        };
        let by_class = |class| {
            let is_denied = country
                .is_some_and(|c| export::denying(rules, class, c, Party::Customer).is_some());
            match is_denied {
                true => CountrySet::ALL,
                false => self.machines.of(class).or(&guarded),
            }
        };
        Digest {
            customer,
            forbidden: Forbidden {
                uncontrolled: by_class(ExportClass::Uncontrolled),
                notify: by_class(ExportClass::Notify),
                controlled: by_class(ExportClass::Controlled),
            },
            is_consumer_out: rules.data.need_datacenter(data),
        }
    }

    /// As [`judge`] by these rules: the denial behind what a digest forbids.
    ///
    /// # Errors
    /// The denial, ready to be stored.
    pub fn judge(&self, subject: &Subject<'_>) -> Result<(), Denial> {
        judge(&self.rules, subject)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tandem_model::gpu::GpuModel;
    use tandem_model::network::Grade;

    use super::*;
    use crate::jurisdiction::{DataRules, ExportRule, Group, Rule};

    /// A card of each export class.
    const CARDS: [&str; 3] = ["rtx3060-12gb", "rtx4090", "h100-sxm5-80gb"];
    const GRADES: [Grade; 2] = [Grade::Consumer, Grade::Datacenter];

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn any_country() -> impl Strategy<Value = Country> {
        let known = [
            "DE", "US", "CN", "MO", "RU", "UA", "IR", "AE", "VN", "IL", "HK", "BR", "ZZ", "UK",
        ];
        prop_oneof![
            4 => proptest::sample::select(known.to_vec()).prop_map(country),
            1 => "[A-Z]{2}".prop_map(|code| country(&code)),
        ]
    }

    fn some_countries() -> impl Strategy<Value = Vec<Country>> {
        proptest::collection::vec(any_country(), 0..4)
    }

    fn any_export() -> impl Strategy<Value = Vec<ExportRule>> {
        let classes = [
            ExportClass::Uncontrolled,
            ExportClass::Notify,
            ExportClass::Controlled,
        ];
        let rule = (
            proptest::sample::select(classes.to_vec()),
            proptest::sample::select(vec![Group::D1, Group::D4, Group::D5]),
            proptest::sample::select(vec![Party::Machine, Party::Customer]),
        )
            .prop_map(|(from_class, group, party)| ExportRule {
                from_class,
                group,
                party,
            });
        prop_oneof![
            Just(ExportRule::defaults()),
            proptest::collection::vec(rule, 0..4),
        ]
    }

    prop_compose! {
        fn any_rules()(
            denied_also in some_countries(),
            licensed in some_countries(),
            region_needed: bool,
            customer_country_required: bool,
            export in any_export(),
            eea_and_adequate: bool,
            places_also in some_countries(),
            personal_needs_datacenter: bool,
        ) -> Rules {
            let data = DataRules { eea_and_adequate, places_also, personal_needs_datacenter };
            Rules {
                denied_also, licensed, region_needed, customer_country_required, export, data,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_digest_allows_exactly_what_the_rules_allow(
            rules in any_rules(),
            customer in proptest::option::of(any_country()),
            data in proptest::sample::select(DataClass::ALL.to_vec()),
        ) {
            let digest = Digester::of(rules.clone()).digest(customer, data);
            let nowhere = ["AA", "UK", "ZZ"].map(country);
            for place in countries::all().chain(nowhere) {
                for (gpu, grade) in CARDS.iter().flat_map(|id| GRADES.map(|g| (id, g))) {
                    let gpu = GpuModel::by_id(gpu).unwrap();
                    let subject = Subject {
                        customer,
                        allowed: &[],
                        denied: &[],
                        place: Some(place),
                        region: None,
                        gpu,
                        grade,
                        data,
                    };
                    let is_out = digest.customer.is_some()
                        || digest.forbidden.of(gpu.export_class()).contains(place)
                        || (digest.is_consumer_out && grade == Grade::Consumer);
                    let judged = judge(&rules, &subject);
                    prop_assert_eq!(is_out, judged.is_err(), "{} {} {:?}", place, gpu, judged);
                }
            }
        }
    }

    #[test]
    fn a_code_that_no_country_has_is_forbidden_to_every_card() {
        let lax = Rules {
            export: Vec::new(),
            ..Rules::default()
        };
        let forbidden = Digester::of(lax).digest(None, DataClass::Public).forbidden;
        let exist: CountrySet = countries::all().collect();
        for set in [
            forbidden.uncontrolled,
            forbidden.notify,
            forbidden.controlled,
        ] {
            assert_eq!(CountrySet::ALL.without(&exist).without(&set).len(), 0);
        }
    }

    #[test]
    fn a_customer_who_may_have_nothing_is_told_why() {
        let of = |rules: Rules, customer: Option<&str>| {
            let digest = Digester::of(rules).digest(customer.map(country), DataClass::Internal);
            digest.customer.map(|denial| (denial.rule, denial.party))
        };
        let required = Rules {
            customer_country_required: true,
            ..Rules::default()
        };
        let denied = |rule| Some((rule, Party::Customer));
        let unknown = denied(Rule::CountryUnknown);
        for (rules, customer, why) in [
            (Rules::default(), None, None),
            (required.clone(), None, unknown),
            (required, Some("DE"), None),
            (Rules::default(), Some("ZZ"), unknown),
            (
                Rules::default(),
                Some("IR"),
                denied(Rule::CountrySanctioned),
            ),
            (Rules::default(), Some("CN"), None),
        ] {
            assert_eq!(of(rules, customer), why, "{customer:?}");
        }
    }

    #[test]
    fn every_export_class_has_its_card_in_these_tests() {
        let classes = CARDS.map(|id| GpuModel::by_id(id).unwrap().export_class());
        let all = [
            ExportClass::Uncontrolled,
            ExportClass::Notify,
            ExportClass::Controlled,
        ];
        assert_eq!(classes, all);
    }
}
