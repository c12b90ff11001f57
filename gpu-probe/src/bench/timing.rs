//! Samples of the time of some work, on two clocks: CUDA events, and `%globaltimer` read by a
//! one-block launch of the census kernel before and after the work.

use crate::cuda::{Argument, CudaError, DeviceMemory, Dimensions, Event};
use crate::report::Timing;

use super::card::Card;
use super::signatures::kernel;
use crate::kernels::Module as KernelFile;

/// Bytes of one stamp: what a block of the census writes.
const STAMP_BYTES: u64 = 40;

/// Places for the stamps of some samples, two each.
struct Stamps {
    memory: DeviceMemory,
}

impl Stamps {
    fn new(card: &Card<'_>, samples: u32) -> Result<Self, CudaError> {
        let bytes = u64::from(samples) * 2 * STAMP_BYTES;
        let memory = card.memory(bytes, "time stamps")?;
        Ok(Self { memory })
    }

    /// Queues a reading of the timer into place `index`.
    fn queue(&self, card: &Card<'_>, index: u64) -> Result<(), CudaError> {
        let at = |field: u64| self.memory.pointer_at(index * STAMP_BYTES + field * 8);
        let arguments = [at(0)?, at(1)?, at(2)?, at(3)?, at(4)?, Argument::U64(0)];
        let one = Dimensions::line(1, 1);
        card.launch(KernelFile::Census, kernel::CENSUS, one, &arguments)
    }

    /// From the end of each first stamp to the start of each second one.
    fn read(&self, card: &Card<'_>, samples: u32) -> Result<Vec<u64>, CudaError> {
        let words = card.read_u64(&self.memory, samples as usize * 10)?;
        let pairs = words.as_chunks::<10>().0.iter();
        // A stamp is: SM, clock at start and end, timer at start and end.
        Ok(pairs.map(|pair| pair[8].saturating_sub(pair[4])).collect())
    }
}

/// Takes `samples` samples of what `work` queues.
///
/// # Errors
///
/// Those of the work, or a deadline that names `what`.
pub fn stamped(
    card: &Card<'_>,
    what: &str,
    samples: u32,
    mut work: impl FnMut(u32) -> Result<(), CudaError>,
) -> Result<Timing, CudaError> {
    let stamps = Stamps::new(card, samples)?;
    let mut events = Vec::with_capacity(samples as usize);
    for sample in 0..samples {
        let pair = (Event::new(card.context())?, Event::new(card.context())?);
        stamps.queue(card, u64::from(sample) * 2)?;
        card.stream.record(&pair.0)?;
        work(sample)?;
        card.stream.record(&pair.1)?;
        stamps.queue(card, u64::from(sample) * 2 + 1)?;
        events.push(pair);
    }
    card.wait(what)?;
    let event_ns = events
        .iter()
        .map(|(start, end)| end.since_ns(start))
        .collect::<Result<_, _>>()?;
    Ok(Timing {
        event_ns,
        timer_ns: stamps.read(card, samples)?,
    })
}
