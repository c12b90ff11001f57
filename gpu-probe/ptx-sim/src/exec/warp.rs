//! A warp: registers of 32 lanes, and the parts of it that stand at different instructions.
//!
//! Lanes that stand at the same instruction run it together. Of several parts the one at the lowest
//! instruction runs first, so that parts meet again at the end of a branch or loop.

use crate::exec::copies::Copies;
use crate::exec::group::Products;
use crate::exec::lanes::{LANES, Lanes, each};
use crate::inst::{Pred, Reg, Tally, Test, Verdict};

/// Why a part does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    /// At a barrier of the block; its instruction is behind.
    Barrier(u32),
    /// For other lanes of the warp; its instruction is still to be run.
    Lanes {
        members: u32,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) at: u32,
    pub(crate) mask: u32,
    pub(crate) wait: Wait,
}

#[derive(Debug)]
pub(crate) struct Warp {
    pub(crate) index: u32,
    pub(crate) registers: Vec<Lanes>,
    pub(crate) predicates: Vec<u32>,
    pub(crate) carry: u32,
    pub(crate) parts: Vec<Part>,
    /// Lanes that the block has.
    pub(crate) present: u32,
    /// Local memory of all lanes, one after the other.
    pub(crate) local: Vec<u8>,
    pub(crate) copies: Copies,
    pub(crate) products: Products,
    /// Thread index of each lane along x, y, z.
    pub(crate) thread: [[u32; 3]; LANES],
}

impl Warp {
    /// Lanes that have not ended.
    pub(crate) fn alive(&self) -> u32 {
        self.parts.iter().fold(0, |mask, part| mask | part.mask)
    }

    /// The part to run next, if any can.
    pub(crate) fn next_part(&self) -> Option<usize> {
        let ready = self.parts.iter().enumerate();
        let ready = ready.filter(|(_, part)| part.wait == Wait::No);
        ready.min_by_key(|(_, part)| part.at).map(|(at, _)| at)
    }

    pub(crate) fn lanes_of(&self, test: Test) -> u32 {
        let lanes = self.predicates[test.predicate.0 as usize];
        if test.negated { !lanes } else { lanes }
    }

    /// Writes the values of the lanes in `active`, cut to the register's width.
    pub(crate) fn set(&mut self, d: Reg, masks: &[u64], active: u32, values: &Lanes) {
        let width = masks[d.0 as usize];
        let register = &mut self.registers[d.0 as usize];
        if active == u32::MAX {
            for (to, value) in register.iter_mut().zip(values) {
                *to = value & width;
            }
        } else {
            for lane in each(active) {
                register[lane] = values[lane] & width;
            }
        }
    }

    pub(crate) fn set_predicate(&mut self, d: Pred, active: u32, lanes: u32) {
        let predicate = &mut self.predicates[d.0 as usize];
        *predicate = (*predicate & !active) | (lanes & active);
    }

    /// Moves some lanes of a part elsewhere. The part is gone if it was all of them.
    pub(crate) fn detach(&mut self, part: usize, lanes: u32, at: u32, wait: Wait) {
        self.parts[part].mask &= !lanes;
        if self.parts[part].mask == 0 {
            self.parts.swap_remove(part);
        }
        self.join(Part {
            at,
            mask: lanes,
            wait,
        });
    }

    /// Adds a part, to one that stands at the same instruction if there is one.
    pub(crate) fn join(&mut self, part: Part) {
        let same = |other: &&mut Part| match (part.wait, other.wait) {
            (Wait::Barrier(a), Wait::Barrier(b)) => a == b,
            (Wait::Barrier(_), _) | (_, Wait::Barrier(_)) => false,
            _ => true,
        };
        let meets = |other: &&mut Part| other.at == part.at;
        match self.parts.iter_mut().filter(meets).find(same) {
            Some(other) => {
                other.mask |= part.mask;
                if !matches!(part.wait, Wait::Barrier(_)) {
                    other.wait = Wait::No;
                }
            }
            None => self.parts.push(part),
        }
    }

    /// Moves a whole part to another instruction.
    pub(crate) fn go(&mut self, part: usize, at: u32) {
        if self.parts.len() == 1 {
            self.parts[part].at = at;
        } else {
            let lanes = self.parts[part].mask;
            self.detach(part, lanes, at, Wait::No);
        }
    }

    /// Lets go all lanes that wait at a barrier; they get what it tells.
    pub(crate) fn release(&mut self, barrier: u32, told: Option<(Tally, Verdict, u64)>) {
        while let Some(part) = self
            .parts
            .iter()
            .position(|part| part.wait == Wait::Barrier(barrier))
        {
            let Part { at, mask, .. } = self.parts[part];
            match told {
                Some((_, Verdict::Reg(d), value)) => {
                    for lane in each(mask) {
                        self.registers[d.0 as usize][lane] = value;
                    }
                }
                Some((_, Verdict::Pred(d), value)) => {
                    self.set_predicate(d, mask, if value == 0 { 0 } else { u32::MAX });
                }
                None => {}
            }
            self.detach(part, mask, at, Wait::No);
        }
    }
}
