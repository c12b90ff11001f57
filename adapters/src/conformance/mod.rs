//! What every adapter must do, written against a [`Peer`] so that the same suite runs over the
//! sandbox's world in memory and over real HTTP.
//!
//! The one rule behind all checks: a certain outcome is never wrong. Where the fate of an act is
//! open, the outcome is unknown and a listing by tag finds the truth.

mod faults;
mod life;
mod lost;
mod run;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use tandem_model::network::NetworkId;

use crate::adapter::{Answer, Context};
use crate::registry;
use crate::wire::WireRequest;
use run::Run;

/// The other side: networks that can be broken on purpose and whose time can be moved.
pub trait Peer: Send {
    /// The moment, with a nonce never given before. Wall time must be the one against which the
    /// network checks signatures.
    fn context(&mut self) -> Context;

    /// Sends one request to a network, once: no retry, no rate limit of ours.
    fn send(
        &mut self,
        network: &NetworkId,
        request: WireRequest,
    ) -> impl Future<Output = Answer> + Send;

    /// Breaks something: `POST /sandbox/faults`. Panics when the sandbox refuses.
    fn inject(&mut self, fault: &Fault) -> impl Future<Output = ()> + Send;

    /// Ends every fault: `DELETE /sandbox/faults`.
    fn heal(&mut self) -> impl Future<Output = ()> + Send;

    /// Lets world time pass.
    fn advance(&mut self, world: Duration) -> impl Future<Output = ()> + Send;

    /// Lets wall time pass: what a rate limit asks for.
    fn pause(&mut self, wall: Duration) -> impl Future<Output = ()> + Send;
}

/// What to break, in the sandbox's own JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which network.
    pub network: String,
    /// `node` or `network`.
    pub scope: &'static str,
    /// `crash`, `silent`, `slow`, `stale_status`, `error_before`, `error_after`,
    /// `phantom_capacity` or `reallocate`.
    pub kind: &'static str,
    /// Id of a rented thing; none for the whole network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many nodes or requests.
    pub count: u32,
    /// For `error_before` and `error_after`, what the client gets: `error` or `cut`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'static str>,
    /// How long; none until it is healed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u32>,
}

/// A check that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Network and product.
    pub subject: String,
    /// Which check.
    pub check: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.check, self.seen)
    }
}

/// What the suite found.
#[derive(Debug, Default)]
pub struct Report {
    /// Checks made.
    pub checks: usize,
    /// Those that did not hold.
    pub violations: Vec<Violation>,
}

impl Report {
    fn add(&mut self, subject: &str, check: &'static str, result: Result<(), String>) {
        self.checks += 1;
        if let Err(seen) = result {
            self.violations.push(Violation {
                subject: subject.to_owned(),
                check,
                seen,
            });
        }
    }

    /// Panics with every violation when there is one.
    pub fn assert_clean(&self) {
        let lines: Vec<_> = self.violations.iter().map(Violation::to_string).collect();
        assert!(
            lines.is_empty(),
            "{} of {} checks failed:\n{}",
            lines.len(),
            self.checks,
            lines.join("\n")
        );
        assert!(self.checks > 0, "nothing was checked");
    }
}

/// Runs every check on every adapter of the registry, with credentials made from `key`.
pub async fn check_registry<P: Peer>(peer: &mut P, key: &str) -> Report {
    let mut report = Report::default();
    let strangers = registry::all_with("not-a-key-of-anyone");
    for (adapter, stranger) in registry::all_with(key).iter().zip(&strangers) {
        let mut run = Run::new(peer, adapter.as_ref());
        let network = adapter.network().to_string();
        let result = life::wrong_credentials_are_named(&mut run, stranger.as_ref()).await;
        report.add(&network, "wrong credentials are named", result);
        let offers = match life::the_market_is_sold_and_priced(&mut run).await {
            Ok(offers) => offers,
            Err(seen) => {
                report.add(&network, "the market is sold and priced", Err(seen));
                continue;
            }
        };
        report.add(&network, "the market is sold and priced", Ok(()));
        for product in adapter.products() {
            let Some(offer) = offers.iter().find(|offer| offer.product == product.name) else {
                report.add(
                    &network,
                    "every product has an offer",
                    Err(product.name.to_owned()),
                );
                continue;
            };
            run.sell(product, offer);
            check_product(
                &mut run,
                &format!("{network}/{}", product.name),
                &mut report,
            )
            .await;
        }
    }
    report
}

async fn check_product<P: Peer>(run: &mut Run<'_, P>, subject: &str, report: &mut Report) {
    let result = life::a_placement_lives_its_whole_life(run).await;
    report.add(subject, "a placement lives its whole life", result);
    let result = life::asking_again_makes_no_second_placement(run).await;
    report.add(subject, "asking again makes no second placement", result);
    let result = life::things_that_do_not_exist_are_not_found(run).await;
    report.add(subject, "things that do not exist are not found", result);
    let result = life::an_offer_that_does_not_exist_is_a_certain_no(run).await;
    report.add(
        subject,
        "an offer that does not exist is a certain no",
        result,
    );
    let result = lost::a_lost_start_is_unknown_and_found_by_its_tag(run).await;
    report.add(
        subject,
        "a lost start is unknown and found by its tag",
        result,
    );
    let result = lost::a_lost_extension_is_unknown_and_shows_in_the_minutes(run).await;
    report.add(
        subject,
        "a lost extension is unknown and shows in the minutes",
        result,
    );
    let result = lost::a_lost_stop_is_unknown_and_can_be_asked_again(run).await;
    report.add(
        subject,
        "a lost stop is unknown and can be asked again",
        result,
    );
    let result = lost::a_lost_reading_is_never_an_answer(run).await;
    report.add(subject, "a lost reading is never an answer", result);
    let result = faults::an_error_is_never_a_wrong_certainty(run).await;
    report.add(subject, "an error is never a wrong certainty", result);
    let result = faults::phantom_capacity_never_runs(run).await;
    report.add(subject, "phantom capacity never runs", result);
    let result = faults::a_broken_node_is_still_a_status(run).await;
    report.add(subject, "a broken node is still a status", result);
    let result = faults::a_stale_status_heals(run).await;
    report.add(subject, "a stale status heals", result);
    let result = faults::a_reallocated_node_shows_another_device(run).await;
    report.add(subject, "a reallocated node shows another device", result);
}
