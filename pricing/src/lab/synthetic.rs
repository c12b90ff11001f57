//! The synthetic set that ships in `examples/lab`: a fortnight of demand of every class, and prices
//! and supply of a handful of cards. Nobody asked for any of it and nobody sold at these prices.
//!
//! It is made here, from a seed and the tables below, so that anyone can see what is in it, and a test
//! holds the files to it. Tasks of a class arrive by the hour of the day, as many as the table says
//! and a chance for the fraction; weekends have half. A duration is drawn evenly among the doublings
//! between the shortest and the longest, then evenly within. Every six hours each price takes an eighth
//! of the way back to its base and a step of up to 3 % either way; consumer machines come and go.

use std::fmt::Write;

use super::draw::{Purpose, below};

/// The seed of the set that ships.
pub const SEED: u64 = 20_261_102;
/// Its length in days; the first is a Monday.
pub const DAYS: u64 = 14;

/// Arrivals of an hour of the day, in permille of the mean: nights are quiet.
const HOURS_PERMILLE: [u64; 24] = [
    500, 400, 350, 300, 300, 400, 600, 900, 1_200, 1_500, 1_700, 1_700, 1_500, 1_500, 1_700, 1_700,
    1_500, 1_300, 1_100, 1_000, 900, 800, 700, 650,
];
const WEEKEND_PERMILLE: u64 = 500;
const STEP_S: u64 = 21_600;
const HOUR_S: u64 = 3_600;

/// How a class asks.
struct Asks {
    class: &'static str,
    /// Thousandths of a task an hour, on a weekday at a mean hour.
    tasks_per_hour_milli: u64,
    /// Drawn evenly.
    gpus: &'static [u32],
    /// Drawn evenly; empty for any.
    cards: &'static [&'static str],
    minutes_min: u64,
    /// How often the shortest is doubled to give the longest.
    doublings: u64,
}

const ASKS: [Asks; 7] = [
    Asks {
        class: "distributed_training",
        tasks_per_hour_milli: 150,
        gpus: &[8, 8, 16],
        cards: &["", "H100", "H100"],
        minutes_min: 240,
        doublings: 3,
    },
    Asks {
        class: "single_node_training",
        tasks_per_hour_milli: 950,
        gpus: &[1, 1, 2, 4, 8],
        cards: &["", "", "A100-80GB", "H100", "RTX 4090"],
        minutes_min: 90,
        doublings: 4,
    },
    Asks {
        class: "online_inference",
        tasks_per_hour_milli: 800,
        gpus: &[1, 1, 1, 2, 4],
        cards: &["", "", "", "L40S", "H100"],
        minutes_min: 360,
        doublings: 4,
    },
    Asks {
        class: "batch_inference",
        tasks_per_hour_milli: 1_800,
        gpus: &[1, 1, 2, 4],
        cards: &["", "", "", "RTX 4090", "A100-80GB"],
        minutes_min: 20,
        doublings: 5,
    },
    Asks {
        class: "rendering",
        tasks_per_hour_milli: 1_200,
        gpus: &[1, 2, 4],
        cards: &["", "RTX 4090", "RTX 5090"],
        minutes_min: 20,
        doublings: 4,
    },
    Asks {
        class: "interactive",
        tasks_per_hour_milli: 1_500,
        gpus: &[1],
        cards: &["", "", "RTX 3090", "T4"],
        minutes_min: 30,
        doublings: 4,
    },
    Asks {
        class: "evaluation_or_data",
        tasks_per_hour_milli: 750,
        gpus: &[1, 1, 2],
        cards: &["", "", "V100 PCIe 16GB"],
        minutes_min: 10,
        doublings: 5,
    },
];

/// What a lane sells at first.
struct Sells {
    network: &'static str,
    gpu: &'static str,
    grade: &'static str,
    country: &'static str,
    micro_usd: u64,
    gpus: u64,
}

const fn sells(
    place: (&'static str, &'static str),
    gpu: &'static str,
    grade: &'static str,
    micro_usd: u64,
    gpus: u64,
) -> Sells {
    Sells {
        network: place.0,
        gpu,
        grade,
        country: place.1,
        micro_usd,
        gpus,
    }
}

const SELLS: [Sells; 15] = [
    sells(("ionet", "PL"), "rtx3090", "consumer", 180_000, 5),
    sells(("ionet", "BR"), "rtx3090", "consumer", 165_000, 4),
    sells(("ionet", "DE"), "rtx4090", "consumer", 360_000, 7),
    sells(("ionet", "US"), "rtx4090", "consumer", 400_000, 8),
    sells(("ionet", "KR"), "rtx4090", "consumer", 340_000, 5),
    sells(("ionet", "US"), "rtx5090", "consumer", 550_000, 4),
    sells(("ionet", "PL"), "rtx5090", "consumer", 500_000, 4),
    sells(("ionet", "US"), "t4", "datacenter", 200_000, 4),
    sells(("ionet", "DE"), "v100-pcie-16gb", "datacenter", 290_000, 4),
    sells(("ionet", "US"), "l40s", "datacenter", 850_000, 6),
    sells(
        ("ionet", "US"),
        "a100-sxm4-80gb",
        "datacenter",
        1_300_000,
        8,
    ),
    sells(
        ("aethir", "DE"),
        "a100-sxm4-80gb",
        "datacenter",
        1_450_000,
        8,
    ),
    sells(
        ("aethir", "US"),
        "h100-sxm5-80gb",
        "datacenter",
        2_250_000,
        16,
    ),
    sells(
        ("aethir", "NO"),
        "h100-sxm5-80gb",
        "datacenter",
        2_050_000,
        8,
    ),
    sells(
        ("aethir", "SG"),
        "h100-sxm5-80gb",
        "datacenter",
        2_400_000,
        8,
    ),
];

/// Numbers one after another.
struct Draws {
    seed: u64,
    next: u64,
}

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.next += 1;
        below(self.seed, Purpose::Synthetic, self.next, limit)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let limit = u64::try_from(all.len()).unwrap_or(0);
        all.get(usize::try_from(self.below(limit)).ok()?).copied()
    }
}

/// Demand, in the columns of our own format.
pub fn demand_csv(seed: u64) -> String {
    let mut draws = Draws { seed, next: 0 };
    let mut rows = Vec::new();
    for hour in 0..DAYS * 24 {
        let of_day = usize::try_from(hour % 24).unwrap_or(0);
        let weekend = (hour / 24) % 7 >= 5;
        let day = if weekend { WEEKEND_PERMILLE } else { 1_000 };
        for asks in &ASKS {
            let millionths = asks.tasks_per_hour_milli * HOURS_PERMILLE[of_day] * day / 1_000;
            let chance = draws.below(1_000_000) < millionths % 1_000_000;
            for _ in 0..millionths / 1_000_000 + u64::from(chance) {
                let arrival_s = hour * HOUR_S + draws.below(HOUR_S);
                let shortest_s = (asks.minutes_min * 60) << draws.below(asks.doublings);
                let duration_s = shortest_s + draws.below(shortest_s);
                let gpus = draws.of(asks.gpus).unwrap_or(1);
                let card = draws.of(asks.cards).unwrap_or("");
                rows.push((arrival_s, duration_s, gpus, card, asks.class));
            }
        }
    }
    rows.sort_unstable();
    let mut text = "name,arrival_s,duration_s,gpus,gpu,class\n".to_owned();
    for (number, (arrival_s, duration_s, gpus, card, class)) in rows.iter().enumerate() {
        let row = format!("synthetic-{number:04},{arrival_s},{duration_s},{gpus},{card},{class}");
        text.push_str(&row);
        text.push('\n');
    }
    text
}

/// Prices and supply, in the columns of our own format.
pub fn prices_csv(seed: u64) -> String {
    let mut draws = Draws {
        seed: seed.wrapping_add(1),
        next: 0,
    };
    let mut prices = SELLS.map(|lane| lane.micro_usd);
    let mut text = "time_s,network,gpu,grade,country,price_usd_per_gpu_hour,gpus\n".to_owned();
    for step in 0..DAYS * 86_400 / STEP_S {
        for (lane, price) in SELLS.iter().zip(&mut prices) {
            // An eighth of the way back, and 970 to 1,030 permille of that.
            let back = (*price * 7 + lane.micro_usd) / 8;
            *price = back * (970 + draws.below(61)) / 1_000;
            let gpus = match lane.grade {
                "consumer" => lane.gpus * (700 + draws.below(301)) / 1_000,
                _ => lane.gpus,
            };
            let (at_s, dollars, rest) = (step * STEP_S, *price / 1_000_000, *price % 1_000_000);
            let Sells {
                network,
                gpu,
                grade,
                country,
                ..
            } = lane;
            // Writing into a text cannot fail.
            let _ = writeln!(
                text,
                "{at_s},{network},{gpu},{grade},{country},{dollars}.{rest:06},{gpus}"
            );
        }
    }
    text
}
