//! Everything that the library remembers: cards, handles, and the virtual clock.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_ptx_sim::{Machine, MachineConfig, Module};

use crate::code::{INVALID_CONTEXT, INVALID_VALUE, SUCCESS};
use crate::spec::{CardSpec, Spec};

/// The environment variable with the specification.
const VARIABLE: &str = "FAKE_CUDA_SPEC";
/// Host memory that one card's allocations may take.
const HOST_BYTES_MAX: u64 = 1 << 30;

/// A card at work.
pub(crate) struct Card {
    pub(crate) spec: CardSpec,
    pub(crate) machine: Machine,
    /// Allocations by address with their sizes; an aliased one is counted more than once.
    pub(crate) allocated: BTreeMap<u64, Vec<u64>>,
    pub(crate) used_bytes: u64,
    /// Bytes of the ring that `chase_fill` made last.
    pub(crate) ring_bytes: u64,
}

/// A launch of a kernel without parameters: its function handle and its size.
#[derive(Clone)]
pub(crate) struct Captured {
    pub(crate) function: usize,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared_bytes: u32,
}

/// The library's memory.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) spec: Option<Spec>,
    pub(crate) cards: Vec<Card>,
    /// Picoseconds that have passed on each chip.
    pub(crate) chips_ps: Vec<u64>,
    pub(crate) modules: Vec<Option<(usize, Module)>>,
    /// Module and kernel of each function handle.
    pub(crate) functions: Vec<(usize, String)>,
    /// Card and time of each event handle, once it was recorded.
    pub(crate) events: Vec<Option<(usize, u64)>>,
    pub(crate) streams: usize,
    /// What was launched since a capture began.
    pub(crate) capture: Option<Vec<Captured>>,
    /// Captured launches of each graph handle.
    pub(crate) graphs: Vec<Vec<Captured>>,
    pub(crate) launches: u64,
    pub(crate) hangs: bool,
    /// Whether the function for the end was registered.
    pub(crate) has_end: bool,
    pub(crate) failed: Option<c_int>,
}

static STATE: Mutex<State> = Mutex::new(State {
    spec: None,
    cards: Vec::new(),
    chips_ps: Vec::new(),
    modules: Vec::new(),
    functions: Vec::new(),
    events: Vec::new(),
    streams: 0,
    capture: None,
    graphs: Vec::new(),
    launches: 0,
    hangs: false,
    has_end: false,
    failed: None,
});

thread_local! {
    /// The current context: the card's number from 1.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// The state, whatever a thread that held it did.
pub(crate) fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a context the thread's current one.
pub(crate) fn set_current(context: usize) {
    CURRENT.set(context);
}

/// Does something with the current card.
pub(crate) fn with_card(work: impl FnOnce(&mut State, usize) -> Result<(), c_int>) -> c_int {
    let mut state = state();
    if let Some(code) = state.failed {
        return code;
    }
    let current = CURRENT.get();
    if current == 0 || current > state.cards.len() {
        return INVALID_CONTEXT;
    }
    work(&mut state, current - 1).err().unwrap_or(SUCCESS)
}

impl State {
    /// Takes a specification, unless there is one.
    pub(crate) fn configure(&mut self, text: &str) -> Result<(), c_int> {
        let spec: Spec = serde_json::from_str(text).map_err(|_| INVALID_VALUE)?;
        let chips = spec.cards.iter().map(|card| card.chip + 1).max();
        self.chips_ps = vec![0; chips.unwrap_or(0)];
        self.cards = spec.cards.iter().map(Card::new).collect();
        self.spec = Some(spec);
        Ok(())
    }

    /// Reads the environment where nobody gave a specification.
    pub(crate) fn start(&mut self) -> Result<(), c_int> {
        if self.spec.is_some() {
            return Ok(());
        }
        let text = std::env::var(VARIABLE).map_err(|_| INVALID_VALUE)?;
        self.configure(&text)
    }

    /// Lets time pass on a card's chip.
    pub(crate) fn pass_ps(&mut self, card: usize, ps: u64) {
        let chip = self.cards[card].spec.chip;
        self.chips_ps[chip] += ps;
    }

    /// What a card's own clocks say, in picoseconds.
    pub(crate) fn told_ps(&self, card: usize) -> u64 {
        let spec = &self.cards[card].spec;
        let passed = u128::from(self.chips_ps[spec.chip]);
        (passed * u128::from(spec.told_permille) / 1_000) as u64
    }
}

impl Card {
    fn new(spec: &CardSpec) -> Self {
        let config = MachineConfig {
            sm_count: spec.sm_count_real.unwrap_or(spec.sm_count),
            memory_bytes: HOST_BYTES_MAX,
            clock_mhz: u64::try_from(spec.sm_clock_khz / 1_000).unwrap_or(1),
            ended_threads_pass_barriers: true,
            ..MachineConfig::default()
        };
        Self {
            spec: spec.clone(),
            machine: Machine::new(config),
            allocated: BTreeMap::new(),
            used_bytes: 0,
            ring_bytes: 0,
        }
    }
}

/// Takes a specification in JSON, zero-terminated; 0 when it is one.
#[unsafe(no_mangle)]
unsafe extern "C" fn fake_cuda_configure(text: *const c_char) -> c_int {
    // SAFETY: the caller passes a zero-terminated text.
    let text = unsafe { CStr::from_ptr(text) };
    let result = text.to_str().map_err(|_| INVALID_VALUE);
    let result = result.and_then(|text| state().configure(text));
    result.err().unwrap_or(SUCCESS)
}

/// The true time in nanoseconds: that of the chip that is furthest.
#[unsafe(no_mangle)]
extern "C" fn fake_cuda_now_ns() -> u64 {
    state().chips_ps.iter().copied().max().unwrap_or(0) / 1_000
}

/// The same, after all chips have waited for the one that is furthest.
#[unsafe(no_mangle)]
extern "C" fn fake_cuda_wait_ns() -> u64 {
    let mut state = state();
    let now = state.chips_ps.iter().copied().max().unwrap_or(0);
    state.chips_ps.fill(now);
    now / 1_000
}
