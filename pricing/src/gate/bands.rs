//! The plausible band of each card: the lowest and the highest price per GPU-hour that is believed.
//!
//! Read on 2026-05-20 from published price catalogues of Google Cloud, Azure, Lambda and Vast
//! (spot and on-demand, all regions): the lowest and highest price seen are noted with each row,
//! in dollars. The band is that range widened, down by about 2 to 3 and up by about 1.5; cards
//! that only a marketplace sold are widened up by about 6, because clouds charge that much more.
//! Cards marked `neighbours` were in none of the catalogues: their band is set between those of
//! the cards next to them in speed. A price outside is not necessarily wrong, but nobody should
//! pay it without looking.

use tandem_model::gpu::GpuModel;

/// Prices that are believed for a card, in micro-dollars per GPU-hour, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Id in the GPU catalogue.
    pub gpu: &'static str,
    /// Lowest.
    pub low_micro_usd: i64,
    /// Highest.
    pub high_micro_usd: i64,
    /// Where the figures come from.
    pub source: &'static str,
}

impl Band {
    /// Whether a price lies within.
    pub const fn holds(&self, micro_usd: i64) -> bool {
        self.low_micro_usd <= micro_usd && micro_usd <= self.high_micro_usd
    }

    /// The geometric middle: what a price of this card is most likely near.
    pub(super) fn middle(&self) -> i128 {
        (i128::from(self.low_micro_usd) * i128::from(self.high_micro_usd)).isqrt()
    }
}

/// The day on which the prices behind the bands were published.
pub const DATED: &str = "2026-05-20";

const fn band(gpu: &'static str, low_cents: i64, high_cents: i64, source: &'static str) -> Band {
    Band {
        gpu,
        low_micro_usd: low_cents * 10_000,
        high_micro_usd: high_cents * 10_000,
        source,
    }
}

/// One row a card of the catalogue.
pub const BANDS: &[Band] = &[
    band("rtx3060-12gb", 2, 100, "Vast 0.05"),
    band("rtx3080-10gb", 3, 150, "neighbours"),
    band("rtx3090", 5, 150, "Vast 0.16 to 0.25"),
    band("rtx4070ti", 5, 150, "neighbours"),
    band("rtx4080", 6, 200, "neighbours"),
    band("rtx4090", 12, 260, "Vast 0.35 to 0.44"),
    band("rtx5090", 14, 300, "Vast 0.40 to 0.51"),
    band("rtx-a4000", 4, 200, "neighbours"),
    band("rtx-a5000", 7, 250, "Vast 0.20 to 0.23"),
    band("rtx-a6000", 15, 400, "Vast 0.40, Lambda 1.09"),
    band("l4", 6, 300, "Google Cloud 0.20 to 1.60"),
    band("l40s", 20, 600, "Vast 0.60"),
    band("t4", 3, 400, "Azure 0.07 to 2.05"),
    band("v100-pcie-16gb", 7, 1_000, "Vast 0.18, Azure 6.73"),
    band("v100-sxm2-32gb", 15, 1_000, "Azure 0.51 to 3.81"),
    band("a100-pcie-40gb", 25, 1_000, "Vast 0.67, Lambda 1.99"),
    band("a100-pcie-80gb", 35, 1_300, "Azure 0.75 to 7.35"),
    band("a100-sxm4-40gb", 25, 1_000, "Azure 0.75 to 4.42"),
    band("a100-sxm4-80gb", 35, 1_300, "Vast 0.93, Azure 8.19"),
    band(
        "h100-pcie-80gb",
        50,
        3_500,
        "Lambda 3.29, Azure's SXM 23.33",
    ),
    band(
        "h100-sxm5-80gb",
        50,
        3_500,
        "Google Cloud 1.17, Azure 23.33",
    ),
    band("h100-nvl-94gb", 50, 3_500, "Azure 1.29 to 10.12"),
    band("h200-sxm-141gb", 100, 3_500, "Vast 2.35, Azure 21.20"),
    band(
        "b200-sxm-180gb",
        150,
        3_500,
        "Lambda 6.69, Google Cloud 11.28",
    ),
    band("gh200-96gb", 60, 1_500, "Lambda 2.29"),
];

/// The band of a card.
pub fn of(gpu: GpuModel) -> &'static Band {
    BANDS
        .iter()
        .find(|band| band.gpu == gpu.id())
        .expect("a test holds the table against the catalogue")
}
