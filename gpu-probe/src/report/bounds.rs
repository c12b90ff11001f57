//! Limits of a report, and reading one that may be hostile: size, depth, lengths, counts.

use super::{DeviceReport, FORMAT_VERSION, Health, Load, Outcome, Report, SignedReport, Timing};

/// Most bytes of a signed report.
pub const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Deepest nesting of arrays and objects; a report needs 11.
pub const DEPTH_MAX: usize = 16;
/// Most devices of a machine.
pub const DEVICES_MAX: usize = 16;
/// Most samples in one list.
pub const SAMPLES_MAX: usize = 4_096;
/// Most SMs of a device.
pub const SMS_MAX: usize = 1_024;
/// Most cells of a latency map.
pub const LATENCY_CELLS_MAX: usize = 65_536;
/// Longest text, in bytes; a reason included.
pub const TEXT_LEN_MAX: usize = 512;

/// A document from outside is not what it must be; all of it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatRefused {
    /// Longer than allowed.
    #[error("{bytes} bytes, at most {max} are read: send fewer samples")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The most that is read.
        max: usize,
    },
    /// Nested too deep.
    #[error("nested deeper than {DEPTH_MAX} levels: that is no document of this format")]
    TooDeep,
    /// Not JSON of this format.
    #[error("not a document of this format: {0}")]
    Json(String),
    /// A value outside its limits.
    #[error("`{field}` is refused: {reason}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Refuses text that is longer than `bytes_max` or deeper than [`DEPTH_MAX`], before it is parsed.
///
/// # Errors
/// [`FormatRefused::TooLarge`] and [`FormatRefused::TooDeep`].
pub fn check_size_and_depth(text: &[u8], bytes_max: usize) -> Result<(), FormatRefused> {
    if text.len() > bytes_max {
        return Err(FormatRefused::TooLarge {
            bytes: text.len(),
            max: bytes_max,
        });
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(FormatRefused::TooDeep);
        }
    }
    Ok(())
}

impl SignedReport {
    /// Reads a signed report; the signature is not checked here.
    ///
    /// # Errors
    /// Anything out of the limits of this module, unknown members, another version.
    pub fn parse(text: &[u8]) -> Result<Self, FormatRefused> {
        check_size_and_depth(text, REPORT_BYTES_MAX)?;
        let signed: Self =
            serde_json::from_slice(text).map_err(|e| FormatRefused::Json(e.to_string()))?;
        signed.report.check()?;
        Ok(signed)
    }
}

/// Collects the first field that is out of its limits.
struct Checker(Result<(), FormatRefused>);

impl Checker {
    fn refuse_if(&mut self, bad: bool, field: &'static str, reason: &'static str) {
        if bad && self.0.is_ok() {
            self.0 = Err(FormatRefused::Field { field, reason });
        }
    }

    fn text(&mut self, field: &'static str, text: &str) {
        self.refuse_if(text.len() > TEXT_LEN_MAX, field, "too long");
        let control = text.chars().any(char::is_control);
        self.refuse_if(control, field, "holds a control character");
    }

    fn texts(&mut self, field: &'static str, texts: &[&Option<String>]) {
        for text in texts.iter().filter_map(|text| text.as_deref()) {
            self.text(field, text);
        }
    }

    fn count(&mut self, field: &'static str, len: usize, max: usize) {
        self.refuse_if(len > max, field, "too many entries");
    }

    fn timing(&mut self, field: &'static str, timing: &Timing) {
        self.count(field, timing.event_ns.len(), SAMPLES_MAX);
        self.count(field, timing.timer_ns.len(), SAMPLES_MAX);
    }

    /// Checks what was measured, or the reason why nothing was.
    fn outcome<'a, T>(&mut self, field: &'static str, outcome: &'a Outcome<T>) -> Option<&'a T> {
        if let Some(reason) = outcome.reason() {
            self.text(field, reason);
        }
        outcome.measured()
    }

    fn identity(&mut self, device: &DeviceReport) {
        let id = &device.identity;
        self.text("identity.cuda.name", &id.cuda.name);
        self.text("identity.cuda.pci_bus_id", &id.cuda.pci_bus_id);
        if let Some(n) = &id.nvml {
            self.texts("identity.nvml", &[&n.name, &n.uuid, &n.serial, &n.vbios]);
        }
        if let Some(p) = &id.proc {
            self.texts(
                "identity.proc",
                &[&p.model, &p.uuid, &p.vbios, &p.bus_location],
            );
        }
    }

    fn quick(&mut self, device: &DeviceReport) {
        if let Some(census) = self.outcome("census", &device.census) {
            self.count("census.sms", census.sms.len(), SMS_MAX);
            self.count("census.spans", census.spans.len(), SAMPLES_MAX);
        }
        if let Some(gate) = self.outcome("isa_gate", &device.isa_gate) {
            self.text("isa_gate.kernel", &gate.kernel);
            self.timing("isa_gate.timing", &gate.timing);
        }
        if let Some(b) = self.outcome("bandwidth", &device.bandwidth) {
            for transfer in [&b.copy, &b.read, &b.write] {
                self.timing("bandwidth", &transfer.timing);
            }
        }
        if let Some(curve) = self.outcome("latency", &device.latency) {
            self.count("latency.points", curve.points.len(), 64);
            for point in &curve.points {
                self.count("latency.points", point.cycles.len(), SAMPLES_MAX);
                self.count("latency.points", point.timer_ns.len(), SAMPLES_MAX);
            }
        }
        for (field, rate) in [
            ("fp32", &device.fp32),
            ("tensor_f16", &device.tensor_f16),
            ("tensor_bf16", &device.tensor_bf16),
            ("tensor_fp8", &device.tensor_fp8),
        ] {
            if let Some(rate) = self.outcome(field, rate) {
                self.timing(field, &rate.timing);
            }
        }
        self.outcome("matrix", &device.matrix);
        self.outcome("vram", &device.vram);
        if let Some(p) = self.outcome("pcie", &device.pcie) {
            for transfer in [&p.host_to_device, &p.device_to_host, &p.both] {
                self.timing("pcie", &transfer.timing);
            }
        }
        if let Some(launch) = self.outcome("launch", &device.launch) {
            self.count("launch.host_ns", launch.host_ns.len(), SAMPLES_MAX);
            let replays = launch.graph.as_ref().map_or(0, |g| g.host_ns.len());
            self.count("launch.graph.host_ns", replays, SAMPLES_MAX);
        }
    }

    fn load(&mut self, field: &'static str, load: &Outcome<Load>) {
        if let Some(load) = self.outcome(field, load) {
            self.count(field, load.samples.len(), SAMPLES_MAX);
            let ascends = load.samples.is_sorted_by(|a, b| a.at_ms < b.at_ms);
            self.refuse_if(!ascends, field, "samples do not ascend in time");
        }
    }

    fn health(&mut self, health: &Health) {
        if let Some(patterns) = self.outcome("patterns", &health.patterns) {
            self.count("patterns.passes", patterns.passes.len(), 256);
        }
        if let Some(peers) = self.outcome("peers", &health.peers) {
            self.count("peers", peers.len(), DEVICES_MAX);
            for peer in peers {
                self.timing("peers", &peer.transfer.timing);
            }
        }
        self.load("steady_load", &health.steady_load);
        self.load("pulsed_load", &health.pulsed_load);
        if let Some(gaps) = self.outcome("gaps", &health.gaps) {
            self.count("gaps.gaps_ns", gaps.gaps_ns.len(), SAMPLES_MAX);
        }
        if let Some(map) = self.outcome("latency_map", &health.latency_map) {
            self.count("latency_map.smids", map.smids.len(), SMS_MAX);
            self.count("latency_map.cycles", map.cycles.len(), LATENCY_CELLS_MAX);
            let cells = map.smids.len() as u64 * u64::from(map.regions);
            let whole = cells == map.cycles.len() as u64;
            self.refuse_if(!whole, "latency_map.cycles", "not SMs times regions");
        }
        if let Some(soak) = &health.soak {
            self.load("soak", soak);
        }
    }
}

impl Report {
    /// Refuses a report that is of another version or out of its limits.
    ///
    /// # Errors
    /// The first field that is refused, and why.
    pub fn check(&self) -> Result<(), FormatRefused> {
        let mut checker = Checker(Ok(()));
        let version = self.format_version == FORMAT_VERSION;
        checker.refuse_if(
            !version,
            "format_version",
            "not a version that is read here",
        );
        checker.text("agent_version", &self.agent_version);
        checker.texts("driver.version", &[&self.driver.version]);
        checker.count("devices", self.devices.len(), DEVICES_MAX);
        for device in &self.devices {
            checker.identity(device);
            checker.quick(device);
            if let Some(health) = &device.health {
                checker.health(health);
            }
        }
        checker.0
    }
}
