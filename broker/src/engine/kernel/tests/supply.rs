//! What the kernel knows of the supply beside its offers.

use tandem_model::gpu::GpuModel;
use tandem_model::network::Grade;
use tandem_model::offer::Offer;
use tandem_model::workload::Tier;

use super::*;

#[test]
fn what_an_assured_job_may_need_is_promised_from_its_commit_and_not_from_the_next_reading() {
    let mut rig = Rig::backed(8);
    rig.accept_assured(1);
    assert_eq!(rig.promised(), 0);
    rig.work(0);
    assert_eq!(rig.promised(), 1);
    rig.read(two());
    assert_eq!(rig.promised(), 1, "counted once");
}

impl Rig {
    /// A market with so many enterprise GPUs beside the others.
    fn backed(gpus: u32) -> Self {
        let mut rig = Self::new();
        let enterprise = Offer {
            gpu: GpuModel::by_id("a100-sxm4-80gb").unwrap(),
            grade: Grade::Datacenter,
            nodes_available: gpus,
            ..two().remove(1)
        };
        let read = NetworkAnswer::Offers(Ok((vec![enterprise], 0)));
        let network = NetworkId::from_static("aethir");
        rig.kernel.network_answered(&network, read, at(0));
        rig
    }

    fn accept_assured(&mut self, n: u64) -> Ticket {
        let mut spec = spec(ANY, &two()[0]);
        spec.quote.tier = Tier::Assured;
        let accept = Request::Accept {
            job: job(n),
            spec: Box::new(spec),
            reply: None,
        };
        self.ask(0, accept)
    }

    fn promised(&self) -> u64 {
        self.kernel.market().supply.usage().assured_gpus
    }
}

const ANY: &str =
    "tandem: 1\nname: story\nrun: ./train\nresources: {gpu: any, memory_gb_min: 20}\n";

#[test]
fn of_many_who_accept_at_once_only_those_are_taken_whom_the_backstop_holds() {
    // The standard policy lets a quarter of the free enterprise GPUs back that tier.
    let mut rig = Rig::backed(8);
    let tickets: Vec<_> = (1..=4).map(|n| rig.accept_assured(n)).collect();
    let replies = rig.work(0).replies;
    let taken: Vec<_> = replies.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(taken, tickets[..2]);
    let refused = |ticket: &Ticket| (*ticket, Reply::Refused(Refused::NotBacked));
    let wanted: Vec<_> = tickets[2..].iter().map(refused).collect();
    assert_eq!(rig.kernel.answers(), wanted);
    assert_eq!((rig.promised(), rig.kernel.len()), (2, 2));
}

#[test]
fn what_is_promised_to_a_job_is_not_missing_for_its_own_next_term() {
    let mut rig = Rig::backed(8);
    for n in 1..=2 {
        rig.accept_assured(n);
    }
    rig.work(0);
    assert_eq!(rig.promised(), 2, "all that may be");
    let planner = rig.kernel.planner();
    let mut one = rig.kernel.job(job(1)).unwrap().clone();
    // What was agreed to is looked at afterwards: the price is what it is.
    let limits = &mut Arc::make_mut(&mut one.spec).workload.limits;
    limits.max_price_micro_usd = Some(MicroUsd::new(1));
    let price = planner.term_price(&one, at(1)).expect("the tier is sold");
    assert!(price.rate.price() > price.cost && price.cost > MicroUsd::ZERO);
    assert!(
        !planner.is_backed(&one.spec, at(1)),
        "and not to a third one"
    );
}

#[test]
fn who_is_refused_for_what_another_gets_is_not_refused_before_that_is_written() {
    let mut rig = Rig::backed(8);
    let tickets: Vec<_> = (1..=3).map(|n| rig.accept_assured(n)).collect();
    let turn = rig.turn(0).unwrap();
    assert!(rig.kernel.answers().is_empty());
    // The first two cannot be written, so the third has its backstop.
    let failed = StoreError::Database("the disk is full".into());
    assert_eq!(rig.kernel.refused(turn, &failed, at(0)).replies.len(), 2);
    assert_eq!(rig.work(0).replies, [(tickets[2], Reply::Accepted(job(3)))]);
}

#[test]
fn what_was_promised_to_a_job_that_could_not_be_written_is_free_again() {
    let mut rig = Rig::backed(8);
    for n in 1..=2 {
        rig.accept_assured(n);
    }
    let turn = rig.turn(0).unwrap();
    let failed = StoreError::Database("the disk is full".into());
    let after = rig.kernel.refused(turn, &failed, at(0));
    assert_eq!((after.replies.len(), rig.promised()), (2, 0));
    let ticket = rig.accept_assured(3);
    assert_eq!(rig.work(0).replies, [(ticket, Reply::Accepted(job(3)))]);
}

#[test]
fn a_revoked_quote_is_refused_with_its_version_and_takes_no_other_with_it() {
    let mut rig = Rig::new();
    let (first, second) = (rig.accept(1), rig.accept(2));
    let why = || StoreError::Refused {
        rule: Rule::QuoteRevoked,
        detail: "version 0 was revoked".into(),
    };
    let turn = rig.turn(0).unwrap();
    assert!(rig.kernel.refused(turn, &why(), at(0)).replies.is_empty());
    let turn = rig.turn(0).unwrap();
    let after = rig.kernel.refused(turn, &why(), at(0));
    assert_eq!(
        after.replies,
        [(first, Reply::Refused(Refused::Revoked(0)))]
    );
    assert_eq!(rig.work(0).replies, [(second, Reply::Accepted(job(2)))]);
}

#[test]
fn failures_seen_before_a_restart_count_after_it() {
    let mut terms = terms();
    let seen = tandem_pricing::failures::Seen {
        failures: 2,
        gpu_seconds: 3_600,
    };
    terms.seen.machines.insert((ionet(), false), seen);
    let mut rig = Rig::new();
    rig.kernel = Kernel::new(terms, at(0));
    rig.read(two());
    assert_eq!(
        rig.kernel.market().supply.usage().seen.machines[&(ionet(), false)],
        seen
    );
    assert_eq!(
        rig.kernel.market().settled.machines[&(ionet(), false)],
        seen
    );
}
