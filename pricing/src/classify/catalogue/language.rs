//! Models that read and write text.

use super::{FP8, Family, MXFP4, dense};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        names: &["llama-4-scout", "llama4-scout"],
        source: "huggingface.co/meta-llama, ai.meta.com/blog/llama-4-multimodal-intelligence",
        models: &[
            dense(17_000, 108_642, 48, 8, 128, 10_485_760)
                .active(17_000)
                .cached(12),
            dense(0, 108_642, 48, 8, 128, 10_485_760)
                .active(17_000)
                .cached(12)
                .alone(),
        ],
    },
    Family {
        names: &["llama-4-maverick", "llama4-maverick"],
        source: "huggingface.co/meta-llama, ai.meta.com/blog/llama-4-multimodal-intelligence",
        models: &[
            dense(17_000, 401_583, 48, 8, 128, 1_048_576)
                .active(17_000)
                .cached(12),
            dense(0, 401_583, 48, 8, 128, 1_048_576)
                .active(17_000)
                .cached(12)
                .alone(),
        ],
    },
    Family {
        names: &[
            "llama-2",
            "llama2",
            "vicuna",
            "llama-7b",
            "llama-13b",
            "codellama",
        ],
        source: "huggingface.co/meta-llama, arXiv:2307.09288",
        models: &[
            dense(7_000, 6_738, 32, 32, 128, 4_096),
            dense(13_000, 13_016, 40, 40, 128, 4_096),
            dense(34_000, 33_744, 48, 8, 128, 16_384),
            dense(70_000, 68_977, 80, 8, 128, 4_096),
        ],
    },
    Family {
        names: &[
            "llama-3",
            "llama3",
            "meta-llama-3",
            "r1-distill-llama",
            "hermes-3",
            "hermes-4",
        ],
        source: "huggingface.co/meta-llama, arXiv:2407.21783 (table 3)",
        models: &[
            dense(1_000, 1_236, 16, 8, 64, 131_072),
            dense(3_000, 3_213, 28, 8, 128, 131_072),
            dense(8_000, 8_030, 32, 8, 128, 131_072),
            dense(11_000, 10_670, 40, 8, 128, 131_072).cached(32),
            dense(70_000, 70_554, 80, 8, 128, 131_072),
            dense(90_000, 88_594, 100, 8, 128, 131_072).cached(80),
            dense(405_000, 405_853, 126, 8, 128, 131_072),
        ],
    },
    Family {
        names: &["mixtral"],
        source: "huggingface.co/mistralai, arXiv:2401.04088",
        models: &[
            dense(46_480, 46_703, 32, 8, 128, 32_768).active(12_900),
            dense(146_080, 140_621, 56, 8, 128, 65_536).active(39_100),
        ],
    },
    Family {
        names: &["mistral-nemo"],
        source: "huggingface.co/mistralai",
        models: &[dense(0, 12_248, 40, 8, 128, 131_072).alone()],
    },
    Family {
        names: &["mistral-small", "mistral-24b", "devstral", "magistral"],
        source: "huggingface.co/mistralai",
        models: &[dense(0, 23_572, 40, 8, 128, 131_072).alone()],
    },
    Family {
        names: &["pixtral-large"],
        source: "huggingface.co/mistralai/Pixtral-Large-Instruct-2411 (on Mistral Large 2)",
        models: &[dense(0, 124_000, 88, 8, 128, 131_072).alone()],
    },
    Family {
        names: &["mistral-large"],
        source: "huggingface.co/mistralai",
        models: &[dense(0, 122_610, 88, 8, 128, 131_072).alone()],
    },
    Family {
        names: &["mistral"],
        source: "huggingface.co/mistralai, arXiv:2310.06825",
        models: &[
            dense(7_000, 7_248, 32, 8, 128, 32_768),
            dense(0, 7_248, 32, 8, 128, 32_768).alone(),
        ],
    },
    Family {
        names: &["qwen3-next"],
        source: "huggingface.co/Qwen",
        models: &[dense(80_000, 81_325, 48, 2, 256, 262_144)
            .active(3_000)
            .cached(12)],
    },
    Family {
        names: &["qwen3-coder"],
        source: "huggingface.co/Qwen, arXiv:2505.09388",
        models: &[
            dense(30_000, 30_532, 48, 4, 128, 262_144).active(3_300),
            dense(480_000, 480_155, 62, 8, 128, 262_144).active(35_000),
        ],
    },
    Family {
        names: &["qwen3-*"],
        source: "huggingface.co/Qwen, arXiv:2505.09388",
        models: &[
            dense(600, 596, 28, 8, 128, 40_960),
            dense(1_700, 1_721, 28, 8, 128, 40_960),
            dense(4_000, 4_022, 36, 8, 128, 40_960),
            dense(8_000, 8_191, 36, 8, 128, 40_960),
            dense(14_000, 14_768, 40, 8, 128, 40_960),
            dense(30_000, 30_532, 48, 4, 128, 40_960).active(3_300),
            dense(32_000, 32_762, 64, 8, 128, 40_960),
            dense(235_000, 235_094, 94, 4, 128, 40_960).active(22_000),
        ],
    },
    Family {
        names: &["qwen2", "qwen-2", "r1-distill-qwen", "qwq"],
        source: "huggingface.co/Qwen, arXiv:2412.15115 (table 1)",
        models: &[
            dense(500, 494, 24, 2, 64, 32_768),
            dense(1_500, 1_544, 28, 2, 128, 32_768),
            dense(3_000, 3_086, 36, 2, 128, 32_768),
            dense(7_000, 7_616, 28, 4, 128, 131_072),
            dense(14_000, 14_770, 48, 8, 128, 131_072),
            dense(32_000, 32_764, 64, 8, 128, 131_072),
            dense(72_000, 72_706, 80, 8, 128, 131_072),
        ],
    },
    Family {
        names: &["codegemma"],
        source: "huggingface.co/google, arXiv:2403.08295",
        models: &[
            dense(2_000, 2_506, 18, 1, 256, 8_192),
            dense(7_000, 8_538, 28, 16, 256, 8_192),
        ],
    },
    Family {
        names: &["gemma-2-*", "gemma2"],
        source: "huggingface.co/google, arXiv:2408.00118 (table 1)",
        models: &[
            dense(2_000, 2_614, 26, 4, 256, 8_192).cached(13),
            dense(9_000, 9_242, 42, 8, 256, 8_192).cached(21),
            dense(27_000, 27_227, 46, 16, 128, 8_192).cached(23),
        ],
    },
    Family {
        names: &["gemma-3", "gemma3"],
        source: "huggingface.co/google, arXiv:2503.19786",
        models: &[
            dense(1_000, 1_000, 26, 1, 256, 32_768).cached(4),
            dense(4_000, 4_300, 34, 4, 256, 131_072).cached(5),
            dense(12_000, 12_187, 48, 8, 256, 131_072).cached(8),
            dense(27_000, 27_432, 62, 16, 128, 131_072).cached(10),
        ],
    },
    Family {
        names: &["gemma"],
        source: "huggingface.co/google, arXiv:2403.08295 (table 1)",
        models: &[
            dense(2_000, 2_506, 18, 1, 256, 8_192),
            dense(7_000, 8_538, 28, 16, 256, 8_192),
        ],
    },
    Family {
        names: &["deepseek-v2-lite", "deepseek-coder-v2-lite"],
        source: "huggingface.co/deepseek-ai, arXiv:2405.04434",
        models: &[dense(0, 15_706, 27, 1, 288, 32_768).active(2_400).alone()],
    },
    Family {
        names: &["deepseek-v2", "deepseek-coder-v2"],
        source: "huggingface.co/deepseek-ai, arXiv:2405.04434",
        models: &[dense(0, 235_741, 60, 1, 288, 131_072)
            .active(21_000)
            .alone()],
    },
    Family {
        names: &["deepseek-v3", "deepseek-r1"],
        source: "huggingface.co/deepseek-ai, arXiv:2412.19437",
        models: &[dense(0, 671_026, 61, 1, 288, 131_072)
            .active(37_000)
            .bits(FP8)
            .alone()],
    },
    Family {
        names: &["kimi-k2"],
        source: "huggingface.co/moonshotai, arXiv:2507.20534",
        models: &[dense(0, 1_026_000, 61, 1, 288, 131_072)
            .active(32_000)
            .bits(FP8)
            .alone()],
    },
    Family {
        names: &["gpt-oss"],
        source: "huggingface.co/openai, arXiv:2508.10925",
        models: &[
            dense(20_000, 20_915, 24, 8, 64, 131_072)
                .active(3_600)
                .cached(12)
                .bits(MXFP4),
            dense(120_000, 116_829, 36, 8, 64, 131_072)
                .active(5_100)
                .cached(18)
                .bits(MXFP4),
        ],
    },
    Family {
        // GLM-4.5V is GLM-4.5-Air with a small encoder of pictures (arXiv:2507.01006).
        names: &["glm-4.5-air", "glm-4.6-air", "glm-4.5v"],
        source: "huggingface.co/zai-org, arXiv:2508.06471",
        models: &[dense(0, 106_852, 46, 8, 128, 131_072)
            .active(12_000)
            .alone()],
    },
    Family {
        names: &["glm-4.5", "glm-4.6"],
        source: "huggingface.co/zai-org, arXiv:2508.06471",
        models: &[dense(0, 355_000, 92, 8, 128, 131_072)
            .active(32_000)
            .alone()],
    },
    Family {
        names: &["phi-2"],
        source: "huggingface.co/microsoft",
        models: &[dense(0, 2_780, 32, 32, 80, 2_048).alone()],
    },
    Family {
        names: &["phi-3-mini", "phi-3.5-mini", "phi-4-mini"],
        source: "huggingface.co/microsoft, arXiv:2404.14219",
        models: &[dense(0, 3_821, 32, 32, 96, 131_072).alone()],
    },
    Family {
        names: &["phi-3-medium", "phi-4"],
        source: "huggingface.co/microsoft, arXiv:2412.08905",
        models: &[dense(0, 14_660, 40, 10, 128, 16_384).alone()],
    },
    Family {
        names: &["falcon"],
        source: "huggingface.co/tiiuae, arXiv:2311.16867",
        models: &[
            dense(7_000, 7_217, 32, 1, 64, 2_048),
            dense(40_000, 41_841, 60, 8, 64, 2_048),
            dense(180_000, 179_522, 80, 8, 64, 2_048),
        ],
    },
    Family {
        names: &["yi-*", "yi1.5"],
        source: "huggingface.co/01-ai, arXiv:2403.04652",
        models: &[
            dense(6_000, 6_061, 32, 4, 128, 4_096),
            dense(9_000, 8_829, 48, 4, 128, 4_096),
            dense(34_000, 34_389, 60, 8, 128, 4_096),
        ],
    },
    Family {
        names: &["command-r-plus", "command-r+"],
        source: "huggingface.co/CohereLabs",
        models: &[dense(0, 103_811, 64, 8, 128, 131_072).alone()],
    },
    Family {
        names: &["command-r7b"],
        source: "huggingface.co/CohereLabs/c4ai-command-r7b-12-2024",
        models: &[dense(0, 8_028, 32, 8, 128, 131_072).cached(8).alone()],
    },
    Family {
        names: &["command-r"],
        source: "huggingface.co/CohereLabs",
        models: &[dense(0, 34_981, 40, 64, 128, 131_072).alone()],
    },
    Family {
        names: &["dbrx"],
        source: "huggingface.co/databricks",
        models: &[dense(0, 131_597, 40, 8, 128, 32_768).active(36_000).alone()],
    },
    Family {
        names: &["grok-1"],
        source: "huggingface.co/xai-org",
        models: &[dense(0, 314_000, 64, 8, 128, 8_192).active(86_000).alone()],
    },
    Family {
        names: &["gpt2-xl", "gpt-2-xl"],
        source: "huggingface.co/openai-community",
        models: &[dense(0, 1_558, 48, 25, 64, 1_024).alone()],
    },
    Family {
        names: &["gpt2-large", "gpt-2-large"],
        source: "huggingface.co/openai-community",
        models: &[dense(0, 774, 36, 20, 64, 1_024).alone()],
    },
    Family {
        names: &["gpt2", "gpt-2"],
        source: "huggingface.co/openai-community",
        models: &[dense(0, 124, 12, 12, 64, 1_024).alone()],
    },
    Family {
        names: &["zephyr-7b"],
        source: "huggingface.co/HuggingFaceH4, arXiv:2310.16944",
        models: &[dense(7_000, 7_242, 32, 8, 128, 32_768)],
    },
];
