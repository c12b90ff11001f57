//! Copies to the machine's other cards, directly where the driver offers a path.

use crate::cuda::{CudaError, Device, DeviceMemory, Event};
use crate::hex::HexBytes;
use crate::report::{PeerCopy, Timing, Transfer};

use super::card::Card;

/// Runs it against each other device.
///
/// # Errors
///
/// Too little memory, a failed call or a deadline.
pub(super) fn run(card: &Card<'_>, others: &[Device]) -> Result<Vec<PeerCopy>, CudaError> {
    let others = others
        .iter()
        .filter(|d| d.ordinal() != card.device().ordinal());
    others.map(|other| copy_to(card, other)).collect()
}

fn copy_to(card: &Card<'_>, other: &Device) -> Result<PeerCopy, CudaError> {
    let bytes = card.scale.pcie_bytes as u64;
    let context = other.context()?;
    let is_direct = card.device().can_access(other)?;
    if is_direct {
        card.context().enable_peer(&context)?;
    }
    let from = card.memory(bytes, "the peer copy")?;
    let to = DeviceMemory::new(&context, bytes, "the peer copy")?;
    card.fill_random(&from, rand::random())?;
    let (start, end) = (Event::new(card.context())?, Event::new(card.context())?);
    let mut event_ns = Vec::new();
    for _ in 0..card.scale.pcie_samples {
        card.stream.record(&start)?;
        card.stream.copy_device(&from, &to, bytes)?;
        card.stream.record(&end)?;
        card.wait("the peer copy")?;
        event_ns.push(end.since_ns(&start)?);
    }
    Ok(PeerCopy {
        peer: HexBytes(other.uuid()?.0),
        is_direct,
        transfer: Transfer {
            bytes,
            timing: Timing {
                event_ns,
                timer_ns: Vec::new(),
            },
        },
    })
}
