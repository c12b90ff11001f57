//! What renews the lease, what does not, and what losing it means.

use super::*;

#[test]
fn the_lease_counts_from_the_sending_of_its_renewal() {
    let mut rig = Rig::running();
    let sequence = rig.newest_heartbeat();
    let sent_at = rig.now;
    rig.wait(20);
    rig.give(heartbeat(sequence, true, 3, Directive::Continue));
    let end = sent_at.after(Duration::from_secs(TTL_S));
    assert!(rig.state.holds_lease(AgentTime(end.0 - 1)));
    assert!(!rig.state.holds_lease(end));
}

#[test]
fn answers_that_are_late_repeated_or_out_of_order_renew_and_revoke_nothing() {
    let mut rig = Rig::running();
    let first = rig.newest_heartbeat();
    rig.wait(5);
    let second = rig.newest_heartbeat();
    rig.give(heartbeat(second, false, 3, Directive::Continue));
    assert!(!rig.state.holds_lease(rig.now));
    rig.give(heartbeat(first, true, 3, Directive::Stop));
    rig.give(heartbeat(second, true, 3, Directive::Stop));
    rig.give(heartbeat(99, true, 3, Directive::Stop));
    assert!(
        !rig.state.holds_lease(rig.now),
        "only a newer answer grants again"
    );
    assert_eq!(
        rig.state.phase(),
        Phase::Running,
        "an old directive is not followed"
    );
    rig.renew();
    assert!(rig.state.holds_lease(rig.now));
}

#[test]
fn losing_the_lease_stops_publishing_and_not_the_computation() {
    let mut rig = Rig::running();
    rig.answer(false, 3, Directive::Continue);
    rig.give(Input::CheckpointFinished(5));
    for _ in 0..20 {
        let published = rig
            .wait(1)
            .iter()
            .any(|a| !matches!(a, Do::SendHeartbeat(_)));
        assert!(!published, "{:?}", rig.last);
    }
    assert_eq!(rig.state.phase(), Phase::Running);
    rig.renew();
    assert!(rig.last.iter().any(|a| matches!(a, Do::Upload(5, _))));
}
