//! What the market says of the networks that it is made of.

use super::*;
use crate::engine::market::NetworkReading;

#[test]
fn a_network_that_was_not_read_yet_is_in_the_market() {
    let mut kernel = Kernel::new(terms(), at(0));
    let read = |kernel: &Kernel| -> Vec<_> {
        let networks = &kernel.market().networks;
        let read = |(id, reading): (&NetworkId, &NetworkReading)| {
            (id.to_string(), reading.read_at.is_some())
        };
        networks.iter().map(read).collect()
    };
    let told = |aethir, ionet| [("aethir".to_owned(), aethir), ("ionet".to_owned(), ionet)];
    assert_eq!(read(&kernel), told(false, false));
    let offers = NetworkAnswer::Offers(Ok((vec![two().remove(0)], 0)));
    kernel.network_answered(&ionet(), offers, at(0));
    assert_eq!(read(&kernel), told(false, true));
}

#[test]
fn an_offer_that_the_gate_refuses_is_counted_and_never_in_the_market() {
    let mut rig = Rig::new();
    let mut offers = two();
    offers[0].price = RatePerGpuHour::new(MicroUsd::ZERO);
    rig.read(offers);
    let market = rig.kernel.market();
    let left: Vec<_> = market.offers.iter().map(|o| o.network.as_str()).collect();
    assert_eq!(left, ["aethir"]);
    assert_eq!(market.offers_of(&ionet()), 0);
    assert_eq!(market.offers_of(&NetworkId::from_static("aethir")), 1);
    let refused = &market.networks[&ionet()].refused;
    assert_eq!(refused.get("zero_price"), Some(&1));
    assert!(
        market.networks[&NetworkId::from_static("aethir")]
            .refused
            .is_empty()
    );
}
