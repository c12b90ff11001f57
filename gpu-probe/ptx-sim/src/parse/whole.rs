//! The outer level of a text: version, target, variables, kernels.

use std::collections::HashMap;

use crate::inst::Space;
use crate::module::{Kernel, Module, Param, Variable};
use crate::parse::body;
use crate::parse::cursor::Cursor;
use crate::parse::lexer::tokens;
use crate::parse::variable::{Declaration, declaration};
use crate::parse::{Named, Names, ParseError};

/// Parameters of a kernel beyond this many bytes are refused, as by the language.
pub const PARAM_BYTES_MAX: u64 = 32_764;

/// The variables of the outer level, which every kernel sees.
#[derive(Debug, Default)]
pub(crate) struct Outer {
    pub(crate) global: HashMap<String, u64>,
    /// Shared variables get their place in each kernel that names them. The flag marks `.extern`.
    pub(crate) shared: Vec<(Declaration, bool)>,
}

/// Reads a whole text.
pub(crate) fn module(text: &str) -> Result<Module, ParseError> {
    let mut cursor = Cursor::new(tokens(text)?);
    let mut module = Module {
        id: 0,
        target: String::new(),
        version: String::new(),
        kernels: Vec::new(),
        variables: Vec::new(),
        image: Vec::new(),
    };
    let mut outer = Outer::default();
    while let Some(token) = cursor.peek() {
        cursor.next()?;
        directive(&mut cursor, token.text, &mut module, &mut outer)?;
    }
    if module.version.is_empty() || module.target.is_empty() {
        return Err(ParseError::new(0, "no .version and .target".to_owned()));
    }
    Ok(module)
}

fn directive(
    cursor: &mut Cursor<'_>,
    word: &str,
    module: &mut Module,
    outer: &mut Outer,
) -> Result<(), ParseError> {
    match word {
        ".version" => cursor.word()?.clone_into(&mut module.version),
        ".target" => {
            cursor.word()?.clone_into(&mut module.target);
            while cursor.take(",") {
                cursor.word()?;
            }
        }
        ".address_size" => {
            if cursor.number()? != 64 {
                return Err(cursor.error("an address size other than 64"));
            }
        }
        ".visible" | ".weak" | ".common" | ";" => {}
        ".extern" => {
            if !cursor.take(".shared") {
                return Err(cursor.error("`.extern` of something other than shared memory"));
            }
            outer.shared.push((declaration(cursor)?, true));
            cursor.expect(";")?;
        }
        ".shared" => {
            outer.shared.push((declaration(cursor)?, false));
            cursor.expect(";")?;
        }
        ".global" | ".const" => {
            place(declaration(cursor)?, module, outer);
            cursor.expect(";")?;
        }
        ".entry" => {
            let kernel = entry(cursor, outer)?;
            module.kernels.push(kernel);
        }
        ".section" => {
            cursor.word()?;
            cursor.skip_block()?;
        }
        ".func" => return Err(cursor.error("functions (`.func`): inline them")),
        _ => return Err(cursor.error(format!("unknown directive `{word}`"))),
    }
    Ok(())
}

/// Appends a variable to the module's image.
fn place(variable: Declaration, module: &mut Module, outer: &mut Outer) {
    let offset = (module.image.len() as u64).next_multiple_of(variable.align);
    module.image.resize(offset as usize, 0);
    module.image.extend(&variable.content);
    module.image.resize((offset + variable.bytes) as usize, 0);
    outer.global.insert(variable.name.clone(), offset);
    module.variables.push(Variable {
        name: variable.name,
        offset,
        bytes: variable.bytes,
    });
}

fn entry(cursor: &mut Cursor<'_>, outer: &Outer) -> Result<Kernel, ParseError> {
    let name = cursor.word()?.to_owned();
    let mut names = Names::new();
    let params = params(cursor, &mut names)?;
    let mut threads_max = None;
    let mut threads_required = None;
    while !cursor.is("{") {
        let word = cursor.word()?;
        match word {
            ".maxntid" => threads_max = Some(sizes(cursor)?.iter().product()),
            ".reqntid" => threads_required = Some(sizes(cursor)?),
            ".minnctapersm" | ".maxnreg" | ".maxnctapersm" => {
                cursor.small()?;
            }
            ".pragma" => cursor.skip_statement()?,
            _ => return Err(cursor.error(format!("unknown directive `{word}` of a kernel"))),
        }
    }
    let mut kernel = Kernel {
        name,
        params,
        code: Vec::new(),
        register_masks: Vec::new(),
        predicates: 0,
        shared_bytes: 0,
        local_bytes: 0,
        threads_max,
        threads_required,
    };
    body::read(cursor, outer, names, &mut kernel)?;
    Ok(kernel)
}

fn sizes(cursor: &mut Cursor<'_>) -> Result<[u32; 3], ParseError> {
    let mut sizes = [cursor.small()?, 1, 1];
    for size in &mut sizes[1..] {
        if cursor.take(",") {
            *size = cursor.small()?;
        }
    }
    Ok(sizes)
}

fn params(cursor: &mut Cursor<'_>, names: &mut Names) -> Result<Vec<Param>, ParseError> {
    let mut params = Vec::new();
    let mut end = 0_u64;
    if !cursor.take("(") {
        return Ok(params);
    }
    while !cursor.take(")") {
        cursor.expect(".param")?;
        let param = declaration(cursor)?;
        let offset = end.next_multiple_of(param.align);
        end = offset + param.bytes;
        if end > PARAM_BYTES_MAX {
            return Err(cursor.error(format!("parameters of more than {PARAM_BYTES_MAX} bytes")));
        }
        names.define(&param.name, Named::Variable(Space::Param, offset));
        params.push(Param {
            offset: offset as u32,
            bytes: param.bytes as u32,
        });
        if !cursor.is(")") {
            cursor.expect(",")?;
        }
    }
    Ok(params)
}
