//! Well-known open models: what their memory depends on. Families are found by name, members by
//! the size in the name.
//!
//! Figures are those of the models' published `config.json` and cards on huggingface.co, under the
//! organisation named with each family, and of the reports cited there. Sizes are in millions of
//! parameters; `kv_layers` counts the layers whose cache grows with the whole context, so layers
//! with a sliding window or without attention are left out.

mod language;
mod other;

/// A model's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Model {
    /// Size in the name, in millions; none where the family has one member.
    pub(super) named_millions: Option<u64>,
    /// All parameters, in millions.
    pub(super) params_millions: u64,
    /// Parameters used for one token, in millions; as all, where it is no mixture of experts.
    pub(super) active_millions: u64,
    /// Layers.
    pub(super) layers: u32,
    /// Layers whose cache grows with the context; 0 where nothing is generated.
    pub(super) kv_layers: u32,
    /// Key and value heads of a layer.
    pub(super) kv_heads: u32,
    /// Width of a head. Of latent attention (DeepSeek-V2, arXiv:2405.04434, §2.1), half of what is
    /// cached of a token and layer, for one head.
    pub(super) head_dim: u32,
    /// Longest context in tokens.
    pub(super) context_tokens: u32,
    /// Bits of a weight as published, in tenths.
    pub(super) weight_decibits: u32,
}

/// Models that share a name.
pub(super) struct Family {
    /// Beginnings of the name, in lower case; each ends at the end of a word, or has a star.
    pub(super) names: &'static [&'static str],
    /// Where the figures are published.
    pub(super) source: &'static str,
    pub(super) models: &'static [Model],
}

/// 16-bit weights.
const BF16: u32 = 160;
/// 8-bit floating-point weights with scales of blocks.
const FP8: u32 = 82;
/// MXFP4: 4 bits and a scale of 8 bits for 32 weights (OCP Microscaling Formats 1.0).
const MXFP4: u32 = 43;

/// A dense model whose every layer caches.
const fn dense(
    named_millions: u64,
    params_millions: u64,
    layers: u32,
    kv_heads: u32,
    head_dim: u32,
    context_tokens: u32,
) -> Model {
    Model {
        named_millions: Some(named_millions),
        params_millions,
        active_millions: params_millions,
        layers,
        kv_layers: layers,
        kv_heads,
        head_dim,
        context_tokens,
        weight_decibits: BF16,
    }
}

impl Model {
    /// A mixture of experts.
    const fn active(self, active_millions: u64) -> Self {
        Self {
            active_millions,
            ..self
        }
    }

    /// Fewer layers cache the whole context.
    const fn cached(self, kv_layers: u32) -> Self {
        Self { kv_layers, ..self }
    }

    /// Published in fewer bits.
    const fn bits(self, weight_decibits: u32) -> Self {
        Self {
            weight_decibits,
            ..self
        }
    }

    /// The only member of its family.
    const fn alone(self) -> Self {
        Self {
            named_millions: None,
            ..self
        }
    }

    /// Nothing is generated, so nothing is cached.
    const fn without_cache(params_millions: u64, layers: u32) -> Self {
        Self {
            named_millions: None,
            params_millions,
            active_millions: params_millions,
            layers,
            kv_layers: 0,
            kv_heads: 0,
            head_dim: 0,
            context_tokens: 0,
            weight_decibits: BF16,
        }
    }
}

/// Share by which a size in a name may differ from the member's, in percent.
const NAMED_PERCENT: u64 = 12;

/// Every family, longer names before those that they begin with.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    language::FAMILIES.iter().chain(other::FAMILIES)
}

impl Family {
    /// The member with this size in its name; the only one where the name has no size, or has
    /// that one's. A name with another size is that of a model that is not known here.
    pub(super) fn member(&self, named_millions: Option<u64>) -> Option<&'static Model> {
        let mut only = self.models.iter().filter(|m| m.named_millions.is_none());
        let Some(wanted) = named_millions else {
            return only.next();
        };
        let near = |of: u64| of.abs_diff(wanted) * 100 <= of * NAMED_PERCENT;
        let named = self
            .models
            .iter()
            .filter(|m| m.named_millions.is_some_and(near));
        named
            .min_by_key(|m| m.named_millions.map_or(0, |n| n.abs_diff(wanted)))
            .or_else(|| only.find(|m| near(m.params_millions)))
    }
}

/// The dense language model nearest in size, whose form stands in for an unknown one.
pub(super) fn nearest(params_millions: u64) -> Option<&'static Model> {
    language::FAMILIES
        .iter()
        .flat_map(|f| f.models)
        .filter(|m| m.active_millions == m.params_millions && m.kv_layers == m.layers)
        .min_by_key(|m| m.params_millions.abs_diff(params_millions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_of_a_plausible_size_and_every_family_names_its_source() {
        for family in families() {
            assert!(family.source.len() > 8, "{:?}", family.names);
            assert!(
                family
                    .names
                    .iter()
                    .all(|n| n.to_lowercase() == *n && !n.is_empty())
            );
            for m in family.models {
                let named = m.named_millions.unwrap_or(m.params_millions);
                assert!(m.active_millions <= m.params_millions && m.kv_layers <= m.layers);
                assert!(
                    named.abs_diff(m.params_millions) * 100 <= named * 40
                        || m.active_millions < m.params_millions,
                    "{:?} {named}",
                    family.names
                );
                assert!(m.kv_layers == 0 || (m.head_dim >= 64 && m.kv_heads >= 1));
            }
        }
    }

    #[test]
    fn no_family_is_hidden_by_a_shorter_name_before_it() {
        let all: Vec<_> = families().flat_map(|f| f.names).collect();
        for (i, name) in all.iter().enumerate() {
            let hidden = all[..i]
                .iter()
                .find(|before| name.starts_with(before.trim_end_matches('*')));
            assert_eq!(hidden, None, "{name}");
        }
    }
}
