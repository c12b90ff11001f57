//! Names of special registers and predefined constants.

use crate::inst::{Order, Special, Src};

/// The value that stands behind a name which the kernel does not declare.
pub(crate) fn named(name: &str) -> Option<Src> {
    if name == "WARP_SZ" {
        return Some(Src::Special(Special::WarpSize));
    }
    let name = name.strip_prefix('%')?;
    if let Some((base, axis)) = name.split_once('.') {
        let axis = match axis {
            "x" => 0,
            "y" => 1,
            "z" => 2,
            _ => return None,
        };
        return match base {
            "tid" => Some(Src::Special(Special::ThreadIndex(axis))),
            "ntid" => Some(Src::Special(Special::BlockSize(axis))),
            "ctaid" => Some(Src::Special(Special::BlockIndex(axis))),
            "nctaid" => Some(Src::Special(Special::GridSize(axis))),
            _ => None,
        };
    }
    Some(Src::Special(match name {
        "laneid" => Special::Lane,
        "warpid" => Special::Warp,
        "nwarpid" => Special::WarpCount,
        "smid" => Special::Sm,
        "nsmid" => Special::SmCount,
        "gridid" => Special::GridId,
        "clock" | "clock64" => Special::Clock,
        "clock_hi" => Special::ClockHigh,
        "globaltimer" => Special::Timer,
        "globaltimer_lo" => Special::TimerLow,
        "globaltimer_hi" => Special::TimerHigh,
        "lanemask_eq" => Special::LaneMask(Order::Equal),
        "lanemask_lt" => Special::LaneMask(Order::Less),
        "lanemask_le" => Special::LaneMask(Order::LessEqual),
        "lanemask_gt" => Special::LaneMask(Order::Greater),
        "lanemask_ge" => Special::LaneMask(Order::GreaterEqual),
        "dynamic_smem_size" => Special::DynamicShared,
        "total_smem_size" => Special::TotalShared,
        _ => return None,
    }))
}
