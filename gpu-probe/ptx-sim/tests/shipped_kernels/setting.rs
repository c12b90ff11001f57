//! A machine with a shipped module on it, and the few calls that the tests make.

use std::path::{Path, PathBuf};

use tandem_ptx_sim::{Arg, Machine, MachineConfig, Module};

/// Where the shipped texts lie.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels/built")
}

/// File and architecture of every shipped text, in order.
pub(crate) fn shipped() -> Vec<(String, String)> {
    let mut all: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (file, architecture) = name.strip_suffix(".ptx")?.split_once('.')?;
            Some((file.to_owned(), architecture.to_owned()))
        })
        .collect();
    all.sort();
    all
}

/// The architectures that a file's text is shipped for; later ones take the text of an earlier one.
pub(crate) fn architectures(file: &str) -> Vec<String> {
    let all = shipped().into_iter().filter(|(of, _)| of == file);
    let found: Vec<_> = all.map(|(_, architecture)| architecture).collect();
    assert!(!found.is_empty(), "no text of {file}");
    found
}

pub(crate) struct Card {
    pub(crate) machine: Machine,
    pub(crate) module: Module,
}

/// A card of an architecture with the kernels of one file.
pub(crate) fn card(file: &str, architecture: &str) -> Card {
    card_like(file, architecture, MachineConfig::default())
}

pub(crate) fn card_like(file: &str, architecture: &str, config: MachineConfig) -> Card {
    let path = folder().join(format!("{file}.{architecture}.ptx"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let module = Module::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(module.target(), format!("sm_{architecture}"));
    Card {
        machine: Machine::new(config),
        module,
    }
}

impl Card {
    /// New memory with these bytes, and not one byte more.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.space(bytes.len());
        self.machine.write(at, bytes).unwrap();
        at
    }

    pub(crate) fn put_words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// New memory full of 0xA5, so that what a kernel leaves out is seen.
    pub(crate) fn space(&mut self, bytes: usize) -> u64 {
        let at = self.machine.alloc(bytes as u64).unwrap();
        self.machine.write(at, &vec![0xa5; bytes]).unwrap();
        at
    }

    pub(crate) fn bytes(&mut self, at: u64, count: usize) -> Vec<u8> {
        self.machine.read(at, count as u64).unwrap()
    }

    pub(crate) fn u32s(&mut self, at: u64, count: usize) -> Vec<u32> {
        let bytes = self.bytes(at, count * 4);
        let words = bytes.chunks_exact(4);
        words
            .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
            .collect()
    }

    pub(crate) fn u64s(&mut self, at: u64, count: usize) -> Vec<u64> {
        let bytes = self.bytes(at, count * 8);
        let words = bytes.chunks_exact(8);
        words
            .map(|w| u64::from_le_bytes(w.try_into().unwrap()))
            .collect()
    }

    /// Runs a kernel over blocks along x, with the shared memory that the module says it needs.
    pub(crate) fn run(&mut self, kernel: &str, blocks: u32, threads: u32, args: &[Arg]) {
        let shared = match self
            .machine
            .variable(&self.module, &format!("{kernel}_shared_bytes"))
            .unwrap()
        {
            Some(at) => self.u32s(at, 1)[0],
            None => 0,
        };
        let grid = [blocks, 1, 1];
        let outcome =
            self.machine
                .launch(&self.module, kernel, grid, [threads, 1, 1], shared, args);
        outcome.unwrap_or_else(|fault| panic!("{}: {fault}", self.module.target()));
    }
}
