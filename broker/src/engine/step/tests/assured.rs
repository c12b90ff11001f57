//! The tier that starts on consumer hardware and falls back to enterprise.

use std::sync::Arc;

use tandem_model::gpu::GpuModel;
use tandem_model::money::{MicroUsd, RatePerGpuHour};
use tandem_model::network::Grade;
use tandem_model::offer::Offer;
use tandem_model::workload::Tier;

use super::super::story::{Story, offer};
use super::*;
use crate::engine::market;

fn cents(cents: i32) -> RatePerGpuHour {
    RatePerGpuHour::new(MicroUsd::from_cents(cents))
}

/// Two consumer machines and a cheaper one of enterprise grade.
fn offers() -> Vec<Offer> {
    let a100 = Offer {
        gpu: GpuModel::by_id("a100-sxm4-80gb").unwrap(),
        grade: Grade::Datacenter,
        price: cents(30),
        ..offer("aethir", "a100")
    };
    vec![offer("ionet", "1"), offer("ionet", "2"), a100]
}

fn assured(offers: &[Offer]) -> Story {
    let mut story = Story::new(offers);
    let spec = Arc::make_mut(&mut story.job.spec);
    spec.quote.tier = Tier::Assured;
    spec.quote.replacement_rate_max = cents(300);
    story
}

fn placed_on(story: &Story) -> &str {
    story.job.last().unwrap().offer.locator.as_str()
}

#[test]
fn an_assured_job_starts_on_consumer_hardware_and_goes_to_enterprise_hardware_when_it_fails() {
    let mut story = assured(&offers()).run();
    assert_eq!(placed_on(&story), "1");
    assert_eq!(
        market::assured_gpus(&story.job.spec, story.job.last(), false),
        1
    );
    // Its agent is not heard any more, and its lease runs out.
    story.tick(43);
    story.tick(103);
    assert_eq!(
        placed_on(&story),
        "a100",
        "though the customer named another card"
    );
    assert_eq!(
        market::assured_gpus(&story.job.spec, story.job.last(), false),
        0
    );
}

#[test]
fn without_a_free_backstop_an_assured_job_goes_on_where_it_can() {
    let mut story = assured(&offers()[..2]).run();
    story.tick(43);
    story.tick(103);
    assert_eq!(placed_on(&story), "2");
}

#[test]
fn a_machine_that_was_never_had_is_no_failure_of_the_run() {
    let mut story = assured(&offers());
    story.tick(0);
    assert_eq!(placed_on(&story), "1");
    let refused = Input::Created(Epoch(1), refusal(FailureKind::NoCapacity));
    story.step(4, refused);
    story.tick(5);
    assert_eq!(placed_on(&story), "2");
}
