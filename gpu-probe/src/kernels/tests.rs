//! Tests of the embedded kernels: every file of the contract is there, whole, and chosen rightly.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;

fn set(major: u32, minor: u32) -> KernelSet {
    KernelSet::for_compute_capability(major, minor).expect("Volta or newer")
}

fn chosen(major: u32, minor: u32, module: Module) -> Vec<String> {
    set(major, minor)
        .images(module)
        .iter()
        .map(|image| format!("{image:?}"))
        .collect()
}

#[test]
fn a_module_that_a_chip_cannot_run_at_speed_is_not_offered() {
    // FP8 by mma.sync is emulated on 9.0 and 10.x: it would run and show a wrong rate.
    for (major, minor) in [
        (7, 0),
        (7, 5),
        (8, 0),
        (8, 6),
        (8, 7),
        (10, 0),
        (10, 3),
        (11, 0),
    ] {
        assert_eq!(
            chosen(major, minor, Module::GemmFp8),
            Vec::<String>::new(),
            "{major}.{minor}"
        );
    }
    assert_eq!(
        chosen(9, 0, Module::GemmFp8),
        ["gemm_fp8.90a (Cubin)", "gemm_fp8.90a (Ptx)"]
    );
    assert_eq!(
        chosen(8, 9, Module::GemmFp8),
        ["gemm_fp8.89 (Cubin)", "gemm_fp8.89 (Ptx)"]
    );
    assert_eq!(chosen(7, 5, Module::GemmBf16), Vec::<String>::new());
    assert_eq!(chosen(11, 0, Module::IsaGate), ["isa_gate.80 (Ptx)"]);
}

#[test]
fn a_chip_gets_its_own_cubin_else_an_older_one_of_its_family_then_text() {
    for (capability, wanted) in [
        ((7, 0), ["matrix.70 (Cubin)", "matrix.70 (Ptx)"]),
        ((7, 2), ["matrix.70 (Cubin)", "matrix.70 (Ptx)"]),
        ((7, 5), ["matrix.75 (Cubin)", "matrix.75 (Ptx)"]),
        ((8, 0), ["matrix.80 (Cubin)", "matrix.80 (Ptx)"]),
        ((8, 6), ["matrix.86 (Cubin)", "matrix.86 (Ptx)"]),
        ((8, 7), ["matrix.86 (Cubin)", "matrix.86 (Ptx)"]),
        ((8, 9), ["matrix.89 (Cubin)", "matrix.86 (Ptx)"]),
        ((9, 0), ["matrix.90a (Cubin)", "matrix.90a (Ptx)"]),
        ((10, 0), ["matrix.100 (Cubin)", "matrix.86 (Ptx)"]),
        ((10, 3), ["matrix.100 (Cubin)", "matrix.86 (Ptx)"]),
        ((12, 0), ["matrix.120 (Cubin)", "matrix.86 (Ptx)"]),
        ((12, 1), ["matrix.120 (Cubin)", "matrix.86 (Ptx)"]),
    ] {
        assert_eq!(chosen(capability.0, capability.1, Module::Matrix), wanted);
    }
}

#[test]
fn a_chip_of_an_unknown_family_gets_text_of_the_newest_older_one() {
    assert_eq!(chosen(13, 0, Module::Matrix), ["matrix.86 (Ptx)"]);
    assert_eq!(chosen(13, 0, Module::IsaGate), ["isa_gate.120 (Ptx)"]);
    assert_eq!(chosen(9, 1, Module::Matrix), ["matrix.86 (Ptx)"]);
    assert_eq!(chosen(13, 0, Module::Vram), ["vram.70 (Ptx)"]);
}

#[test]
fn a_chip_before_volta_is_refused_and_the_error_says_so() {
    let refused = KernelSet::for_compute_capability(6, 1).expect_err("Pascal");
    assert_eq!(refused, NoKernels::TooOld { major: 6, minor: 1 });
    assert!(refused.to_string().contains("6.1 is older than 7.0"));
}

#[test]
fn every_kernel_of_the_contract_is_in_every_image_of_its_module() {
    for image in Image::all() {
        for kernel in KERNELS.iter().filter(|k| k.module == image.module) {
            match image.form {
                ImageForm::Ptx => {
                    let text = std::str::from_utf8(image.bytes).expect("PTX is text");
                    let entry = format!(".visible .entry {}(", kernel.name);
                    assert!(text.contains(&entry), "{image:?} lacks {}", kernel.name);
                    let target = format!(".target sm_{}\n", image.architecture);
                    assert!(text.contains(&target), "{image:?} is for another chip");
                }
                ImageForm::Cubin => {
                    let section = format!(".text.{}\0", kernel.name);
                    let found = image
                        .bytes
                        .windows(section.len())
                        .any(|window| window == section.as_bytes());
                    assert!(found, "{image:?} lacks {}", kernel.name);
                }
            }
        }
    }
}

#[test]
fn every_module_is_there_for_every_chip_that_has_its_unit() {
    let all = ["70", "75", "80", "86", "89", "90a", "100", "120"];
    for module in Module::ALL {
        let cubins: BTreeSet<_> = Image::all()
            .filter(|image| image.module == module && image.form == ImageForm::Cubin)
            .map(|image| image.architecture)
            .collect();
        let wanted: BTreeSet<_> = all
            .into_iter()
            .filter(|architecture| match module {
                Module::GemmFp8 => ["89", "90a", "120"].contains(architecture),
                Module::GemmBf16 => !["70", "75"].contains(architecture),
                _ => true,
            })
            .collect();
        assert_eq!(cubins, wanted, "{}", module.name());
    }
}

#[test]
fn the_signatures_in_the_contract_are_those_of_the_compiled_kernels() {
    let contract = include_str!("../../../docs/gpu-probe.md");
    for kernel in KERNELS {
        let start = format!("{}(", kernel.name);
        let (_, after) = contract
            .split_once(&format!("`{start}"))
            .unwrap_or_else(|| panic!("{start} is not in docs/gpu-probe.md"));
        let list = after.split(')').next().unwrap_or_default();
        let documented: Vec<u32> = list
            .split(',')
            .filter(|parameter| !parameter.trim().is_empty())
            .map(|parameter| match parameter {
                pointer if pointer.contains('*') => 64,
                word if word.contains("u64") => 64,
                _ => 32,
            })
            .collect();
        let image = Image::all()
            .find(|image| image.module == kernel.module && image.form == ImageForm::Ptx)
            .expect("every module has PTX");
        let text = std::str::from_utf8(image.bytes).expect("PTX is text");
        let (_, entry) = text
            .split_once(&format!(".entry {start}"))
            .expect("the test above has seen it");
        let head = entry.split(')').next().unwrap_or_default();
        let compiled: Vec<u32> = head
            .lines()
            .filter(|line| line.contains(".param"))
            .map(|line| if line.contains("64 ") { 64 } else { 32 })
            .collect();
        assert_eq!(documented, compiled, "{}", kernel.name);
    }
}

#[test]
fn the_manifest_names_every_embedded_file_by_its_digest() {
    let manifest: Value = serde_json::from_str(MANIFEST).expect("it is JSON");
    let modules = manifest["modules"].as_array().expect("modules");
    let files = || {
        modules
            .iter()
            .filter_map(|module| module["files_sha256"].as_object())
    };
    for image in Image::all() {
        let digest: String = Sha256::digest(image.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let extension = match image.form {
            ImageForm::Cubin => "cubin",
            ImageForm::Ptx => "ptx",
        };
        let file = format!("{}.{}.{extension}", image.module.name(), image.architecture);
        let listed = files().find_map(|files| files.get(&file)?.as_str());
        assert_eq!(listed, Some(digest.as_str()), "{file}");
    }
    let files: usize = files().map(serde_json::Map::len).sum();
    assert_eq!(Image::all().count(), files);
    assert_eq!(kernels_sha256(), <[u8; 32]>::from(Sha256::digest(MANIFEST)));
}

#[test]
fn large_kernels_fit_the_shared_memory_of_their_chips() {
    // Most dynamic shared memory a block may ask for, KiB: CUDA programming guide, technical
    // specifications by compute capability.
    let kib_max = |architecture: &str| match architecture {
        "70" => 96,
        "75" => 64,
        "80" => 163,
        "86" | "89" | "120" => 99,
        _ => 227,
    };
    for image in Image::all() {
        for kernel in [GEMM_F16, GEMM_BF16, GEMM_FP8, MATRIX_MULTIPLY] {
            if image.module != kernel.module {
                continue;
            }
            let launch = image.launch(&kernel);
            assert_eq!(launch.block_threads, Some(256), "{image:?}");
            let bytes = launch.dynamic_shared_bytes;
            assert!(bytes >= 64 * 1024, "{image:?} asks for {bytes} bytes");
            assert!(bytes <= kib_max(image.architecture) * 1024, "{image:?}");
        }
    }
    // Text of 8.6 also serves chips that have no more than it.
    assert_eq!(
        set(13, 0).images(Module::Matrix)[0]
            .launch(&EMPTY)
            .block_threads,
        None
    );
}

#[test]
fn the_numbers_for_matrix_products_are_never_zero_infinite_or_large() {
    for format in [FloatFormat::F16, FloatFormat::Bf16, FloatFormat::E4m3] {
        let mut negative = 0;
        for index in 0..4096 {
            let value = fill_value(format, 7, index);
            assert!((0.125..2.0).contains(&value.abs()), "{format:?} {value}");
            negative += u32::from(value < 0.0);
        }
        assert!((1800..2300).contains(&negative), "{format:?} {negative}");
    }
}

#[test]
fn the_value_of_a_number_is_that_of_its_bits() {
    for (format, mantissa_bits, bias, width) in [
        (FloatFormat::F16, 10, 15, 16),
        (FloatFormat::Bf16, 7, 127, 16),
        (FloatFormat::E4m3, 3, 7, 8),
    ] {
        for index in 0..512 {
            let bits = u32::from(fill_bits(format, 11, index));
            let mantissa = f64::from(bits & ((1 << mantissa_bits) - 1));
            let exponent = bits >> mantissa_bits & ((1 << (width - 1 - mantissa_bits)) - 1);
            let size = (1.0 + mantissa / f64::from(1 << mantissa_bits))
                * 2_f64.powi(exponent.cast_signed() - bias);
            let value = if bits >> (width - 1) == 1 {
                -size
            } else {
                size
            };
            let told = f64::from(fill_value(format, 11, index));
            assert!(
                (told - value).abs() < f64::EPSILON,
                "{format:?} {bits:#x} is {value}, not {told}"
            );
        }
    }
}

#[test]
fn the_gate_answers_with_small_integers_that_grow_with_the_iterations() {
    for architecture in ["70", "75", "80", "86", "89", "90a", "100", "120"] {
        let shape = IsaGateShape::of_architecture(architecture);
        let once = isa_gate_answer(3, 1, shape);
        assert_eq!(once.len(), (shape.rows * shape.columns) as usize);
        assert!(once.iter().all(|c| c.unsigned_abs() <= 4 * shape.depth));
        assert!(once.iter().any(|c| *c != 0));
        let often = isa_gate_answer(3, 1000, shape);
        assert!(once.iter().zip(&often).all(|(one, all)| one * 1000 == *all));
        assert_ne!(once, isa_gate_answer(4, 1, shape));
    }
}
