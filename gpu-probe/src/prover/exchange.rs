//! The messages in order, and the work between them on all cards at once.

use ed25519_dalek::SigningKey;

use crate::bench::{Card, warm_up};
use crate::cuda::CudaError;
use crate::exchange::{
    BlockPick, DevicePlan, Filled, Hello, MatrixOpenings, MatrixPicks, Plan, ProverMessage, Roots,
    VerifierMessage, VramOpenings,
};
use crate::hex::HexBytes;
use crate::proof::{Binding, Hash, base};
use crate::report::{Digest, Kind, MatrixSummary, PublicKey, Report, VramSummary};
use crate::verdict::Verdict;

use super::matrix::MatrixChain;
use super::vram::VramArea;

/// Why an exchange did not come to a verdict. None of them is one.
#[derive(Debug, thiserror::Error)]
pub enum ProverError {
    /// A card could not do its work.
    #[error(transparent)]
    Card(#[from] CudaError),
    /// The verifier could not be asked, or refused.
    #[error("the verifier did not answer: {0}")]
    Transport(String),
    /// The verifier's answer is not the next one of the exchange.
    #[error("the verifier answered out of turn: {expected} was expected")]
    OutOfTurn {
        /// What was expected.
        expected: &'static str,
    },
    /// A worker thread panicked.
    #[error("a thread of the probe panicked: this is a defect of the probe")]
    Thread,
}

/// Sends a message and returns the verifier's answer.
pub type Send<'a> = &'a mut dyn FnMut(ProverMessage) -> Result<VerifierMessage, String>;

/// What the proofs came to by the prover's own clock, one entry a card; a spot probe proves no
/// memory.
pub type Summaries = Vec<(MatrixSummary, Option<VramSummary>)>;

/// Shortest chain whose energy is told, in ns: the card's counter moves in steps.
const ENERGY_LOOP_NS_MIN: u64 = 1_000_000_000;

/// A machine's cards, its key, and its clock.
#[derive(Clone, Copy)]
pub struct Prover<'a> {
    /// The cards, in CUDA's order.
    pub cards: &'a [Card<'a>],
    /// Signs the report; the proofs are bound to it.
    pub key: &'a SigningKey,
    /// Nanoseconds from any start.
    pub clock_ns: &'a (dyn Fn() -> u64 + Sync),
}

impl Prover<'_> {
    /// Opens with `hello`, makes both proofs, has `report` make the report, signs and sends it.
    ///
    /// # Errors
    ///
    /// A card that could not do its work, a transport that failed, an answer out of turn.
    pub fn run(
        &self,
        send: Send<'_>,
        hello: Hello,
        report: impl FnOnce(&Plan, Summaries) -> Report,
    ) -> Result<Verdict, ProverError> {
        // An idle card needs a while to reach its clocks, which the verifier's would count.
        at_once(self.cards.iter(), warmed_up)?;
        let plan = self.plan(send, hello, |kind| kind.is_thorough())?;
        let matrix = self.matrix(send, &plan, <[MatrixSummary]>::to_vec)?;
        let vram = self.vram(send, &plan)?.into_iter().map(Some);
        let report = report(&plan, matrix.into_iter().zip(vram).collect());
        self.send_report(send, report)
    }

    /// The same for a spot probe: the matrix proof alone, and no warm-up, for the cards come from
    /// work. `report` is called as soon as the rows are there that are to be opened; after it the
    /// cards are needed no more.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn run_spot(
        &self,
        send: Send<'_>,
        hello: Hello,
        report: impl FnOnce(&Plan, Summaries) -> Report,
    ) -> Result<Verdict, ProverError> {
        let plan = self.plan(send, hello, |kind| !kind.is_thorough())?;
        let report = self.matrix(send, &plan, |matrix| {
            report(&plan, matrix.iter().map(|m| (m.clone(), None)).collect())
        })?;
        self.send_report(send, report)
    }

    fn plan(
        &self,
        send: Send<'_>,
        hello: Hello,
        is_mine: impl FnOnce(Kind) -> bool,
    ) -> Result<Plan, ProverError> {
        let VerifierMessage::Plan(plan) = ask(send, ProverMessage::Hello(hello))? else {
            return Err(ProverError::OutOfTurn { expected: "`plan`" });
        };
        if plan.devices.len() != self.cards.len() || !is_mine(plan.kind) {
            let expected = "a plan of the probe that was ordered, with one entry a device";
            return Err(ProverError::OutOfTurn { expected });
        }
        Ok(plan)
    }

    fn send_report(&self, send: Send<'_>, report: Report) -> Result<Verdict, ProverError> {
        let signed = Box::new(report.sign(self.key));
        match ask(send, ProverMessage::Report(signed))? {
            VerifierMessage::Verdict(verdict) => Ok(*verdict),
            _ => Err(ProverError::OutOfTurn {
                expected: "`verdict`",
            }),
        }
    }

    fn bases(&self, plan: &Plan) -> Vec<Hash> {
        let public_key: PublicKey = HexBytes(self.key.verifying_key().to_bytes());
        let of = |device: &DevicePlan| {
            base(&Binding {
                challenge_id: plan.challenge_id,
                nonce: plan.nonce,
                device: device.uuid,
                public_key,
            })
        };
        plan.devices.iter().map(of).collect()
    }

    /// Makes the matrix proof. `made` is told what it came to once the cards have done all of it,
    /// before the rows are sent.
    fn matrix<T>(
        &self,
        send: Send<'_>,
        plan: &Plan,
        made: impl FnOnce(&[MatrixSummary]) -> T,
    ) -> Result<T, ProverError> {
        let bases = self.bases(plan);
        let mut chains = self
            .cards
            .iter()
            .zip(&plan.devices)
            .map(|(card, device)| MatrixChain::new(card, device.matrix_n))
            .collect::<Result<Vec<_>, _>>()?;
        let VerifierMessage::MatrixChallenge { key, .. } = ask(send, ProverMessage::MatrixBegin)?
        else {
            let expected = "`matrix_challenge`";
            return Err(ProverError::OutOfTurn { expected });
        };
        let work = chains.iter_mut().zip(self.cards).zip(&bases);
        let done = at_once(
            work.zip(&plan.devices),
            |(((chain, card), base), device)| {
                let (before_mj, begun) = (card.energy_mj(), (self.clock_ns)());
                let roots = chain.run(base, &key.0, device.matrix_jobs)?;
                let loop_ns = (self.clock_ns)().saturating_sub(begun);
                let counted = card.energy_mj().zip(before_mj);
                let energy_mj = counted.and_then(|(after, before)| after.checked_sub(before));
                Ok((
                    roots,
                    loop_ns,
                    energy_mj.filter(|_| loop_ns >= ENERGY_LOOP_NS_MIN),
                ))
            },
        )?;
        let commit = ProverMessage::MatrixCommit {
            devices: roots(plan, done.iter().map(|(roots, _, _)| roots)),
        };
        let VerifierMessage::MatrixPicks { devices, .. } = ask(send, commit)? else {
            let expected = "`matrix_picks`";
            return Err(ProverError::OutOfTurn { expected });
        };
        let opened = at_once(chains.iter_mut().zip(&devices), |(chain, picks)| {
            let MatrixPicks { jobs } = picks;
            chain.open(jobs)
        })?;
        drop(chains);
        let summaries = done.iter().zip(&plan.devices).map(|(done, device)| {
            let (roots, loop_ns, energy_mj) = done;
            MatrixSummary {
                n: device.matrix_n,
                jobs: device.matrix_jobs,
                loop_ns: *loop_ns,
                last_root: last(roots),
                energy_mj: *energy_mj,
            }
        });
        let summaries: Vec<_> = summaries.collect();
        let made = made(&summaries);
        for (rows, device) in opened.into_iter().zip(&plan.devices) {
            let uuid = device.uuid;
            taken(
                send,
                ProverMessage::MatrixOpenings(MatrixOpenings { uuid, rows }),
            )?;
        }
        Ok(made)
    }

    fn vram(&self, send: Send<'_>, plan: &Plan) -> Result<Vec<VramSummary>, ProverError> {
        let bases = self.bases(plan);
        let mut areas = self
            .cards
            .iter()
            .zip(&plan.devices)
            .map(|(card, device)| VramArea::new(card, device.vram_blocks))
            .collect::<Result<Vec<_>, _>>()?;
        let VerifierMessage::VramFill { .. } = ask(send, ProverMessage::VramBegin)? else {
            let expected = "`vram_fill`";
            return Err(ProverError::OutOfTurn { expected });
        };
        let fill_ns = at_once(areas.iter_mut().zip(&bases), |(area, base)| {
            let begun = (self.clock_ns)();
            area.fill(base)?;
            Ok((self.clock_ns)().saturating_sub(begun))
        })?;
        let devices = filled(plan, &areas);
        let VerifierMessage::VramKey { key, .. } =
            ask(send, ProverMessage::VramFilled { devices })?
        else {
            let expected = "`vram_key`";
            return Err(ProverError::OutOfTurn { expected });
        };
        let work = areas.iter_mut().zip(&plan.devices);
        let done = at_once(work, |(area, device)| {
            let begun = (self.clock_ns)();
            let roots = area.run(key.0, device.vram_passes)?;
            Ok((roots, (self.clock_ns)().saturating_sub(begun)))
        })?;
        let commit = ProverMessage::VramCommit {
            devices: roots(plan, done.iter().map(|(roots, _)| roots)),
        };
        let VerifierMessage::VramPicks { devices, .. } = ask(send, commit)? else {
            let expected = "`vram_picks`";
            return Err(ProverError::OutOfTurn { expected });
        };
        let opened = at_once(
            areas.iter_mut().zip(&devices),
            |(area, picks): (&mut VramArea<'_>, &Vec<BlockPick>)| area.open(picks),
        )?;
        for (blocks, device) in opened.into_iter().zip(&plan.devices) {
            let uuid = device.uuid;
            taken(
                send,
                ProverMessage::VramOpenings(VramOpenings { uuid, blocks }),
            )?;
        }
        let per_card = areas.iter().zip(fill_ns).zip(&done);
        Ok(per_card
            .map(|((area, fill_ns), (roots, passes_ns))| VramSummary {
                blocks: area.blocks(),
                passes: u32::try_from(roots.len()).unwrap_or(u32::MAX),
                fill_ns,
                passes_ns: *passes_ns,
                last_root: last(roots),
            })
            .collect())
    }
}

/// Warms a card up; one that cannot be, for want of memory or kernels, may prove its work all the same.
fn warmed_up(card: &Card<'_>) -> Result<(), CudaError> {
    match warm_up(card) {
        Err(error) if !error.is_sticky() => {
            tracing::warn!("no warm-up: {error}");
            Ok(())
        }
        other => other,
    }
}

fn filled(plan: &Plan, areas: &[VramArea<'_>]) -> Vec<Filled> {
    let of = |(device, area): (&DevicePlan, &VramArea<'_>)| Filled {
        uuid: device.uuid,
        blocks: area.blocks(),
    };
    plan.devices.iter().zip(areas).map(of).collect()
}

fn ask(send: Send<'_>, message: ProverMessage) -> Result<VerifierMessage, ProverError> {
    send(message).map_err(ProverError::Transport)
}

fn taken(send: Send<'_>, message: ProverMessage) -> Result<(), ProverError> {
    match ask(send, message)? {
        VerifierMessage::Ok => Ok(()),
        _ => Err(ProverError::OutOfTurn { expected: "`ok`" }),
    }
}

fn last(roots: &[Hash]) -> Digest {
    HexBytes(roots.last().copied().unwrap_or_default())
}

fn roots<'r>(plan: &Plan, all: impl Iterator<Item = &'r Vec<Hash>>) -> Vec<Roots> {
    let of = |(device, roots): (&DevicePlan, &Vec<Hash>)| Roots {
        uuid: device.uuid,
        roots: roots.iter().copied().map(HexBytes).collect(),
    };
    plan.devices.iter().zip(all).map(of).collect()
}

/// Does the work of every card on a thread of its own, all at the same time.
fn at_once<T, R>(
    cards: impl Iterator<Item = T>,
    work: impl Fn(T) -> Result<R, CudaError> + Sync,
) -> Result<Vec<R>, ProverError>
where
    T: std::marker::Send,
    R: std::marker::Send,
{
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = cards.map(|card| scope.spawn(move || work(card))).collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        let results: Vec<_> = ended.collect();
        results
            .into_iter()
            .map(|result| Ok(result.map_err(|_| ProverError::Thread)??))
            .collect()
    })
}
