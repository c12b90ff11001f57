//! The body of a kernel: registers, variables, labels, and its instructions in order.

use crate::decode::decode;
use crate::inst::{Inst, Op, Space, Test};
use crate::module::Kernel;
use crate::parse::cursor::Cursor;
use crate::parse::operand::operands;
use crate::parse::variable::{Declaration, declaration};
use crate::parse::whole::Outer;
use crate::parse::{Named, Names, ParseError};

/// A kernel of more instructions than this is refused.
pub const INSTRUCTIONS_MAX: usize = 1 << 20;

/// Reads the body in braces and fills the kernel's code and sizes.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    outer: &Outer,
    mut names: Names,
    kernel: &mut Kernel,
) -> Result<(), ParseError> {
    for (name, offset) in &outer.global {
        names.define(name, Named::Variable(Space::Global, *offset));
    }
    let mut dynamic = Vec::new();
    for (variable, external) in &outer.shared {
        if *external {
            dynamic.push(variable.clone());
        } else {
            place(
                variable,
                Space::Shared,
                &mut kernel.shared_bytes,
                &mut names,
            );
        }
    }
    shared_of_body(cursor, kernel, &mut names)?;
    for variable in dynamic {
        // All `.extern` arrays name the same bytes, behind what is declared with a size.
        kernel.shared_bytes = kernel.shared_bytes.next_multiple_of(variable.align);
        let at = kernel.shared_bytes;
        names.define(&variable.name, Named::Variable(Space::Shared, at));
    }
    cursor.expect("{")?;
    loop {
        if cursor.take("}") {
            if !names.close() {
                break;
            }
        } else {
            statement(cursor, &mut names, kernel)?;
        }
    }
    finish(&names, kernel)
}

/// Places the shared variables of the body first, so that the dynamic ones come behind them.
fn shared_of_body(
    cursor: &mut Cursor<'_>,
    kernel: &mut Kernel,
    names: &mut Names,
) -> Result<(), ParseError> {
    let start = cursor.place();
    let mut depth = 0_u32;
    loop {
        match cursor.next()?.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            ".shared" => {
                let variable = declaration(cursor)?;
                place(&variable, Space::Shared, &mut kernel.shared_bytes, names);
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    cursor.return_to(start);
    Ok(())
}

fn place(variable: &Declaration, space: Space, end: &mut u64, names: &mut Names) {
    let offset = end.next_multiple_of(variable.align);
    *end = offset + variable.bytes;
    names.define(&variable.name, Named::Variable(space, offset));
}

fn statement(
    cursor: &mut Cursor<'_>,
    names: &mut Names,
    kernel: &mut Kernel,
) -> Result<(), ParseError> {
    if cursor.take("{") {
        names.open();
        return Ok(());
    }
    if cursor.take(";") {
        return Ok(());
    }
    if cursor.peek_second().is_some_and(|token| token.text == ":") {
        return label(cursor, names, kernel.code.len() as u32);
    }
    match cursor.peek().map(|token| token.text) {
        Some(".reg") => registers(cursor, names),
        Some(".shared") => cursor.skip_statement(),
        Some(".local") => {
            cursor.next()?;
            let variable = declaration(cursor)?;
            place(&variable, Space::Local, &mut kernel.local_bytes, names);
            cursor.expect(";")
        }
        Some(".pragma") => cursor.skip_statement(),
        _ => instruction(cursor, names, kernel),
    }
}

fn label(cursor: &mut Cursor<'_>, names: &mut Names, at: u32) -> Result<(), ParseError> {
    let line = cursor.line();
    let name = cursor.word()?;
    cursor.expect(":")?;
    if cursor.take(".branchtargets") {
        let mut labels = vec![cursor.word()?.to_owned()];
        while cursor.take(",") {
            labels.push(cursor.word()?.to_owned());
        }
        names.table(name, labels);
        return cursor.expect(";");
    }
    if names.label(name, at) {
        Ok(())
    } else {
        Err(ParseError::new(
            line,
            format!("label `{name}` stands twice in its scope"),
        ))
    }
}

fn registers(cursor: &mut Cursor<'_>, names: &mut Names) -> Result<(), ParseError> {
    cursor.expect(".reg")?;
    let line = cursor.line();
    let ty = cursor.word()?.trim_start_matches('.');
    loop {
        let name = cursor.word()?;
        if cursor.take("<") {
            let count = cursor.small()?;
            cursor.expect(">")?;
            for index in 0..count {
                names.register(ty, &format!("{name}{index}"), line)?;
            }
        } else {
            names.register(ty, name, line)?;
        }
        if cursor.take(";") {
            return Ok(());
        }
        cursor.expect(",")?;
    }
}

fn instruction(
    cursor: &mut Cursor<'_>,
    names: &mut Names,
    kernel: &mut Kernel,
) -> Result<(), ParseError> {
    let line = cursor.line();
    if kernel.code.len() >= INSTRUCTIONS_MAX {
        return Err(cursor.error(format!("more than {INSTRUCTIONS_MAX} instructions")));
    }
    let guard = if cursor.take("@") {
        let negated = cursor.take("!");
        let name = cursor.word()?;
        let Some(Named::Predicate(predicate)) = names.find(name) else {
            return Err(ParseError::new(line, format!("`{name}` is no predicate")));
        };
        Some(Test { predicate, negated })
    } else {
        None
    };
    let opcode = cursor.word()?;
    let op = if crate::decode::is_refused(opcode) {
        cursor.skip_statement()?;
        Op::Refused(opcode.into())
    } else {
        let operands = operands(cursor)?;
        decode(opcode, &operands, names, line)?
    };
    kernel.code.push(Inst { guard, op, line });
    Ok(())
}

/// Puts the places of labels where their numbers stand, and an exit at the end of the text.
fn finish(names: &Names, kernel: &mut Kernel) -> Result<(), ParseError> {
    for inst in &mut kernel.code {
        match &mut inst.op {
            Op::Branch { target } => *target = names.target(*target)?,
            Op::BranchTable { targets, .. } => {
                for target in targets {
                    *target = names.target(*target)?;
                }
            }
            _ => {}
        }
    }
    let line = kernel.code.last().map_or(0, |inst| inst.line);
    kernel.code.push(Inst {
        guard: None,
        op: Op::Exit,
        line,
    });
    kernel.register_masks = names
        .widths
        .iter()
        .map(|bits| u64::MAX >> (64 - bits))
        .collect();
    kernel.predicates = names.predicates as usize;
    Ok(())
}
