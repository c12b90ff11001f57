//! What the kernel knows of the supply beside its offers.

use super::*;

#[test]
fn what_an_assured_job_may_need_is_promised_from_its_commit_and_not_from_the_next_reading() {
    let mut rig = Rig::new();
    let mut spec = spec(FILE, &two()[0]);
    spec.quote.tier = tandem_model::workload::Tier::Assured;
    let accept = Request::Accept {
        job: job(1),
        spec: Box::new(spec),
        reply: None,
    };
    rig.ask(0, accept);
    assert_eq!(rig.kernel.market().supply.usage().assured_gpus, 0);
    rig.work(0);
    assert_eq!(rig.kernel.market().supply.usage().assured_gpus, 1);
    rig.read(two());
    assert_eq!(
        rig.kernel.market().supply.usage().assured_gpus,
        1,
        "counted once"
    );
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
