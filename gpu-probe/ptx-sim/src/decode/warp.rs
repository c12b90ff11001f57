//! Instructions in which the lanes of a warp speak with each other.

use crate::decode::context::Context;
use crate::inst::{Atomic, Op, Pred, Shuffle, Src, Verdict, Vote};
use crate::parse::{Operand, ParseError};

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let sync = c.take("sync");
    match c.name {
        "shfl" => shuffle(c, sync),
        "vote" => vote(c, sync),
        "match" => {
            if !c.take("any") || !sync {
                return Err(c.error("only match.any.sync is known"));
            }
            Ok(Op::MatchAny {
                ty: c.int()?,
                d: c.reg(0)?,
                a: c.src(1)?,
                members: c.src(2)?,
            })
        }
        "redux" => redux(c),
        _ => {
            c.take("b32");
            Ok(Op::ActiveMask { d: c.reg(0)? })
        }
    }
}

/// The member mask of an instruction that has one.
fn members(c: &Context<'_, '_>, sync: bool, at: usize) -> Result<Option<Src>, ParseError> {
    if sync { Ok(Some(c.src(at)?)) } else { Ok(None) }
}

fn shuffle(c: &mut Context<'_, '_>, sync: bool) -> Result<Op, ParseError> {
    let mode = c.take_one(&[
        ("up", Shuffle::Up),
        ("down", Shuffle::Down),
        ("bfly", Shuffle::Butterfly),
        ("idx", Shuffle::Index),
    ]);
    c.take("b32");
    let (d, valid) = match c.operand(0)? {
        Operand::Pair(d, valid) => (c.reg_of(&Operand::Name(d, 0)), c.pred_named(valid)),
        _ => (Some(c.reg(0)?), Some(Pred(0))),
    };
    let wrong = || c.error("results that are not known");
    Ok(Op::Shuffle {
        mode: mode.ok_or_else(|| c.error("no mode that is known"))?,
        d: d.ok_or_else(wrong)?,
        valid: valid.ok_or_else(wrong)?,
        a: c.src(1)?,
        b: c.src(2)?,
        c: c.src(3)?,
        members: members(c, sync, 4)?,
    })
}

fn vote(c: &mut Context<'_, '_>, sync: bool) -> Result<Op, ParseError> {
    let mode = c.take_one(&[
        ("ballot", Vote::Ballot),
        ("all", Vote::All),
        ("any", Vote::Any),
        ("uni", Vote::Uniform),
    ]);
    let mode = mode.ok_or_else(|| c.error("no mode that is known"))?;
    let _ = c.take("b32") || c.take("pred");
    Ok(Op::Vote {
        mode,
        d: if mode == Vote::Ballot {
            Verdict::Reg(c.reg(0)?)
        } else {
            Verdict::Pred(c.pred(0)?)
        },
        test: c.truth(1)?,
        members: members(c, sync, 2)?,
    })
}

fn redux(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let op = c.take_one(&Atomic::REDUCTIONS);
    Ok(Op::Reduce {
        op: op.ok_or_else(|| c.error("no operation that is known"))?,
        ty: c.int()?,
        d: c.reg(0)?,
        a: c.src(1)?,
        members: c.src(2)?,
    })
}
