//! Tests of the rules, as tables: who, where, what, and the rule that denies it.

use super::*;

fn gpu(id: &str) -> GpuModel {
    GpuModel::by_id(id).unwrap()
}

fn country(code: &str) -> Option<Country> {
    Country::parse(code)
}

/// A German customer's internal work on an H100 of a data centre in Germany.
fn good() -> Subject<'static> {
    Subject {
        customer: country("DE"),
        allowed: &[],
        denied: &[],
        place: country("DE"),
        region: None,
        gpu: gpu("h100-sxm5-80gb"),
        grade: Grade::Datacenter,
        data: DataClass::Internal,
    }
}

fn ruling(rules: &Rules, subject: &Subject<'_>) -> Option<(Rule, Party)> {
    let denial = judge(rules, subject).err()?;
    assert!(!denial.about.is_empty() && !denial.reason.is_empty() && !denial.change.is_empty());
    assert_eq!(denial.lists_dated, DATED);
    Some((denial.rule, denial.party))
}

#[test]
fn an_unknown_country_is_denied_on_either_side() {
    let rules = Rules {
        customer_country_required: true,
        ..Rules::default()
    };
    assert_eq!(ruling(&rules, &good()), None);
    for code in ["", "ZZ", "UK", "XX"] {
        let place = Subject {
            place: country(code),
            ..good()
        };
        let machine = (Rule::CountryUnknown, Party::Machine);
        assert_eq!(ruling(&rules, &place), Some(machine), "{code}");
        let customer = Subject {
            customer: country(code),
            ..good()
        };
        let found = (Rule::CountryUnknown, Party::Customer);
        assert_eq!(ruling(&rules, &customer), Some(found), "{code}");
    }
}

#[test]
fn a_customer_who_need_not_state_a_country_is_judged_by_the_machine_alone() {
    let rules = Rules::default();
    let unstated = Subject {
        customer: None,
        ..good()
    };
    assert_eq!(ruling(&rules, &unstated), None);
    for (place, found) in [
        ("IR", Rule::CountrySanctioned),
        ("CN", Rule::ExportClass),
        ("ZZ", Rule::CountryUnknown),
    ] {
        let there = Subject {
            place: country(place),
            ..unstated
        };
        let machine = Some((found, Party::Machine));
        assert_eq!(ruling(&rules, &there), machine, "{place}");
    }
    let wrong = Subject {
        customer: country("ZZ"),
        ..good()
    };
    let customer = Some((Rule::CountryUnknown, Party::Customer));
    assert_eq!(
        ruling(&rules, &wrong),
        customer,
        "stated, and of no country"
    );
}

#[test]
fn sanctioned_countries_are_denied_as_place_and_as_customer() {
    let rules = Rules::default();
    for code in ["CU", "IR", "KP", "SY", "RU", "BY"] {
        let mild = gpu("rtx3060-12gb");
        let place = Subject {
            place: country(code),
            gpu: mild,
            ..good()
        };
        let found = (Rule::CountrySanctioned, Party::Machine);
        assert_eq!(ruling(&rules, &place), Some(found), "{code}");
        let customer = Subject {
            customer: country(code),
            gpu: mild,
            ..good()
        };
        let found = (Rule::CountrySanctioned, Party::Customer);
        assert_eq!(ruling(&rules, &customer), Some(found), "{code}");
        let licensed = Rules {
            licensed: vec![country(code).unwrap()],
            ..Rules::default()
        };
        assert_eq!(ruling(&licensed, &customer), None, "{code}");
        let both = Rules {
            denied_also: vec![country(code).unwrap()],
            ..licensed
        };
        let found = (Rule::OperatorDenies, Party::Customer);
        assert_eq!(
            ruling(&both, &customer),
            Some(found),
            "denying wins: {code}"
        );
    }
}

#[test]
fn regions_under_sanctions_are_denied_and_so_is_a_region_that_nobody_names() {
    let careful = Rules::default();
    let lax = Rules {
        region_needed: false,
        ..Rules::default()
    };
    for (region, with_care, without) in [
        (Some("Kyiv"), None, None),
        (Some("Lviv Oblast"), None, None),
        (
            Some("Crimea"),
            Some(Rule::RegionSanctioned),
            Some(Rule::RegionSanctioned),
        ),
        (
            Some("Autonomous Republic of CRIMEA"),
            Some(Rule::RegionSanctioned),
            Some(Rule::RegionSanctioned),
        ),
        (
            Some("UA-40"),
            Some(Rule::RegionSanctioned),
            Some(Rule::RegionSanctioned),
        ),
        (
            Some("Donetsk Oblast"),
            Some(Rule::RegionSanctioned),
            Some(Rule::RegionSanctioned),
        ),
        (
            Some("Kherson"),
            Some(Rule::RegionSanctioned),
            Some(Rule::RegionSanctioned),
        ),
        (None, Some(Rule::RegionUnknown), None),
        (Some("  "), Some(Rule::RegionUnknown), None),
        (Some("UA"), Some(Rule::RegionUnknown), None),
    ] {
        let subject = Subject {
            place: country("UA"),
            region,
            ..good()
        };
        let rule = |rules| ruling(rules, &subject).map(|(rule, _)| rule);
        assert_eq!(
            (rule(&careful), rule(&lax)),
            (with_care, without),
            "{region:?}"
        );
    }
    let customer = Subject {
        customer: country("UA"),
        ..good()
    };
    assert_eq!(ruling(&careful, &customer), None);
}

#[test]
fn the_customers_own_lists_are_kept() {
    let rules = Rules::default();
    let (de, fr) = (country("DE").unwrap(), country("FR").unwrap());
    for (allowed, denied, rule) in [
        (vec![], vec![], None),
        (vec![de], vec![], None),
        (vec![fr], vec![], Some(Rule::CustomerAllowsOthers)),
        (vec![], vec![de], Some(Rule::CustomerDenies)),
        (vec![de], vec![de], Some(Rule::CustomerDenies)),
    ] {
        let subject = Subject {
            allowed: &allowed,
            denied: &denied,
            ..good()
        };
        assert_eq!(ruling(&rules, &subject).map(|(rule, _)| rule), rule);
    }
}

#[test]
fn cards_are_denied_to_destinations_by_their_export_class() {
    let rules = Rules::default();
    let machine = Some((Rule::ExportClass, Party::Machine));
    let customer = Some((Rule::ExportClass, Party::Customer));
    // Card, machine in, customer in.
    for (id, place, from, denied) in [
        ("h100-sxm5-80gb", "US", "DE", None),
        ("h100-sxm5-80gb", "CN", "DE", machine),
        ("h100-sxm5-80gb", "MO", "DE", machine),
        ("h100-sxm5-80gb", "VN", "DE", machine),
        ("a100-pcie-40gb", "AE", "DE", machine),
        ("a100-pcie-40gb", "IL", "DE", None),
        ("a100-pcie-40gb", "HK", "DE", machine),
        ("h100-sxm5-80gb", "US", "HK", customer),
        ("rtx4090", "HK", "DE", machine),
        ("rtx3060-12gb", "HK", "HK", None),
        ("h100-sxm5-80gb", "US", "CN", customer),
        ("h100-sxm5-80gb", "US", "VN", None),
        ("h100-sxm5-80gb", "US", "AE", None),
        ("rtx4090", "CN", "DE", machine),
        ("rtx4090", "VN", "DE", None),
        ("l4", "US", "CN", customer),
        ("rtx3060-12gb", "CN", "CN", None),
        ("t4", "VE", "VE", None),
    ] {
        let subject = Subject {
            gpu: gpu(id),
            place: country(place),
            customer: country(from),
            ..good()
        };
        assert_eq!(
            ruling(&rules, &subject),
            denied,
            "{id} in {place} for {from}"
        );
        let none = Rules {
            export: Vec::new(),
            ..Rules::default()
        };
        assert_eq!(ruling(&none, &subject), None, "the operator configures it");
    }
}

#[test]
fn data_go_where_their_class_allows() {
    use DataClass::{Internal, Personal, Public, Restricted};
    let rules = Rules::default();
    let place = Some(Rule::DataPlace);
    let grade = Some(Rule::DataGrade);
    for (data, code, hardware, denied) in [
        (Public, "BR", Grade::Consumer, None),
        (Internal, "ZA", Grade::Consumer, None),
        (Personal, "FR", Grade::Consumer, None),
        (Personal, "NO", Grade::Consumer, None),
        (Personal, "JP", Grade::Datacenter, None),
        (Personal, "BR", Grade::Datacenter, None),
        (Personal, "US", Grade::Datacenter, place),
        (Personal, "IN", Grade::Consumer, place),
        (Restricted, "FR", Grade::Consumer, grade),
        (Restricted, "FR", Grade::Datacenter, None),
        (Restricted, "US", Grade::Datacenter, place),
    ] {
        let subject = Subject {
            data,
            place: country(code),
            grade: hardware,
            ..good()
        };
        let found = ruling(&rules, &subject).map(|(rule, _)| rule);
        assert_eq!(found, denied, "{data:?} in {code}");
    }
    let data = DataRules {
        places_also: vec![country("US").unwrap()],
        eea_and_adequate: false,
        personal_needs_datacenter: true,
    };
    let rules = Rules {
        data,
        ..Rules::default()
    };
    for (code, hardware, denied) in [
        ("US", Grade::Datacenter, None),
        ("US", Grade::Consumer, grade),
        ("FR", Grade::Datacenter, place),
    ] {
        let subject = Subject {
            data: Personal,
            place: country(code),
            grade: hardware,
            ..good()
        };
        assert_eq!(
            ruling(&rules, &subject).map(|(rule, _)| rule),
            denied,
            "{code}"
        );
    }
}

#[test]
fn the_gravest_rule_is_named_first() {
    let denied = [country("RU").unwrap()];
    let subject = Subject {
        place: country("RU"),
        customer: country("CN"),
        denied: &denied,
        data: DataClass::Restricted,
        grade: Grade::Consumer,
        ..good()
    };
    let found = ruling(&Rules::default(), &subject);
    assert_eq!(found, Some((Rule::CountrySanctioned, Party::Machine)));
}

#[test]
fn a_denial_is_kept_and_read_back_as_it_was() {
    let subject = Subject {
        place: country("IR"),
        ..good()
    };
    let denial = judge(&Rules::default(), &subject).unwrap_err();
    assert!(
        denial
            .to_string()
            .starts_with("machine in IR: sanctions programmes name")
    );
    let kept = serde_json::to_string(&denial).unwrap();
    assert!(kept.starts_with(r#"{"rule":"country_sanctioned","party":"machine","about":"IR""#));
    assert_eq!(serde_json::from_str::<Denial>(&kept).unwrap(), denial);
}

#[test]
fn rules_are_read_from_a_file_and_a_wrong_key_is_refused() {
    let text = r#"{"denied_also": ["CN"], "export": [{"from_class": "controlled", "group": "d5", "party": "machine"}]}"#;
    let rules: Rules = serde_json::from_str(text).unwrap();
    assert_eq!(rules.denied_also, [country("CN").unwrap()]);
    assert_eq!(rules.export.len(), 1);
    assert!(rules.region_needed && rules.data.eea_and_adequate);
    for bad in [
        r#"{"denied": []}"#,
        r#"{"licensed": ["Iran"]}"#,
        r#"{"data": {"x": 1}}"#,
    ] {
        assert!(serde_json::from_str::<Rules>(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_country_of_the_lists_exists() {
    for row in Sanctioned::all() {
        assert!(countries::is_assigned(country(row.country).unwrap()));
        assert!(!row.programmes.is_empty());
        assert!(row.region.iter().all(|name| *name == name.to_lowercase()));
    }
    let members = |group: Group| {
        let codes = ('A'..='Z').flat_map(|a| ('A'..='Z').map(move |b| format!("{a}{b}")));
        let countries = codes.filter_map(|code| country(&code));
        let inside: Vec<_> = countries.filter(|c| group.holds(*c)).collect();
        assert!(inside.iter().all(|c| countries::is_assigned(*c)));
        inside.len()
    };
    assert_eq!(
        (members(Group::D1), members(Group::D4), members(Group::D5)),
        (25, 22, 24)
    );
}
