//! When a probe of running work is ordered, of whom, and who may answer.

use super::*;

#[test]
fn each_moment_is_ordered_in_time_and_said_again_until_it_has_come() {
    let mut running = Running::new();
    let (second, moment) = running.moments[0];
    running.until(second + 200);
    assert_eq!(running.moments_told(), [moment]);
    let (first, order) = running.told[0];
    let lead_ms = (LEAD_MIN.as_millis()..=LEAD_MAX.as_millis()).contains(&order.in_ms.into());
    assert!(lead_ms, "{order:?}");
    let seconds: Vec<u64> = running.told.iter().map(|(when, _)| *when).collect();
    let every: Vec<u64> = (first..=second).step_by(5).collect();
    assert_eq!(
        seconds, every,
        "in every answer until then, and in none after it"
    );
    for (when, order) in &running.told {
        let begins = when + order.in_ms / 1_000;
        assert!(begins.abs_diff(second) <= 1, "{begins} instead of {second}");
    }
}

#[test]
fn an_order_that_is_said_again_writes_nothing_and_is_for_the_newest_heartbeat_alone() {
    let mut running = Running::new();
    let (second, moment) = running.moments[0];
    running.until(second - 15);
    assert_eq!(running.moments_told(), [moment]);
    running.second = second - 12;
    let again = beat(job(1), 0, running.second, String::new());
    let old = beat(job(1), 0, second - 20, String::new());
    let [again, old] = [again, old].map(|said| running.rig.ask(second - 12, said));
    assert!(
        running.rig.turn(second - 12).is_none(),
        "nothing is decided"
    );
    let flush = running.rig.kernel.flush(at(second - 11)).unwrap();
    for (ticket, reply) in flush.written() {
        let Reply::Agent(AgentReply::Heartbeat(reply)) = reply else {
            panic!("{reply:?}");
        };
        let said = reply.spot_probe.map(|order| order.moment);
        assert!(ticket == again || ticket == old);
        assert_eq!(said, (ticket == again).then_some(moment));
    }
}

#[test]
fn an_order_that_could_not_be_written_is_not_told_and_is_given_again() {
    let mut running = Running::new();
    let (second, moment) = running.moments[0];
    running.until(second - 31);
    running.second = second - 29;
    running.rig.ask(
        running.second,
        beat(job(1), 0, running.second, String::new()),
    );
    let turn = running
        .rig
        .turn(running.second)
        .expect("it is decided in a commit");
    let broken = StoreError::Database("full".into());
    let after = running
        .rig
        .kernel
        .refused(turn, &broken, at(running.second));
    let said: Vec<_> = after.replies.iter().map(|(_, reply)| reply).collect();
    assert!(
        matches!(said[..], [Reply::Refused(Refused::Store(_))]),
        "{said:?}"
    );
    assert!(running.job().attempts[0].running_probes.is_empty());
    running.second = second - 24;
    assert_eq!(running.beat().map(|order| order.moment), Some(moment));
}

#[test]
fn work_that_did_not_agree_is_never_probed_and_none_where_it_is_off() {
    let off = |terms| ProbeTerms {
        while_running_per_day: 0,
        ..terms
    };
    for mut running in [Running::with(|t| t, false), Running::with(off, true)] {
        running.until(2_400);
        assert!(running.told.is_empty());
        assert!(running.job().attempts[0].running_probes.is_empty());
        assert_eq!(running.job().state(), JobState::Running);
    }
}

#[test]
fn only_the_bound_instance_answers_and_only_a_moment_that_was_ordered_and_has_come() {
    let mut running = Running::new();
    let (second, moment) = running.moments[0];
    running.until(second - 12);
    let asks = |said: ProbeOpens| Request::Agent(AgentRequest::ProbeOpens(said));
    let early = running.reply(asks(opens(moment)));
    assert!(matches!(early, AgentReply::Refused(_)), "{early:?}");
    running.at_moment(0);
    let unknown = opens(HexBytes([9; 16]));
    let stranger = ProbeOpens {
        boot_id: BootId::from_parts(7, &[5; 10]),
        ..opens(moment)
    };
    for wrong in [unknown, stranger] {
        let reply = running.reply(asks(wrong));
        assert!(matches!(reply, AgentReply::Refused(_)), "{reply:?}");
    }
    for _ in 0..3 {
        match running.reply(asks(opens(moment))) {
            AgentReply::SpotOpens(terms) => {
                let when = terms.challenge_at.since(at(second));
                assert!(when >= SETTLE && when < SETTLE + Duration::from_secs(1));
                assert_eq!((terms.sold_as.as_str(), terms.gpus), (CARD, 1));
                assert_eq!(terms.expected, None, "nothing was shown before");
            }
            other => panic!("{other:?}"),
        }
    }
    let fourth = running.reply(asks(opens(moment)));
    assert!(matches!(fourth, AgentReply::Refused(_)), "{fourth:?}");
    let other = HexBytes([9; 16]);
    let reply = running.reply(judged(other, verdict(VerdictOutcome::Fail)));
    assert!(matches!(reply, AgentReply::Refused(_)), "{reply:?}");
    assert!(running.judge(moment, VerdictOutcome::Pass));
}

/// A broker that dies with the order of the first moment written, and the job as the store has it.
fn dies_after_the_order() -> (Running, Claimed) {
    let (key, moments) = drawn();
    let probe = probe_terms(key);
    let mut rig = Rig::new();
    rig.kernel = Kernel::new(Terms { probe, ..terms() }, at(0));
    rig.read(two());
    rig.ask(0, accepts(1, true));
    let born = rig.turn(0).unwrap();
    let written = born.changes.clone();
    rig.kernel.committed(born);
    starts(&mut rig, 1);
    let mut running = Running {
        rig,
        moments,
        key,
        second: 1,
        told: Vec::new(),
    };
    let (second, _) = running.moments[0];
    running.until(second - 31);
    assert!(running.told.is_empty());
    running.second = second - 20;
    let said = beat(job(1), 0, running.second, String::new());
    running.rig.ask(running.second, said);
    let turn = running.rig.turn(running.second);
    let turn = turn.expect("it is decided in a commit");
    assert!(
        turn.changes.placements[0]
            .document
            .contains("running_probes")
    );
    (running, claimed(written, turn.changes))
}

impl Running {
    fn adopts(&mut self, claimed: &Claimed, second: u64) {
        self.adopts_under(probe_terms(self.key), claimed, second);
    }

    fn adopts_under(&mut self, probe: ProbeTerms, claimed: &Claimed, second: u64) {
        self.rig.kernel = Kernel::new(Terms { probe, ..terms() }, at(second));
        self.rig.read(two());
        self.rig.kernel.adopt(claimed, at(second)).unwrap();
        self.second = second;
    }
}

#[test]
fn a_restart_between_order_and_verdict_changes_nothing() {
    let (mut running, claimed) = dies_after_the_order();
    let (second, moment) = running.moments[0];
    running.adopts(&claimed, second - 15);
    // The broker died before it answered: the agent hears the order now.
    let order = running.beat().expect("it is said again");
    assert_eq!(order.moment, moment);
    assert!((14_000..=16_000).contains(&order.in_ms), "{order:?}");
    running.until(second + 1);
    assert!(running.judge(moment, VerdictOutcome::Pass));
    assert_eq!(running.probes().answered.len(), 1);
    running.until(second + WITHIN_S + 10);
    assert_eq!(
        (running.probes().missed, running.moments_told()),
        (0, vec![moment])
    );
}

#[test]
fn an_order_stays_ordered_where_probes_of_running_work_are_turned_off_since() {
    let (mut running, claimed) = dies_after_the_order();
    let (second, moment) = running.moments[0];
    let probe = ProbeTerms {
        while_running_per_day: 0,
        ..probe_terms(running.key)
    };
    running.adopts_under(probe, &claimed, second - 15);
    assert_eq!(running.beat().map(|order| order.moment), Some(moment));
}

#[test]
fn a_moment_at_which_nobody_listened_counts_for_nothing() {
    let (mut running, claimed) = dies_after_the_order();
    let (second, _) = running.moments[0];
    running.adopts(&claimed, second + WITHIN_S + 20);
    running.rig.work(running.second);
    assert!(running.is_left().is_none());
    let probes = running.probes();
    assert_eq!((probes.missed, probes.ordered), (0, None));
}

#[test]
fn a_moment_that_outlives_its_broker_is_no_silence_of_the_node() {
    let (second, _) = dies_after_the_order().0.moments[0];
    // Back too late for the next heartbeat to bring the order; and when nobody took the answer.
    for back in [second - 2, second + 8] {
        let (mut running, claimed) = dies_after_the_order();
        running.adopts(&claimed, back);
        running.until(second + WITHIN_S + 10);
        assert!(running.told.is_empty());
        let probes = running.probes();
        assert_eq!((probes.missed, probes.ordered), (0, None), "back at {back}");
    }
}

#[test]
fn no_more_nodes_are_probed_at_one_moment_than_can_be_checked() {
    let (key, moments) = drawn();
    let probe = probe_terms(key);
    let mut rig = Rig::new();
    rig.kernel = Kernel::new(Terms { probe, ..terms() }, at(0));
    rig.read(two());
    let jobs = COHORT_MAX as u64 + 6;
    (1..=jobs).for_each(|n| accept(&mut rig, n, true));
    let (second, _) = moments[0];
    // Somebody else's market may have taken some elsewhere: only those that run are counted.
    for now in [second - 40, second - 20] {
        for n in 1..=jobs {
            rig.ask(now, beat(job(n), 0, now, String::new()));
        }
        rig.work(now);
        let _ = rig.kernel.flush(at(now + 1));
    }
    let ordered = rig
        .kernel
        .jobs()
        .filter(|job| !job.attempts[0].running_probes.is_empty());
    assert_eq!(ordered.count(), COHORT_MAX);
}
