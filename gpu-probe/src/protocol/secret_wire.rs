//! The one place where a secret is written to a body and read from one.

/// A map of secrets.
pub(super) mod map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};
    use tandem_model::secret::Secret;

    pub(in crate::protocol) fn serialize<S: Serializer>(
        secrets: &BTreeMap<String, Secret>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_map(secrets.iter().map(|(name, value)| (name, value.expose())))
    }

    pub(in crate::protocol) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<BTreeMap<String, Secret>, D::Error> {
        let plain = BTreeMap::<String, String>::deserialize(d)?;
        Ok(plain
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect())
    }
}

/// A secret that may be missing.
pub(super) mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tandem_model::secret::Secret;

    pub(in crate::protocol) fn serialize<S: Serializer>(
        secret: &Option<Secret>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(s)
    }

    pub(in crate::protocol) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(d)?.map(Secret::new))
    }
}
