//! Branches, exits, barriers and fences.

use crate::decode::context::Context;
use crate::inst::{Op, Src, Tally, Verdict};
use crate::parse::{Operand, ParseError};

pub(crate) fn decode(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    match c.name {
        "bra" => {
            c.take("uni");
            let Operand::Name(label, 0) = c.operand(0)? else {
                return Err(c.error("no label"));
            };
            let target = c.names.want(label, c.line);
            Ok(Op::Branch { target })
        }
        "brx" => branch_table(c),
        "ret" | "exit" => {
            c.take("uni");
            Ok(Op::Exit)
        }
        "trap" | "brkpt" => Ok(Op::Trap),
        "bar" | "barrier" => barrier(c),
        "nanosleep" => {
            c.take("u32");
            Ok(Op::Sleep { ns: c.src(0)? })
        }
        // membar, fence, pmevent
        _ => {
            c.drop_all(|_| true);
            Ok(Op::Nothing)
        }
    }
}

fn branch_table(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    c.take("idx");
    c.take("uni");
    let Operand::Name(name, 0) = c.operand(1)? else {
        return Err(c.error("no list of labels"));
    };
    let table = c.names.find_table(name);
    let labels = table.ok_or_else(|| c.error("unknown list of labels"))?;
    let targets = labels
        .iter()
        .map(|label| c.names.want(label, c.line))
        .collect();
    Ok(Op::BranchTable {
        index: c.src(0)?,
        targets,
    })
}

/// `bar.sync id{, threads}`, `bar.warp.sync members`, and the reductions of `bar.red`.
fn barrier(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let _ = c.take("cta") || c.take("aligned");
    c.take("aligned");
    if c.take("warp") {
        c.take("sync");
        return Ok(Op::WarpBarrier { members: c.src(0)? });
    }
    if c.take("red") {
        return reduction(c);
    }
    if !c.take("sync") {
        return Err(c.error("only barriers that wait are known"));
    }
    Ok(Op::Barrier {
        id: c.src(0)?,
        threads: threads(c, 1, 2)?,
        tally: None,
    })
}

fn reduction(c: &mut Context<'_, '_>) -> Result<Op, ParseError> {
    let tally = c.take_one(&[
        ("popc", Tally::Count),
        ("and", Tally::All),
        ("or", Tally::Any),
    ]);
    let tally = tally.ok_or_else(|| c.error("no reduction that is known"))?;
    let _ = c.take("u32") || c.take("pred");
    let d = if tally == Tally::Count {
        Verdict::Reg(c.reg(0)?)
    } else {
        Verdict::Pred(c.pred(0)?)
    };
    let test = c.operands.len().saturating_sub(1);
    Ok(Op::Barrier {
        id: c.src(1)?,
        threads: threads(c, 2, 4)?,
        tally: Some((tally, d, c.truth(test)?)),
    })
}

/// The number of threads, if the operand stands there.
fn threads(c: &Context<'_, '_>, at: usize, of: usize) -> Result<Option<Src>, ParseError> {
    if c.operands.len() == of {
        Ok(Some(c.src(at)?))
    } else {
        Ok(None)
    }
}
