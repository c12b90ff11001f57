//! The instructions themselves. `d` is the result, `a`, `b`, `c` are the operands in the order of
//! the text.

use crate::inst::{
    Address, Atomic, Binary, Compare, Compared, Conversion, Float1, Float2, FloatMode,
    GroupMultiply, Int, Logic, MatrixMultiply, Part, Pred, Reg, Shuffle, Space, Src, Tally,
    Ternary, Test, Truth, Unary, Verdict, Vote,
};

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
    GroupMultiply(Box<GroupMultiply>),
    GroupCommit,
    /// Waits until at most `left` groups of products are under way.
    GroupWait {
        left: u32,
    },
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
