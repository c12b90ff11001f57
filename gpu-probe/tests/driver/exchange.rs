//! A whole exchange in this process: the real prover on a copy of the library, the real verifier,
//! and both by the library's virtual clock, of which a microsecond counts as a millisecond: tiny
//! products take microseconds of it.

use std::ffi::{CString, c_char, c_int};

use gpu_probe::bench::Scale;
use gpu_probe::cuda::Driver;
use gpu_probe::exchange::{Plan, ProverMessage};
use gpu_probe::prover::{Machine, Prover, ProverError, fresh_key};
use gpu_probe::report::Kind;
use gpu_probe::verdict::{Effect, ReasonCode, Verdict};
use gpu_probe::verify::{Facts, MeasuredReference, Policy, Session};
use libloading::Library;
use serde_json::Value;

use super::fake;

/// What the clocks of the library are stretched by.
const STRETCH: u64 = 1_000;

/// A copy of the library with a specification, and its clocks.
struct Copy {
    library: Library,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Copy {
    #[expect(
        unsafe_code,
        reason = "the library is ours; its functions have these types"
    )]
    fn new(spec: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("libcuda.so.1");
        std::fs::copy(fake::library(), &path).expect("a copy");
        // SAFETY: the library has no initialisers of its own.
        let library = unsafe { Library::new(&path) }.expect("it loads");
        let text = CString::new(spec.to_string()).expect("no zero byte");
        type Configure = unsafe extern "C" fn(*const c_char) -> c_int;
        // SAFETY: the function has this type; the text is zero-terminated.
        let taken = unsafe {
            let configure = library.get::<Configure>(b"fake_cuda_configure");
            configure.expect("our function")(text.as_ptr())
        };
        assert_eq!(taken, 0, "the specification is one");
        Self {
            library,
            path,
            _folder: folder,
        }
    }

    #[expect(
        unsafe_code,
        reason = "the library is ours; its functions have these types"
    )]
    fn clock_ns(&self, name: &[u8]) -> u64 {
        // SAFETY: the function has this type.
        unsafe {
            self.library
                .get::<extern "C" fn() -> u64>(name)
                .expect("our function")()
        }
    }
}

/// A verifier for tiny work, with references of what the library takes for it.
fn policy() -> Policy {
    let mut policy = Policy::default();
    let sizing = &mut policy.sizing;
    (sizing.matrix_n, sizing.matrix_aim_ms, sizing.vram_aim_ms) = (256, 0, 0);
    sizing.spot_aim_ms = 0;
    (sizing.vram_blocks_max, sizing.vram_reserve_mib) = (3, 22 << 10);
    (sizing.allowance_ms, sizing.rtt_ms_max) = (2, 0);
    sizing.session_ms_max = u64::MAX / 2;
    let reference = MeasuredReference::of_proofs(40_000, 830);
    policy.measured.insert(fake::CARD.to_owned(), reference);
    policy
}

/// The verdict on a machine.
pub(crate) fn verdict(spec: &Value) -> Result<Verdict, ProverError> {
    verdict_of(Kind::Quick, spec)
}

/// The verdict of a probe of some kind.
pub(crate) fn verdict_of(kind: Kind, spec: &Value) -> Result<Verdict, ProverError> {
    verdict_at(&Scale::tiny(), kind, spec)
}

/// The verdict of a probe whose benchmarks have some sizes.
pub(crate) fn verdict_at(scale: &Scale, kind: Kind, spec: &Value) -> Result<Verdict, ProverError> {
    let copy = Copy::new(spec);
    let driver = Driver::load_from(copy.path.as_os_str())?;
    let machine = Machine::open(driver, None)?;
    let cards = machine.cards(scale)?;
    let key = fresh_key();
    let clock_ns = || copy.clock_ns(b"fake_cuda_now_ns") * STRETCH;
    let now_ms = || copy.clock_ns(b"fake_cuda_wait_ns") * STRETCH / 1_000_000;
    let prover = Prover {
        cards: &cards,
        key: &key,
        clock_ns: &clock_ns,
    };
    let mut session = Session::new(policy(), Facts::default(), kind, [7; 32], now_ms());
    let mut send = |message: ProverMessage| {
        if matches!(message, ProverMessage::Report(_)) {
            while let Some(check) = session.take_check() {
                session.checked(check.run());
            }
        }
        let answer = session.step(message, now_ms());
        answer.map_err(|refused| refused.to_string())
    };
    let hello = machine.hello(&key);
    let report =
        |plan: &Plan, proofs| machine.report(&cards, kind, Some((plan, proofs)), &|_, _| ());
    match kind.is_thorough() {
        true => prover.run(&mut send, hello, report),
        false => prover.run_spot(&mut send, hello, report),
    }
}

/// The codes that fail a machine.
pub(crate) fn failures(spec: &Value) -> Vec<ReasonCode> {
    let verdict = verdict(spec).expect("a verdict");
    let failing = verdict.reasons.iter().filter(|r| r.effect == Effect::Fail);
    failing.map(|reason| reason.code).collect()
}
