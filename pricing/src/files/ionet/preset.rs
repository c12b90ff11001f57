//! The servers that recipes name, as `iocloud/products/presets.py` starts them.

/// A server and how it is started.
pub(super) struct Preset {
    name: &'static str,
    pub(super) image: &'static str,
    pub(super) port: u16,
    pub(super) readiness_path: &'static str,
    start: &'static [&'static str],
    model_flag: &'static str,
    /// The flag for the number of GPUs that share the model, where there is one.
    parallel_flag: Option<&'static str>,
}

const PRESETS: [Preset; 4] = [
    Preset {
        name: "vllm",
        image: "vllm/vllm-openai:latest",
        port: 8_000,
        readiness_path: "/v1/models",
        start: &["python3", "-m", "vllm.entrypoints.openai.api_server"],
        model_flag: "--model",
        parallel_flag: Some("--tensor-parallel-size"),
    },
    Preset {
        name: "sglang",
        image: "lmsysorg/sglang:latest",
        port: 30_000,
        readiness_path: "/health",
        start: &["python3", "-m", "sglang.launch_server"],
        model_flag: "--model-path",
        parallel_flag: Some("--tp-size"),
    },
    Preset {
        name: "llamacpp",
        image: "ghcr.io/ggml-org/llama.cpp:server-cuda",
        port: 8_080,
        readiness_path: "/health",
        start: &["/app/llama-server"],
        model_flag: "-hf",
        parallel_flag: None,
    },
    Preset {
        name: "sglang-diffusion",
        image: "lmsysorg/sglang:latest",
        port: 30_010,
        readiness_path: "/health",
        start: &["sglang", "serve"],
        model_flag: "--model-path",
        parallel_flag: None,
    },
];

/// The names of all presets.
pub(super) fn names() -> [&'static str; 4] {
    PRESETS.map(|preset| preset.name)
}

/// The preset of this name.
pub(super) fn named(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The command line for a model on so many GPUs.
    pub(super) fn command(&self, model: &str, gpus: u16, flags: Vec<String>) -> Vec<String> {
        let mut line: Vec<String> = self.start.iter().map(|s| (*s).to_owned()).collect();
        line.extend([self.model_flag.to_owned(), model.to_owned()]);
        line.extend(["--host", "0.0.0.0", "--port"].map(str::to_owned));
        line.push(self.port.to_string());
        if let Some(flag) = self.parallel_flag {
            line.extend([flag.to_owned(), gpus.to_string()]);
        }
        line.extend(flags);
        line
    }
}
