//! Times around a probe: how long it may take, and whose time counts.

use super::*;

#[test]
fn time_before_the_verdict_is_not_proved_whatever_is_claimed_after_it() {
    let mut rig = rig(probing());
    rig.running(1, 1);
    rig.ask(3, probing_beat(0, 1));
    rig.work(3);
    assert!(rig.may_start(20, judged(0, VerdictOutcome::Pass)));
    // It claims that it worked for all of 22 s, and the verdict is 2 s old.
    rig.ask(22, working(0, 22));
    rig.work(22);
    let proved = rig.the_job().doc.session.proved();
    assert_eq!(proved, Duration::from_secs(2));
    assert_eq!(rig.the_job().state(), JobState::Running);
}

#[test]
fn time_in_which_no_broker_was_there_does_not_count_against_a_probe() {
    let terms_of = || Terms {
        probe: ProbeTerms {
            within: Duration::from_secs(60),
            ..probing()
        },
        ..terms()
    };
    let away = |answers: bool| {
        let mut rig = rig(terms_of().probe);
        let claimed = rig.leaves_a_bound_job();
        rig.kernel = Kernel::new(terms_of(), at(1_000));
        rig.read(two());
        rig.kernel.adopt(&claimed, at(1_000)).unwrap();
        for second in 1_000..1_070 {
            rig.ask(second, probing_beat(0, second));
            if answers && second == 1_050 {
                assert!(rig.may_start(second, judged(0, VerdictOutcome::Pass)));
            }
            rig.work(second);
            if second == 1_060 {
                assert_eq!(rig.the_job().state(), JobState::Running);
            }
        }
        rig
    };
    assert_eq!(away(true).the_job().state(), JobState::Running);
    away(false).was_left("no verdict of the probe of node 0 in time");
}

#[test]
fn no_verdict_in_time_leaves_and_one_in_time_does_not() {
    let within = Duration::from_secs(60);
    let silent = |answers: bool| {
        let mut rig = rig(ProbeTerms {
            within,
            ..probing()
        });
        rig.running(1, 1);
        for second in 2..=70 {
            rig.ask(second, probing_beat(0, second));
            if answers && second == 60 {
                assert!(rig.may_start(second, judged(0, VerdictOutcome::Pass)));
            }
            rig.work(second);
            if second == 61 {
                assert_eq!(rig.the_job().state(), JobState::Running);
            }
        }
        rig
    };
    silent(false).was_left("no verdict of the probe of node 0 in time");
    assert_eq!(silent(true).the_job().state(), JobState::Running);
}
