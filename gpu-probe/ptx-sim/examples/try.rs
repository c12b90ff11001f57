//! scratch
use tandem_ptx_sim::*;
fn main() {
    for f in std::env::args().skip(1) {
        let t = std::fs::read_to_string(&f).unwrap();
        match Module::parse(&t) {
            Ok(m) => {
                println!(
                    "{f}: {} {:?}",
                    m.target(),
                    m.kernels()
                        .iter()
                        .map(|k| (k.name(), k.instructions(), k.params().len()))
                        .collect::<Vec<_>>()
                );
                if m.kernel("sha").is_some() {
                    let mut g = Machine::new(MachineConfig::default());
                    let n = 4096u64;
                    let a = g.alloc(n * 64).unwrap();
                    let o = g.alloc(n * 32).unwrap();
                    let t = std::time::Instant::now();
                    let r = g.launch(
                        &m,
                        "sha",
                        [32, 1, 1],
                        [128, 1, 1],
                        0,
                        &[Arg::U64(a), Arg::U64(o), Arg::U64(n)],
                    );
                    println!(
                        "{r:?} {} instr, {:.1} M/s",
                        g.instructions(),
                        g.instructions() as f64 / t.elapsed().as_secs_f64() / 1e6
                    );
                    let w = g.alloc(8192 * 8).unwrap();
                    g.write(w + 8, &[7; 8]).unwrap();
                    let t = std::time::Instant::now();
                    let i = g.instructions();
                    let r = g.launch(
                        &m,
                        "red",
                        [1, 1, 1],
                        [256, 1, 1],
                        0,
                        &[Arg::U64(w), Arg::U64(8192), Arg::U64(12345), Arg::U64(o)],
                    );
                    println!(
                        "{r:?} {} instr, {:.1} M/s",
                        g.instructions() - i,
                        (g.instructions() - i) as f64 / t.elapsed().as_secs_f64() / 1e6
                    );
                    let t = std::time::Instant::now();
                    let i = g.instructions();
                    let r = g.launch(
                        &m,
                        "fm",
                        [1, 1, 1],
                        [256, 1, 1],
                        0,
                        &[Arg::U64(o), Arg::U32(10000), Arg::F32(1.0), Arg::F32(0.5)],
                    );
                    println!(
                        "{r:?} {} instr, {:.1} M/s {:?}",
                        g.instructions() - i,
                        (g.instructions() - i) as f64 / t.elapsed().as_secs_f64() / 1e6,
                        g.read(o, 8)
                    );
                    let r = g.launch(
                        &m,
                        "cl",
                        [8, 1, 1],
                        [1, 1, 1],
                        0,
                        &[Arg::U64(o), Arg::U64(10000), Arg::U64(a)],
                    );
                    println!("{r:?} {:?}", g.read(a, 32));
                }
            }
            Err(e) => println!("{f}: {e}"),
        }
    }
}
