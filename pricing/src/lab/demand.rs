//! Demand: who asked for how many GPUs of which kind, when and for how long.

use serde::Serialize;
use tandem_model::gpu::GpuModel;
use tandem_model::workload::WorkloadClass;

use super::cards;
use super::csv::{Row, Rows, head};
use super::problem::LabError;

/// Most GPUs of a task.
pub const TASK_GPUS_MAX: u32 = 1_024;
/// Latest second of a history: ten years.
pub const SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// Our own format.
const OWN: &str = "name,arrival_s,duration_s,gpus,gpu,class";
/// The task list of Alibaba's `cluster-trace-gpu-v2023`.
const ALIBABA: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time";

/// Which QoS of that trace stands for which class. LS is latency sensitive and BE best effort (the
/// trace's own README); the other two are ours to choose, and are 1 % of its tasks.
pub const CLASS_OF_QOS: [(&str, WorkloadClass); 4] = [
    ("LS", WorkloadClass::OnlineInference),
    ("BE", WorkloadClass::BatchInference),
    ("Burstable", WorkloadClass::SingleNodeTraining),
    ("Guaranteed", WorkloadClass::Interactive),
];

/// Which cards a task can run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Any.
    Any,
    /// One of these; there is one at least.
    Named(Vec<GpuModel>),
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// When it was asked for, in seconds since the start.
    pub arrival_s: u64,
    /// How long it runs, in seconds.
    pub duration_s: u64,
    /// GPUs; 0 where it asks for none, and then there is nothing to sell.
    pub gpus: u32,
    /// Which cards.
    pub need: Need,
    /// What it is.
    pub class: WorkloadClass,
}

/// Which format a file was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DemandFormat {
    /// Our own.
    Tandem,
    /// Alibaba's trace of 2023.
    AlibabaGpu2023,
}

/// Demand in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The format that it was read from.
    pub format: DemandFormat,
    /// Tasks, by arrival; equal arrivals in the order of the file.
    pub tasks: Vec<Task>,
}

impl Demand {
    /// Reads a file of either format; an empty list of tasks is a demand.
    ///
    /// Fails with the line and column of the first thing that is wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, LabError> {
        let (format, mut tasks) = match head(text) {
            OWN => (DemandFormat::Tandem, own(&Rows::new(name, OWN, text))?),
            ALIBABA => {
                let rows = Rows::new(name, ALIBABA, text);
                (DemandFormat::AlibabaGpu2023, alibaba(&rows)?)
            }
            other => {
                let shown: String = other.chars().take(60).collect();
                let text = format!("the first line must be `{OWN}` or `{ALIBABA}`, not {shown:?}");
                return Err(LabError::new(name, 1, "", text));
            }
        };
        tasks.sort_by_key(|task| task.arrival_s);
        Ok(Self { format, tasks })
    }

    /// The last arrival in seconds; 0 without tasks.
    pub fn last_arrival_s(&self) -> u64 {
        self.tasks.last().map_or(0, |task| task.arrival_s)
    }
}

fn need(row: &Row<'_>, column: &str) -> Result<Need, LabError> {
    let text = row.text(column);
    if text.is_empty() {
        return Ok(Need::Any);
    }
    let mut models = Vec::new();
    for name in text.split('|') {
        let found = cards::sold_as(name);
        if found.is_empty() {
            return Err(row.refuse(column, format!("names a card that is not known: {name:?}")));
        }
        models.extend(found);
    }
    models.sort_unstable();
    models.dedup();
    Ok(Need::Named(models))
}

fn gpus(row: &Row<'_>, column: &str) -> Result<u32, LabError> {
    let gpus = row.number(column, u64::from(TASK_GPUS_MAX))?;
    Ok(u32::try_from(gpus).unwrap_or(TASK_GPUS_MAX))
}

fn own(rows: &Rows<'_>) -> Result<Vec<Task>, LabError> {
    let task = |row: Row<'_>| {
        Ok(Task {
            arrival_s: row.number("arrival_s", SECONDS_MAX)?,
            duration_s: row.number("duration_s", SECONDS_MAX)?,
            gpus: gpus(&row, "gpus")?,
            need: need(&row, "gpu")?,
            class: row.parse("class", "a class of the vocabulary", WorkloadClass::parse)?,
        })
    };
    rows.rows().map(|row| task(row?)).collect()
}

/// A shared GPU counts as a whole one; a task that was never deleted ends with the trace.
fn alibaba(rows: &Rows<'_>) -> Result<Vec<Task>, LabError> {
    let mut tasks = Vec::new();
    let mut open = Vec::new();
    let mut end = 0;
    for row in rows.rows() {
        let row = row?;
        let arrival_s = row.number("creation_time", SECONDS_MAX)?;
        let deleted = row.optional("deletion_time", SECONDS_MAX)?;
        if deleted.is_some_and(|at| at < arrival_s) {
            return Err(row.refuse("deletion_time", "lies before creation_time"));
        }
        end = end.max(deleted.unwrap_or(arrival_s));
        if deleted.is_none() {
            open.push(tasks.len());
        }
        let class = |name: &str| {
            let found = CLASS_OF_QOS.iter().find(|(qos, _)| *qos == name);
            found.map(|(_, class)| *class)
        };
        tasks.push(Task {
            arrival_s,
            duration_s: deleted.unwrap_or(arrival_s) - arrival_s,
            gpus: gpus(&row, "num_gpu")?,
            need: need(&row, "gpu_spec")?,
            class: row.parse("qos", "LS, BE, Burstable or Guaranteed", class)?,
        });
    }
    for index in open {
        let task: &mut Task = &mut tasks[index];
        task.duration_s = end - task.arrival_s;
    }
    Ok(tasks)
}
