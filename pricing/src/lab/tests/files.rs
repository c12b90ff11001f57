//! Files: what is read, what is refused and where, and the set that ships.

use proptest::prelude::*;
use tandem_model::workload::WorkloadClass;

use super::super::accept::{Conversion, acceptance_ppm};
use super::super::demand::{Demand, Need};
use super::super::history::History;
use super::super::scenario::{Files, Scenario};
use super::super::{csv, synthetic};
use super::{DEMAND_HEAD, PRICES_HEAD, parameters};

const ALIBABA_HEAD: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,\
                            creation_time,deletion_time,scheduled_time\n";

#[test]
fn the_files_that_ship_are_what_the_generator_makes() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/lab");
    for (file, made) in [
        ("demand.csv", synthetic::demand_csv(synthetic::SEED)),
        ("prices.csv", synthetic::prices_csv(synthetic::SEED)),
    ] {
        let shipped = std::fs::read_to_string(path.join(file)).unwrap();
        assert!(
            shipped == made,
            "write {file} anew: see pricing/examples/lab_data.rs"
        );
    }
}

#[test]
fn alibabas_trace_is_read_by_the_table() {
    let text = format!(
        "{ALIBABA_HEAD}a,1,1,1,460,,LS,Running,50,90,51\n\
         b,1,1,0,0,,BE,Failed,10,40,\n\
         c,1,1,8,1000,V100M16|V100M32,Burstable,Running,20,,21\n\
         d,1,1,1,1000,G2,Guaranteed,Pending,20,20,\n"
    );
    let demand = Demand::parse("t.csv", &text).unwrap();
    let found: Vec<_> = demand
        .tasks
        .iter()
        .map(|t| (t.arrival_s, t.duration_s, t.gpus, t.class))
        .collect();
    assert_eq!(
        found,
        [
            (10, 30, 0, WorkloadClass::BatchInference),
            (20, 70, 8, WorkloadClass::SingleNodeTraining),
            (20, 0, 1, WorkloadClass::Interactive),
            (50, 40, 1, WorkloadClass::OnlineInference),
        ]
    );
    let Need::Named(cards) = &demand.tasks[1].need else {
        panic!("V100 is a named card")
    };
    let ids: Vec<_> = cards.iter().map(|gpu| gpu.id()).collect();
    assert_eq!(ids, ["v100-pcie-16gb", "v100-sxm2-32gb"]);
}

#[test]
fn a_demand_that_cannot_be_read_is_refused_with_line_and_column() {
    for (row, field) in [
        ("a,-1,60,1,,rendering", "arrival_s"),
        ("a,+1,60,1,,rendering", "arrival_s"),
        ("a,99999999999,60,1,,rendering", "arrival_s"),
        ("a,1,1e3,1,,rendering", "duration_s"),
        ("a,1,18446744073709551616,1,,rendering", "duration_s"),
        ("a,1,60,1025,,rendering", "gpus"),
        ("a,1,60,,,rendering", "gpus"),
        ("a,1,60,1,RTX 9090,rendering", "gpu"),
        ("a,1,60,1,|,rendering", "gpu"),
        ("a,1,60,1,,mining", "class"),
        ("a,1,60,1,,", "class"),
        ("a,1,60,1,rendering", ""),
        ("\"a\",1,60,1,,rendering", ""),
    ] {
        let text = format!("{DEMAND_HEAD}ok,1,60,1,,rendering\n\n{row}\n");
        let error = Demand::parse("d.csv", &text).unwrap_err();
        assert_eq!((error.line, &*error.field), (4, field), "{row}");
        assert!(error.to_string().starts_with("d.csv:4: "), "{error}");
    }
    let deleted = format!("{ALIBABA_HEAD}a,1,1,1,1,,LS,Running,50,49,51\n");
    assert_eq!(
        Demand::parse("t", &deleted).unwrap_err().field,
        "deletion_time"
    );
    let qos = format!("{ALIBABA_HEAD}a,1,1,1,1,,XX,Running,50,60,51\n");
    assert_eq!(Demand::parse("t", &qos).unwrap_err().field, "qos");
    for head in ["", "name,arrival_s\n", "\u{0}\n"] {
        assert_eq!(Demand::parse("t", head).unwrap_err().line, 1);
    }
    let long = format!(
        "{DEMAND_HEAD}{},1,60,1,,rendering\n",
        "a".repeat(csv::LINE_BYTES_MAX)
    );
    assert!(Demand::parse("t", &long).is_err());
}

#[test]
fn prices_that_cannot_be_believed_are_refused_with_line_and_column() {
    for (row, field) in [
        (
            "0,ionet,rtx4090,consumer,DE,0.00,8",
            "price_usd_per_gpu_hour",
        ),
        ("0,ionet,rtx4090,consumer,DE,-1,8", "price_usd_per_gpu_hour"),
        (
            "0,ionet,rtx4090,consumer,DE,1001,8",
            "price_usd_per_gpu_hour",
        ),
        (
            "0,ionet,rtx4090,consumer,DE,NaN,8",
            "price_usd_per_gpu_hour",
        ),
        ("0,ionet,rtx4090,consumer,DE,,8", "price_usd_per_gpu_hour"),
        ("0,IO NET,rtx4090,consumer,DE,1,8", "network"),
        ("0,ionet,H100,datacenter,DE,1,8", "gpu"),
        ("0,ionet,rtx4090,gaming,DE,1,8", "grade"),
        ("0,ionet,rtx4090,consumer,Germany,1,8", "country"),
        ("0,ionet,rtx4090,consumer,DE,1,-8", "gpus"),
        ("x,ionet,rtx4090,consumer,DE,1,8", "time_s"),
    ] {
        let error = History::parse("p.csv", &format!("{PRICES_HEAD}{row}\n")).unwrap_err();
        assert_eq!((error.line, &*error.field), (2, field), "{row}");
    }
}

#[test]
fn a_table_of_conversion_is_levelled_and_used_instead_of_the_elasticity() {
    let text = "ratio_permille_from,quoted,accepted\n500,10,8\n1000,10,4\n1100,30,18\n1300,10,0\n";
    let table = Conversion::parse("c.csv", text).unwrap();
    // 4 of 10 and 18 of 30 rise, so both count as 22 of 40.
    for (price, expected) in [
        (1, 800_000),
        (999, 800_000),
        (1_000, 550_000),
        (1_299, 550_000),
        (1_300, 0),
        (i64::MAX, 0),
    ] {
        let share = acceptance_ppm(price, 1_000, Some(&table), &parameters(1));
        assert_eq!(share, expected, "{price}");
    }
    for rows in ["", "1,0,0\n", "1,5,6\n", "2,5,5\n2,5,5\n", "x,5,5\n"] {
        let text = format!("ratio_permille_from,quoted,accepted\n{rows}");
        assert!(Conversion::parse("c.csv", &text).is_err(), "{rows}");
    }
    assert!(Conversion::parse("c.csv", "").is_err());
    let files = Files {
        conversion: Some(("c.csv", text)),
        ..Files::default()
    };
    let scenario = Scenario::read(&files).unwrap();
    let policy = crate::policy::Policy::standard();
    let by_table = super::super::backtest(&policy, None, &scenario, parameters(1));
    assert!(by_table.inputs.acceptance_by_table);
    assert_eq!(by_table.inputs.files.len(), 3);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(rows in "[a-zA-Z0-9,.\n\"\\-+|é ]{0,200}") {
        for head in [DEMAND_HEAD, ALIBABA_HEAD, PRICES_HEAD, ""] {
            let text = format!("{head}{rows}");
            let _ = Demand::parse("f", &text);
            let _ = History::parse("f", &text);
            let _ = Conversion::parse("f", &text);
        }
        let gcp = format!("{}\n{rows}", super::super::gcp::HEADER);
        let _ = History::parse("f", &gcp);
        let _ = super::super::spot::Availability::parse("a_v100_1.json", &rows);
    }
}
