//! The instruction being decoded: questions about its modifiers and operands. What is asked for is
//! used up; [`Context::finish`] fails on what nobody asked for.

use crate::decode::special;
use crate::inst::{Address, Int, Pred, Reg, Space, Src, Test, Truth};
use crate::number::{self, Format, Round};
use crate::parse::{Named, Names, Operand, ParseError};

pub(crate) struct Context<'t, 'n> {
    pub(crate) name: &'t str,
    opcode: &'t str,
    modifiers: Vec<&'t str>,
    pub(crate) operands: &'t [Operand<'t>],
    pub(crate) names: &'n mut Names,
    pub(crate) line: u32,
}

impl<'t, 'n> Context<'t, 'n> {
    pub(crate) fn new(
        opcode: &'t str,
        operands: &'t [Operand<'t>],
        names: &'n mut Names,
        line: u32,
    ) -> Self {
        let mut modifiers: Vec<_> = opcode.split('.').collect();
        let name = modifiers.remove(0);
        Self {
            name,
            opcode,
            modifiers,
            operands,
            names,
            line,
        }
    }

    pub(crate) fn error(&self, what: &str) -> ParseError {
        ParseError::new(self.line, format!("`{}`: {what}", self.opcode))
    }

    /// Fails if a modifier is left over.
    pub(crate) fn finish(&self) -> Result<(), ParseError> {
        match self.modifiers.first() {
            None => Ok(()),
            Some(modifier) => Err(self.error(&format!("unknown modifier `.{modifier}`"))),
        }
    }

    pub(crate) fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// Uses up a modifier; false if it is not there.
    pub(crate) fn take(&mut self, modifier: &str) -> bool {
        match self.modifiers.iter().position(|m| *m == modifier) {
            Some(at) => {
                self.modifiers.remove(at);
                true
            }
            None => false,
        }
    }

    /// Uses up the first of the modifiers that is there.
    pub(crate) fn take_one<T: Copy>(&mut self, of: &[(&str, T)]) -> Option<T> {
        of.iter()
            .find(|(name, _)| self.take(name))
            .map(|(_, value)| *value)
    }

    /// Uses up all modifiers that `is` names.
    pub(crate) fn drop_all(&mut self, is: impl Fn(&str) -> bool) {
        self.modifiers.retain(|m| !is(m));
    }

    /// Uses up the first modifier for which `find` has a value.
    pub(crate) fn take_as<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, value) = self
            .modifiers
            .iter()
            .enumerate()
            .find_map(|(at, m)| find(m).map(|value| (at, value)))?;
        self.modifiers.remove(at);
        Some(value)
    }

    pub(crate) fn has_float(&self) -> bool {
        let floats = ["f16", "f16x2", "bf16", "bf16x2", "f32", "f64"];
        floats.iter().any(|ty| self.has(ty))
    }

    /// Uses up an integer or bit type.
    pub(crate) fn int(&mut self) -> Result<Int, ParseError> {
        self.take_as(int_type)
            .ok_or_else(|| self.error("no integer type that is known"))
    }

    pub(crate) fn round(&mut self) -> Option<Round> {
        self.take_one(&[
            ("rn", Round::NearestEven),
            ("rz", Round::Zero),
            ("rm", Round::Down),
            ("rp", Round::Up),
        ])
    }

    pub(crate) fn operand(&self, at: usize) -> Result<&'t Operand<'t>, ParseError> {
        self.operands
            .get(at)
            .ok_or_else(|| self.error(&format!("operand {} is missing", at + 1)))
    }

    fn wrong(&self, at: usize, is_no: &str) -> ParseError {
        let what = self
            .operands
            .get(at)
            .map(|o| format!("{o:?}"))
            .unwrap_or_default();
        self.error(&format!("operand {}, {what}, is no {is_no}", at + 1))
    }

    pub(crate) fn reg(&self, at: usize) -> Result<Reg, ParseError> {
        self.reg_of(self.operand(at)?)
            .ok_or_else(|| self.wrong(at, "register"))
    }

    pub(crate) fn reg_of(&self, operand: &Operand<'_>) -> Option<Reg> {
        match operand {
            Operand::Name("_", 0) => Some(Reg(0)),
            Operand::Name(name, 0) => match self.names.find(name) {
                Some(Named::Register(reg)) => Some(reg),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn pred(&self, at: usize) -> Result<Pred, ParseError> {
        let found = match self.operand(at)? {
            Operand::Name(name, 0) => self.pred_named(name),
            _ => None,
        };
        found.ok_or_else(|| self.wrong(at, "predicate"))
    }

    pub(crate) fn pred_named(&self, name: &str) -> Option<Pred> {
        match self.names.find(name) {
            Some(Named::Predicate(pred)) => Some(pred),
            _ if name == "_" => Some(Pred(0)),
            _ => None,
        }
    }

    pub(crate) fn test(&self, at: usize) -> Result<Test, ParseError> {
        let (name, negated) = match self.operand(at)? {
            Operand::Name(name, 0) => (*name, false),
            Operand::Not(name) => (*name, true),
            _ => return Err(self.wrong(at, "predicate")),
        };
        let predicate = self
            .pred_named(name)
            .ok_or_else(|| self.wrong(at, "predicate"))?;
        Ok(Test { predicate, negated })
    }

    pub(crate) fn truth(&self, at: usize) -> Result<Truth, ParseError> {
        match self.operand(at)? {
            Operand::Number(value) => Ok(Truth::Constant(*value != 0)),
            _ => Ok(Truth::Test(self.test(at)?)),
        }
    }

    pub(crate) fn src(&self, at: usize) -> Result<Src, ParseError> {
        self.src_of(self.operand(at)?)
            .ok_or_else(|| self.wrong(at, "value that is known"))
    }

    pub(crate) fn src_of(&self, operand: &Operand<'_>) -> Option<Src> {
        match operand {
            Operand::Number(value) => Some(Src::Value(*value)),
            Operand::Name(name, offset) => match self.names.find(name) {
                Some(Named::Register(reg)) if *offset == 0 => Some(Src::Reg(reg)),
                Some(Named::Variable(Space::Global, at)) => {
                    Some(Src::Module(at.wrapping_add(*offset)))
                }
                Some(Named::Variable(_, at)) => Some(Src::Value(at.wrapping_add(*offset))),
                Some(_) => None,
                None => special::named(name),
            },
            _ => None,
        }
    }

    /// The registers of a list, or of one register.
    pub(crate) fn regs(&self, at: usize) -> Result<Vec<Reg>, ParseError> {
        let found = match self.operand(at)? {
            Operand::List(parts) => parts.iter().map(|part| self.reg_of(part)).collect(),
            one => self.reg_of(one).map(|reg| vec![reg]),
        };
        found.ok_or_else(|| self.wrong(at, "list of registers"))
    }

    /// The values of a list, or of one operand.
    pub(crate) fn srcs(&self, at: usize) -> Result<Vec<Src>, ParseError> {
        let found = match self.operand(at)? {
            Operand::List(parts) => parts.iter().map(|part| self.src_of(part)).collect(),
            one => self.src_of(one).map(|src| vec![src]),
        };
        found.ok_or_else(|| self.wrong(at, "list of values"))
    }

    pub(crate) fn address(&self, at: usize, space: Space) -> Result<Address, ParseError> {
        let Operand::Address(name, offset) = self.operand(at)? else {
            return Err(self.wrong(at, "address"));
        };
        let base = match name {
            None => Src::Value(0),
            Some(name) => self
                .src_of(&Operand::Name(name, 0))
                .ok_or_else(|| self.wrong(at, "address that is known"))?,
        };
        Ok(Address {
            space,
            base,
            offset: *offset,
        })
    }
}

/// An integer or bit type by its suffix.
pub(crate) fn int_type(name: &str) -> Option<Int> {
    let bits = match name.get(1..)? {
        "8" => 8,
        "16" => 16,
        "32" => 32,
        "64" => 64,
        _ => return None,
    };
    match name.as_bytes()[0] {
        b's' => Some(Int::new(bits, true)),
        b'u' | b'b' => Some(Int::new(bits, false)),
        _ => None,
    }
}

/// A 16-bit float type by its suffix, and whether it is a pair.
pub(crate) fn half_type(name: &str) -> Option<(Format, bool)> {
    match name {
        "f16" => Some((number::F16, false)),
        "f16x2" => Some((number::F16, true)),
        "bf16" => Some((number::BF16, false)),
        "bf16x2" => Some((number::BF16, true)),
        _ => None,
    }
}
