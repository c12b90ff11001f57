//! The job's state machine: one total function, [`next`].
//!
//! It says which state follows and which effects the engine owes; it performs none. Terminal
//! states absorb everything: a late failure never reopens a finished job. Suspect, fence, then
//! place: there is no way from `Suspect` to a new placement that does not pass `Fencing`.

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, or between two placements; waits for an offer.
    Queued,
    /// A placement is recorded and its creation was asked for.
    Placing,
    /// The network confirmed the creation; no agent was heard yet.
    Starting,
    /// The agent holds its lease.
    Running,
    /// The agent was not heard for too long.
    Suspect,
    /// No renewal is granted any more; waiting for the network's word or the lease's end.
    Fencing,
    /// The customer or the operator asked to stop; waiting for it.
    Cancelling,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended for a cause that is recorded.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Placing,
        Self::Starting,
        Self::Running,
        Self::Suspect,
        Self::Fencing,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing can change it any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a live epoch may hold a lease.
    pub const fn may_hold_lease(self) -> bool {
        matches!(
            self,
            Self::Placing | Self::Starting | Self::Running | Self::Suspect
        )
    }
}

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// The planner chose an offer.
    OfferChosen,
    /// The network confirmed the creation.
    CreateConfirmed,
    /// The network refused the creation, and nothing exists there.
    CreateRefused,
    /// An agent was bound to the live epoch.
    AgentBound,
    /// The live agent was heard.
    Heard,
    /// The live agent was not heard within the window.
    Silent,
    /// The placement is to be left: confirmed silence, a network's failure, or a predicted loss.
    LeaveDecided,
    /// The network confirmed the stop, or lease plus skew ran out.
    Fenced,
    /// The live agent's durable result: exit code 0.
    ResultSucceeded,
    /// The live agent's durable result: the workload itself failed.
    ResultFailed,
    /// The customer or the operator asked to stop.
    CancelAsked,
    /// No offer until `start_by`, or the budget of attempts is spent.
    GivenUp,
}

impl JobEvent {
    /// Every event.
    pub const ALL: [Self; 12] = [
        Self::OfferChosen,
        Self::CreateConfirmed,
        Self::CreateRefused,
        Self::AgentBound,
        Self::Heard,
        Self::Silent,
        Self::LeaveDecided,
        Self::Fenced,
        Self::ResultSucceeded,
        Self::ResultFailed,
        Self::CancelAsked,
        Self::GivenUp,
    ];
}

/// What the engine owes after a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEffect {
    /// Raise the epoch, record the placement, ask the network to create it.
    CreatePlacement,
    /// Refuse every further renewal of the live epoch.
    RevokeLease,
    /// Ask the network to stop the placement.
    StopPlacement,
    /// Look for an offer.
    SeekOffer,
    /// Close the books of the job and tell its subscribers.
    Conclude,
}

/// The event cannot happen in this state: a defect of the caller, to be logged and not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {state:?} cannot take {event:?}")]
pub struct IllegalTransition {
    /// The state.
    pub state: JobState,
    /// The event.
    pub event: JobEvent,
}

/// The state after `event`, and the effects owed; every pair is decided.
///
/// A pair that is late but harmless keeps its state with no effect (a heartbeat after the end);
/// a pair that would break an invariant is refused.
pub fn next(
    state: JobState,
    event: JobEvent,
) -> Result<(JobState, &'static [JobEffect]), IllegalTransition> {
    use JobEffect as Do;
    use JobEvent as On;
    use JobState as S;
    let refused = Err(IllegalTransition { state, event });
    if state.is_terminal() {
        return match event {
            // Choosing an offer for a finished job would run it again.
            On::OfferChosen => refused,
            _ => Ok((state, &[])),
        };
    }
    let live = state.may_hold_lease();
    Ok(match (state, event) {
        (S::Queued, On::OfferChosen) => (S::Placing, &[Do::CreatePlacement]),
        (_, On::OfferChosen) => return refused,

        (S::Placing, On::CreateConfirmed) => (S::Starting, &[]),
        // The answer can come after the agent itself, or after we left.
        (_, On::CreateConfirmed) => (state, &[]),
        (S::Placing, On::CreateRefused) => (S::Queued, &[Do::RevokeLease, Do::SeekOffer]),
        (_, On::CreateRefused) => return refused,

        (S::Placing | S::Starting | S::Suspect, On::AgentBound | On::Heard) => (S::Running, &[]),
        (_, On::AgentBound) if !live => return refused,
        (_, On::AgentBound | On::Heard) => (state, &[]),

        (S::Running, On::Silent) => (S::Suspect, &[]),
        (_, On::Silent) => (state, &[]),

        (_, On::LeaveDecided) if live => (S::Fencing, &[Do::RevokeLease, Do::StopPlacement]),
        (_, On::LeaveDecided) => (state, &[]),

        (S::Fencing, On::Fenced) => (S::Queued, &[Do::SeekOffer]),
        (S::Cancelling, On::Fenced) => (S::Cancelled, &[Do::Conclude]),
        (_, On::Fenced) => return refused,

        // The durable result of the live epoch wins over suspicion, fencing and cancelling.
        (S::Queued, On::ResultSucceeded | On::ResultFailed) => return refused,
        (_, On::ResultSucceeded) => (S::Succeeded, &[Do::StopPlacement, Do::Conclude]),
        (_, On::ResultFailed) => (S::Failed, &[Do::StopPlacement, Do::Conclude]),

        (S::Queued, On::CancelAsked) => (S::Cancelled, &[Do::Conclude]),
        (_, On::CancelAsked) if live => (S::Cancelling, &[Do::RevokeLease, Do::StopPlacement]),
        // A fenced epoch is already being stopped; only the way on changes.
        (_, On::CancelAsked) => (S::Cancelling, &[]),

        (S::Queued, On::GivenUp) => (S::Failed, &[Do::Conclude]),
        (_, On::GivenUp) => return refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in JobState::ALL {
            for event in JobEvent::ALL {
                match next(state, event) {
                    Ok((to, [])) if to == state => {
                        writeln!(table, "{state:?} + {event:?} = no change").unwrap();
                    }
                    Ok((to, effects)) => {
                        writeln!(table, "{state:?} + {event:?} = {to:?} {effects:?}").unwrap();
                    }
                    Err(_) => writeln!(table, "{state:?} + {event:?} = REFUSED").unwrap(),
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn terminal_states_absorb_everything() {
        for state in JobState::ALL.into_iter().filter(|s| s.is_terminal()) {
            for event in JobEvent::ALL {
                if let Ok((to, effects)) = next(state, event) {
                    assert_eq!((to, effects), (state, &[][..]), "{state:?} + {event:?}");
                }
            }
        }
    }

    #[test]
    fn a_new_placement_is_made_only_from_queued_and_queued_is_reached_only_fenced() {
        for state in JobState::ALL {
            for event in JobEvent::ALL {
                let Ok((to, effects)) = next(state, event) else {
                    continue;
                };
                if effects.contains(&JobEffect::CreatePlacement) {
                    assert_eq!((state, event), (JobState::Queued, JobEvent::OfferChosen));
                }
                if to == JobState::Queued && state != JobState::Queued {
                    assert!(matches!(event, JobEvent::Fenced | JobEvent::CreateRefused));
                }
                if state.may_hold_lease() && !to.may_hold_lease() && !to.is_terminal() {
                    assert!(
                        effects.contains(&JobEffect::RevokeLease),
                        "{state:?} + {event:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_state_can_end() {
        for start in JobState::ALL {
            let mut reached = vec![start];
            let mut i = 0;
            while i < reached.len() {
                for event in JobEvent::ALL {
                    if let Ok((to, _)) = next(reached[i], event)
                        && !reached.contains(&to)
                    {
                        reached.push(to);
                    }
                }
                i += 1;
            }
            assert!(reached.iter().any(|s| s.is_terminal()), "{start:?}");
        }
    }
}
