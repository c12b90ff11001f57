//! Q9: the bus, with page-locked memory, in both directions and in both at once.

use crate::cuda::{CudaError, Event, PinnedMemory};
use crate::report::{Pcie, Timing, Transfer};

use super::card::Card;

/// Runs it. The card's timer does not see copies, so there are events alone.
///
/// # Errors
///
/// Too little memory on either side, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>) -> Result<Pcie, CudaError> {
    let bytes = card.scale.pcie_bytes;
    let purpose = "the bus test";
    let mut up = PinnedMemory::new(card.context(), bytes, purpose)?;
    let down = PinnedMemory::new(card.context(), bytes, purpose)?;
    let pattern: Vec<u8> = (1..=251_u8).cycle().take(bytes.min(1 << 20)).collect();
    up.write(&pattern);
    let target = card.memory(bytes as u64, purpose)?;
    let source = card.memory(bytes as u64, purpose)?;
    card.fill_random(&source, rand::random())?;
    card.wait(purpose)?;
    let other = card.context().stream()?;
    let to_device = || card.stream.copy_to_device(&up, &target, 0, bytes);
    let host_to_device = timed(card, to_device)?;
    let device_to_host = timed(card, || card.stream.copy_to_host(&source, 0, &down, bytes))?;
    let both = timed(card, || {
        // The second stream begins with the first and the first ends with the second.
        let (start, end) = (Event::new(card.context())?, Event::new(card.context())?);
        card.stream.record(&start)?;
        other.wait_for(&start)?;
        other.copy_to_host(&source, 0, &down, bytes)?;
        other.record(&end)?;
        to_device()?;
        card.stream.wait_for(&end)
    })?;
    let uuid = card.device().uuid()?;
    let facts = card.nvml.and_then(|nvml| nvml.facts(uuid));
    let now = facts.as_ref().and_then(|facts| facts.pcie);
    let most = facts.as_ref().and_then(|facts| facts.pcie_max);
    let transfer = |bytes, timing| Transfer { bytes, timing };
    Ok(Pcie {
        host_to_device: transfer(bytes as u64, host_to_device),
        device_to_host: transfer(bytes as u64, device_to_host),
        both: transfer(2 * bytes as u64, both),
        generation: now.map(|link| link.0),
        lanes: now.map(|link| link.1),
        generation_max: most.map(|link| link.0),
        lanes_max: most.map(|link| link.1),
    })
}

fn timed(
    card: &Card<'_>,
    mut copy: impl FnMut() -> Result<(), CudaError>,
) -> Result<Timing, CudaError> {
    let (start, end) = (Event::new(card.context())?, Event::new(card.context())?);
    let mut event_ns = Vec::new();
    copy()?;
    for _ in 0..card.scale.pcie_samples {
        card.stream.record(&start)?;
        copy()?;
        card.stream.record(&end)?;
        card.wait("the bus test")?;
        event_ns.push(end.since_ns(&start)?);
    }
    Ok(Timing {
        event_ns,
        timer_ns: Vec::new(),
    })
}
