//! What a session lets an instance publish: the pointer and the result.

use tandem_model::id::BootId;
use tandem_model::placement::Epoch;
use tandem_model::time::WorldTime;

use super::{Bound, Session, Standing};
use crate::protocol::{
    CheckpointReply, CheckpointRequest, Phase, Problem, ResultReply, ResultReport,
};

impl Session {
    /// The bound instance that asks, while the epoch is not fenced, or why it may not.
    ///
    /// # Errors
    /// Another epoch than the live one, a fenced one, or another instance than the bound one.
    pub fn instance(&self, epoch: Epoch, rank: u16, boot_id: BootId) -> Result<&Bound, Problem> {
        let live = self.live.as_ref().filter(|live| live.epoch == epoch);
        let live = live.ok_or_else(|| self.refused(epoch, "it is not the live epoch"))?;
        if live.standing == Standing::Fenced {
            return Err(self.refused(epoch, "it is fenced"));
        }
        let bound = live.ranks.get(&rank).filter(|bound| bound.is(boot_id));
        bound.ok_or_else(|| self.refused(epoch, "this instance is not bound to it"))
    }

    /// Moves the pointer: only for rank 0 of the live epoch, with its lease, to a higher step.
    ///
    /// The request for the checkpoint that the pointer is at already is accepted again, so a lost
    /// answer does no harm.
    pub fn checkpoint(
        &mut self,
        request: &CheckpointRequest,
        now: WorldTime,
    ) -> Result<CheckpointReply, Problem> {
        let bound = self.instance(request.epoch, request.rank, request.boot_id)?;
        let leased = bound.lease_until.is_some_and(|until| now < until)
            && self.standing() == Some(Standing::Granting);
        let wanted = request.checkpoint();
        let is_there = self.pointer.as_ref() == Some(&wanted);
        let is_higher = self.pointer.as_ref().is_none_or(|at| wanted.step > at.step);
        let may_move = leased && request.rank == 0 && request.job == self.job && is_higher;
        if may_move {
            self.pointer = Some(wanted);
        }
        Ok(CheckpointReply {
            accepted: may_move || is_there,
            pointer: self.pointer.clone(),
        })
    }

    /// Records how an instance ended, once; the same instance may ask again.
    ///
    /// It needs the live epoch, not a lease: a result that waited for the network to come back
    /// counts until the epoch is fenced.
    pub fn result(
        &mut self,
        report: &ResultReport,
        now: WorldTime,
    ) -> Result<ResultReply, Problem> {
        let mine = self
            .bound(report.rank)
            .filter(|bound| bound.is(report.boot_id));
        let known = mine.and_then(|bound| bound.end.as_ref());
        if known.is_some_and(|end| end.epoch == report.epoch) {
            return Ok(ResultReply { recorded: true });
        }
        self.instance(report.epoch, report.rank, report.boot_id)?;
        if report.job != self.job {
            return Err(self.refused(report.epoch, "it belongs to another job"));
        }
        self.note_lost_peer(now);
        let terms = self.terms;
        if let Some(live) = &mut self.live
            && let Some(bound) = live.ranks.get_mut(&report.rank)
        {
            bound.claim(report.worked_ms, now, &terms);
            bound.hear(Phase::Ended, now);
            bound.lease_until = None;
            bound.end = Some(report.clone());
            if report.is_failure() && live.failed.is_none() {
                live.failed = Some(report.rank);
            }
        }
        Ok(ResultReply { recorded: true })
    }
}
