//! Models of sound, pictures, video and vectors, whose memory is their weights and a little more.

use super::{Family, Model};

/// A family of one member that caches nothing.
const fn one(
    names: &'static [&'static str],
    source: &'static str,
    models: &'static [Model],
) -> Family {
    Family {
        names,
        source,
        models,
    }
}

const WHISPER: &str = "huggingface.co/openai, arXiv:2212.04356 (table 1)";
const STABILITY: &str = "huggingface.co/stabilityai, arXiv:2307.01952";
const BERT: &str = "huggingface.co/google-bert, arXiv:1810.04805";
const WAN: &str = "huggingface.co/Wan-AI, arXiv:2503.20314";

pub(super) const FAMILIES: &[Family] = &[
    one(&["whisper-tiny"], WHISPER, &[Model::without_cache(39, 4)]),
    one(&["whisper-base"], WHISPER, &[Model::without_cache(74, 6)]),
    one(
        &["whisper-small"],
        WHISPER,
        &[Model::without_cache(244, 12)],
    ),
    one(
        &["whisper-medium"],
        WHISPER,
        &[Model::without_cache(769, 24)],
    ),
    one(
        &["whisper-large", "whisper*"],
        WHISPER,
        &[Model::without_cache(1_550, 32)],
    ),
    one(
        &["stable-diffusion-xl", "sdxl"],
        STABILITY,
        &[Model::without_cache(3_500, 70)],
    ),
    one(
        &["stable-diffusion-3", "sd3"],
        STABILITY,
        &[Model::without_cache(8_100, 38)],
    ),
    one(
        &["stable-diffusion", "stable_diffusion", "sd-v1"],
        "huggingface.co/CompVis, arXiv:2112.10752",
        &[Model::without_cache(1_068, 25)],
    ),
    one(
        &["flux.1", "flux1"],
        "huggingface.co/black-forest-labs",
        &[Model::without_cache(16_900, 57)],
    ),
    one(&["wan2.1"], WAN, &[Model::without_cache(14_300, 40)]),
    one(&["wan2.2"], WAN, &[Model::without_cache(27_000, 40)]),
    one(
        &["hunyuanvideo"],
        "huggingface.co/tencent, arXiv:2412.03603",
        &[Model::without_cache(13_000, 60)],
    ),
    one(
        &["clip-vit-large", "clip-vit-l"],
        "huggingface.co/openai, arXiv:2103.00020",
        &[Model::without_cache(428, 24)],
    ),
    one(
        &["clip-vit-base", "clip-vit-b"],
        "huggingface.co/openai, arXiv:2103.00020",
        &[Model::without_cache(151, 12)],
    ),
    one(
        &["vit-base"],
        "huggingface.co/google, arXiv:2010.11929",
        &[Model::without_cache(86, 12)],
    ),
    one(
        &["vit-large"],
        "huggingface.co/google, arXiv:2010.11929",
        &[Model::without_cache(304, 24)],
    ),
    one(
        &["distilbert"],
        "huggingface.co/distilbert, arXiv:1910.01108",
        &[Model::without_cache(66, 6)],
    ),
    one(&["bert-large"], BERT, &[Model::without_cache(340, 24)]),
    one(
        &["bert-base", "bert-tiny"],
        BERT,
        &[Model::without_cache(110, 12)],
    ),
    one(
        &["xlm-roberta-large", "bge-m3"],
        "huggingface.co/FacebookAI, arXiv:1911.02116",
        &[Model::without_cache(560, 24)],
    ),
    one(
        &["roberta-large"],
        "huggingface.co/FacebookAI, arXiv:1907.11692",
        &[Model::without_cache(355, 24)],
    ),
    one(
        &["roberta-base"],
        "huggingface.co/FacebookAI, arXiv:1907.11692",
        &[Model::without_cache(125, 12)],
    ),
    one(
        &["bge-large", "gte-large", "e5-large"],
        "huggingface.co/BAAI, arXiv:2309.07597",
        &[Model::without_cache(335, 24)],
    ),
    one(
        &["bge-base", "gte-base", "e5-base"],
        "huggingface.co/BAAI, arXiv:2309.07597",
        &[Model::without_cache(109, 12)],
    ),
    one(
        &["all-minilm"],
        "huggingface.co/sentence-transformers",
        &[Model::without_cache(23, 6)],
    ),
    one(
        &["resnet*"],
        "pytorch.org/vision, arXiv:1512.03385",
        &[Model::without_cache(26, 50)],
    ),
    one(
        &["sam3*"],
        "huggingface.co/facebook",
        &[Model::without_cache(850, 32)],
    ),
    one(
        &["segment-anything", "sam-vit-huge"],
        "huggingface.co/facebook, arXiv:2304.02643",
        &[Model::without_cache(636, 32)],
    ),
];
