//! What is known of a price before it is worked out is what the price then says, and a search that
//! uses it finds what one finds that asks every price.

use super::*;
use crate::book::{AislePrice, Outlook, PriceFn, Prices};

/// What policies say beside their defaults.
const RULES: [&str; 5] = [
    "[]",
    "\n\
     \x20 - {id: a, priority: 9, match: {grade: [datacenter]}, set: {margin_basis_points: 100}}\n\
     \x20 - {id: b, priority: 8, match: {gpu: [RTX4090]}, set: {margin_basis_points: 4_000}}\n\
     \x20 - {id: c, priority: 7, set: {surge: {0: 0, 1_000: 5_000}}}",
    "\n\
     \x20 - {id: a, priority: 9, match: {tier: [assured]}, set: {floor_micro_usd_per_gpu_hour: 700_000}}\n\
     \x20 - {id: b, priority: 8, match: {network: [aethir]}, set: {rate_risk_basis_points: 2_000}}",
    "\n\
     \x20 - {id: a, priority: 9, match: {country: [US]}, set: {margin_basis_points: 3_000}}\n\
     \x20 - {id: b, priority: 8, set: {allow_below_cost: true}}\n\
     promotions:\n\
     \x20 - {id: p, match: {gpu: [A100]}, discount_basis_points: 4_000, from: 1969-01-01T00:00:00Z, until: 1971-01-01T00:00:00Z}",
    "\n\
     \x20 - {id: a, priority: 9, match: {grade: [consumer]}, set: {ceiling_micro_usd_per_gpu_hour: 900_000}}",
];

/// The limits of files.
const LIMITS: [&str; 4] = [
    "{}",
    "{countries_denied: [DE]}",
    "{max_price_usd_per_gpu_hour: 0.80}",
    "{expected_seconds: 3600, finish_by_seconds: 4600, budget_usd: 1}",
];

fn policy(rules: &str) -> Policy {
    let text = format!(
        "tandem_policy: 1\nname: a\ndefaults: {{margin_basis_points: 1_000, rate_risk_basis_points: 100, \
         term_seconds: 86_400, valid_seconds: 60, assured_share_permille: 1_000, \
         replacement_rate_max_basis_points: 12_500}}\n\
         guard_rails: {{price_change_max_permille: 100, margin_min_basis_points: 0}}\nrules: {rules}\n"
    );
    Policy::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

/// Whether an outlook is what the price says, for an aisle whose offers cost these prices.
fn is_true(outlook: Outlook, price: &AislePrice, prices: &[i64]) -> bool {
    match (outlook, price) {
        (Outlook::Unknown, _) => true,
        (Outlook::NotSold(early), AislePrice::NotSold(why)) => early == *why,
        (
            Outlook::Sold {
                useful_min,
                small_up_to,
                speed_permille,
                price_max,
            },
            AislePrice::Sold(sale),
        ) => {
            speed_permille == sale.speed_permille
                && price_max == sale.price_max
                && sale.is_small_up_to(small_up_to)
                && prices.iter().all(|price| {
                    let useful = sale.useful_at(*price).unwrap();
                    useful_min.apply(*price) <= useful
                })
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_is_known_of_a_price_is_what_it_says_and_searches_find_the_same(
        offers in prop::collection::vec(any_offer(), 1..40),
        rules in prop::sample::select(RULES.to_vec()),
        limits in prop::sample::select(LIMITS.to_vec()),
        (gpus, nodes) in (1u16..5, 1u16..3),
        probes in prop::collection::vec((0u64..40, 500u32..1_100, 0u64..10), 0..40),
        backstop in 1i64..2_000_000,
    ) {
        let text = format!("tandem: 1\nname: a\nrun: ./x\nresources: {{gpu: any, gpus_per_node: {gpus}, nodes: {nodes}}}\nlimits: {limits}\n");
        let document = files::read(&text).unwrap();
        let classification = classify(&document);
        let w = document.workload.unwrap();
        let book = Book::build(&offers).unwrap();
        let usage = probed::usage_of(&offers, &probes);
        let supply = supply(&book, &usage);
        let policy = policy(rules);
        let desk = Desk::new(&w, &classification, &book, under(&policy, &supply));
        let prices = offers.iter().map(|offer| offer.price.price().get());
        let prices: Vec<_> = prices.filter(|price| *price > 0).collect();
        for tier in Tier::ALL {
            let cost = (tier == Tier::Assured).then(|| MicroUsd::new(backstop));
            let list = desk.list(tier, cost);
            for aisle in book.aisles() {
                let (early, price) = (list.outlook(aisle), list.price(aisle, None));
                prop_assert!(is_true(early, &price, &prices), "{early:?} {price:?}");
            }
            let ask = desk.ask(tier);
            let mut early = book.rank_by(&ask, desk.list(tier, cost), WorldTime::default());
            let asked = PriceFn(|aisle: &_, apart| list.price(aisle, apart));
            let mut late = book.rank_by(&ask, asked, WorldTime::default());
            prop_assert_eq!(early.fitting(), late.fitting());
            prop_assert_eq!(early.refused(), late.refused());
            let hits: Vec<_> = early.by_ref().collect();
            prop_assert!(hits.iter().copied().eq(late.by_ref()));
            let free = hits.iter().map(|hit| {
                let view = book.view(hit.row);
                u64::from(view.shelf().gpus_per_node) * u64::from(view.nodes_available())
            });
            let free: u64 = free.sum();
            prop_assert_eq!(early.free_gpus(u64::MAX), free);
            let untouched = book.rank_by(&ask, desk.list(tier, cost), WorldTime::default());
            prop_assert_eq!(untouched.free_gpus(u64::MAX), free);
        }
    }
}
