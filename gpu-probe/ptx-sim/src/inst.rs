//! Instructions as they are run: every register, label, type and modifier resolved when the text is
//! read, so that nothing is looked up by name at run time.

use crate::number::{Format, Round};

/// An instruction, the predicate it depends on, and its line in the text.
#[derive(Debug)]
pub(crate) struct Inst {
    pub(crate) guard: Option<Test>,
    pub(crate) op: Op,
    pub(crate) line: u32,
}

/// A predicate register, read as it is or negated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    pub(crate) predicate: Pred,
    pub(crate) negated: bool,
}

/// The index of a register of up to 64 bits. Register 0 takes what nobody reads (`_`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reg(pub(crate) u32);

/// The index of a predicate register. Predicate 0 takes what nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pred(pub(crate) u32);

/// Where an operand's value comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Src {
    Reg(Reg),
    Value(u64),
    Special(Special),
    /// An address within the module's variables in global memory.
    Module(u64),
}

/// A predicate operand of the logic instructions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Truth {
    Test(Test),
    Constant(bool),
}

/// Special registers. The axis is 0 for x, 1 for y, 2 for z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    ThreadIndex(u8),
    BlockSize(u8),
    BlockIndex(u8),
    GridSize(u8),
    Lane,
    Warp,
    WarpCount,
    Sm,
    SmCount,
    GridId,
    Clock,
    ClockHigh,
    Timer,
    TimerLow,
    TimerHigh,
    LaneMask(Order),
    WarpSize,
    DynamicShared,
    TotalShared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// An integer type: 8, 16, 32 or 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Int {
    pub(crate) bits: u32,
    pub(crate) signed: bool,
}

impl Int {
    pub(crate) const fn new(bits: u32, signed: bool) -> Self {
        Self { bits, signed }
    }

    /// All ones in the type's width.
    pub(crate) const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// The value of the low bits, extended to 64 bits by zeros or by the sign.
    pub(crate) const fn widen(self, value: u64) -> u64 {
        let shift = 64 - self.bits;
        if self.signed {
            (((value << shift) as i64) >> shift) as u64
        } else {
            value & self.mask()
        }
    }
}

/// A floating-point type of arithmetic instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    F32,
    F64,
    /// A 16-bit format; `pair` for two of them in 32 bits.
    Half {
        format: Format,
        pair: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    AddSaturated,
    Sub,
    SubSaturated,
    Div,
    Rem,
    Min,
    Max,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    LogicalNot,
    Negate,
    Abs,
    CountOnes,
    LeadingZeros,
    Reverse,
    FindHighest,
    FindHighestShift,
}

/// Which part of a product is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Low,
    High,
    Wide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ternary {
    ExtractBits,
    Logic(u8),
    FunnelLeft {
        wrap: bool,
    },
    FunnelRight {
        wrap: bool,
    },
    Permute(Permute),
    /// Four products of bytes (or two of halves by bytes) are not told apart by the type alone.
    Dot4 {
        a_signed: bool,
        b_signed: bool,
    },
    AbsoluteDifference,
}

/// Modes of `prmt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permute {
    Index,
    Forward4,
    Backward4,
    Replicate8,
    EdgeLeft,
    EdgeRight,
    Replicate16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float2 {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    CopySign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float1 {
    Negate,
    Abs,
    Sqrt,
    Reciprocal,
    ReciprocalSqrt,
    Exp2,
    Log2,
    Sin,
    Cos,
    Tanh,
}

/// How a floating-point result is made: its type, rounding, flush of subnormals, clamp to 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FloatMode {
    pub(crate) ty: Float,
    pub(crate) round: Round,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
}

/// Comparisons. For floats `unordered` says what a NaN yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Number,
    NotANumber,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compared {
    Int(Int),
    Float {
        ty: Float,
        unordered: bool,
        flush: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

/// A type as `cvt` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Int(Int),
    F64,
    Float(Format),
}

/// `cvt`, for one value. `to_integer` rounds a float to an integral float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) to: Number,
    pub(crate) from: Number,
    pub(crate) round: Round,
    pub(crate) to_integer: bool,
    pub(crate) flush: bool,
    pub(crate) saturate: bool,
    /// Overflow gives the largest finite value instead of infinity.
    pub(crate) finite: bool,
    pub(crate) relu: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Generic,
    /// Global memory; constants lie there too.
    Global,
    Shared,
    Local,
    Param,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) space: Space,
    pub(crate) base: Src,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomic {
    Add,
    AddF32,
    AddF64,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareExchange,
    Increment,
    Decrement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

/// Where a vote or a reduction over a barrier goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Pred(Pred),
    Reg(Reg),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tally {
    Count,
    All,
    Any,
}

/// What `mma.sync` multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elements {
    Int8 {
        a_signed: bool,
        b_signed: bool,
        saturate: bool,
    },
    Float {
        a: Format,
        b: Format,
    },
}

/// `mma.sync`: `d = a b + c` over the fragments of a warp. `n` is always 8.
#[derive(Debug)]
pub(crate) struct MatrixMultiply {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) elements: Elements,
    /// Accumulators in FP16 instead of FP32.
    pub(crate) c_half: bool,
    pub(crate) d_half: bool,
    /// Column order, for the shape m8n8k4 alone.
    pub(crate) a_columns: bool,
    pub(crate) b_columns: bool,
    pub(crate) d: Vec<Reg>,
    pub(crate) a: Vec<Src>,
    pub(crate) b: Vec<Src>,
    pub(crate) c: Vec<Src>,
}

#[derive(Debug)]
pub(crate) enum Op {
    Binary {
        op: Binary,
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
    },
    Unary {
        op: Unary,
        ty: Int,
        d: Reg,
        a: Src,
    },
    Multiply {
        part: Part,
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
        add: Option<Src>,
    },
    CarryAdd {
        subtract: bool,
        carry_in: bool,
        carry_out: bool,
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
    },
    CarryMad {
        part: Part,
        carry_in: bool,
        carry_out: bool,
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
        c: Src,
    },
    Ternary {
        op: Ternary,
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
        c: Src,
    },
    InsertBits {
        ty: Int,
        d: Reg,
        a: Src,
        b: Src,
        start: Src,
        length: Src,
    },
    Float1 {
        op: Float1,
        mode: FloatMode,
        d: Reg,
        a: Src,
    },
    Float2 {
        op: Float2,
        mode: FloatMode,
        d: Reg,
        a: Src,
        b: Src,
    },
    Fma {
        mode: FloatMode,
        d: Reg,
        a: Src,
        b: Src,
        c: Src,
    },
    Compare {
        compare: Compare,
        of: Compared,
        d: Pred,
        opposite: Option<Pred>,
        a: Src,
        b: Src,
        with: Option<(Logic, Test)>,
    },
    Logic {
        op: Logic,
        d: Pred,
        a: Truth,
        b: Truth,
    },
    Select {
        d: Reg,
        a: Src,
        b: Src,
        test: Test,
    },
    Move {
        d: Reg,
        a: Src,
    },
    Pack {
        bits: u32,
        d: Reg,
        parts: Vec<Src>,
    },
    Unpack {
        bits: u32,
        parts: Vec<Reg>,
        a: Src,
    },
    Convert {
        how: Conversion,
        d: Reg,
        a: Src,
    },
    /// Two values to one register: `high` to the upper half.
    ConvertPair {
        how: Conversion,
        d: Reg,
        high: Src,
        low: Src,
    },
    /// Two values of one register to a register of two.
    ConvertTwo {
        how: Conversion,
        d: Reg,
        a: Src,
    },
    ToGeneric {
        space: Space,
        d: Reg,
        a: Src,
    },
    FromGeneric {
        space: Space,
        d: Reg,
        a: Src,
    },
    IsSpace {
        space: Space,
        d: Pred,
        a: Src,
    },
    Load {
        bytes: u32,
        signed: bool,
        parts: Vec<Reg>,
        at: Address,
    },
    Store {
        bytes: u32,
        parts: Vec<Src>,
        at: Address,
    },
    Atomic {
        op: Atomic,
        ty: Int,
        d: Reg,
        at: Address,
        a: Src,
        b: Option<Src>,
    },
    CopyAsync {
        to: Address,
        from: Address,
        bytes: u32,
        given: Option<Src>,
    },
    CopyCommit,
    /// Waits until at most `left` groups are under way; `None` for all copies, committed or not.
    CopyWait {
        left: Option<u32>,
    },
    LoadMatrix {
        transposed: bool,
        parts: Vec<Reg>,
        at: Address,
    },
    MatrixMultiply(Box<MatrixMultiply>),
    Shuffle {
        mode: Shuffle,
        d: Reg,
        valid: Pred,
        a: Src,
        b: Src,
        c: Src,
        members: Option<Src>,
    },
    Vote {
        mode: Vote,
        d: Verdict,
        test: Truth,
        members: Option<Src>,
    },
    MatchAny {
        ty: Int,
        d: Reg,
        a: Src,
        members: Src,
    },
    Reduce {
        op: Atomic,
        ty: Int,
        d: Reg,
        a: Src,
        members: Src,
    },
    ActiveMask {
        d: Reg,
    },
    Barrier {
        id: Src,
        threads: Option<Src>,
        tally: Option<(Tally, Verdict, Truth)>,
    },
    WarpBarrier {
        members: Src,
    },
    Branch {
        target: u32,
    },
    BranchTable {
        index: Src,
        targets: Vec<u32>,
    },
    Exit,
    Trap,
    Sleep {
        ns: Src,
    },
    /// Fences, prefetches and hints: the interpreter keeps one order of memory.
    Nothing,
    /// A family that is read but not interpreted; running it is a fault.
    Refused(Box<str>),
}
