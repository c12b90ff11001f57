//! The header: which column holds what. Order is free, other columns are left alone.

/// Most columns of a file.
const COLUMNS_MAX: usize = 64;

/// What a column may hold, as far as it tells a shifted row from a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word without a comma.
    Word,
    /// A decimal number or nothing.
    Number,
    /// A word, or a dictionary in braces.
    Info,
    /// A region's name, or `City, CC, Continent`.
    Region,
    /// Anything.
    Free,
}

/// Columns by place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    kinds: Vec<Kind>,
    /// Machine type; its value is empty for an accelerator that is priced apart.
    pub(super) instance: usize,
    /// Accelerator.
    pub(super) gpu_name: usize,
    /// Accelerators of the machine.
    pub(super) gpu_count: usize,
    /// On-demand price of the machine per hour.
    pub(super) price: usize,
    /// Spot price of the machine per hour.
    pub(super) spot: Option<usize>,
    /// Region.
    pub(super) region: usize,
    /// Zone.
    pub(super) zone: Option<usize>,
    /// Dictionary with the memory.
    pub(super) info: Option<usize>,
}

fn kind(name: &str) -> Kind {
    match name {
        "InstanceType" | "AcceleratorName" | "AvailabilityZone" => Kind::Word,
        "AcceleratorCount" | "vCPUs" | "MemoryGiB" | "Price" | "SpotPrice" => Kind::Number,
        "GpuInfo" => Kind::Info,
        "Region" => Kind::Region,
        _ => Kind::Free,
    }
}

impl Columns {
    /// Reads the header, or says what is wrong with it.
    pub(super) fn read(header: &csv::StringRecord) -> Result<Self, String> {
        if header.len() > COLUMNS_MAX {
            return Err(format!("more than {COLUMNS_MAX} columns"));
        }
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        if let Some((at, twice)) = names
            .iter()
            .enumerate()
            .find(|(at, name)| names[..*at].contains(name))
        {
            let column = at + 1;
            return Err(format!("column `{twice}` stands twice, again as {column}"));
        }
        let find = |wanted: &str| names.iter().position(|name| *name == wanted);
        let need = |wanted: &str| {
            find(wanted).ok_or_else(|| {
                let shown: Vec<_> = names.iter().take(12).copied().collect();
                format!(
                    "column `{wanted}` is missing; there are: {}",
                    shown.join(", ")
                )
            })
        };
        Ok(Self {
            kinds: names.iter().map(|name| kind(name)).collect(),
            gpu_name: need("AcceleratorName")?,
            gpu_count: need("AcceleratorCount")?,
            price: need("Price")?,
            spot: find("SpotPrice"),
            region: need("Region")?,
            instance: need("InstanceType")?,
            zone: find("AvailabilityZone"),
            info: find("GpuInfo"),
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }

    /// What each may hold.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}
