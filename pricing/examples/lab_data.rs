//! Writes the synthetic set of the price lab anew: `cargo run -p tandem-pricing --example lab_data`.

use std::path::Path;

use tandem_pricing::lab::synthetic::{SEED, demand_csv, prices_csv};

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/lab");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("demand.csv"), demand_csv(SEED))?;
    std::fs::write(folder.join("prices.csv"), prices_csv(SEED))
}
