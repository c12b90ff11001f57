//! Simulated agents against the broker's own side of their protocol: bind, work, publish, report;
//! fenced, silent, crashed and moved ones.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;
mod probing;

use std::time::Duration;

use common::{CAAS, PUBLIC_KEY, START_US, Table, VMAAS, deploy_body};
use gpu_probe::protocol::{
    BIND_PATH, CHECKPOINTS_PATH, CheckpointStore, Directive, HEARTBEATS_PATH, PROBES_PATH, Problem,
    RESULTS_PATH, ResultReport, SpotOrder,
};
use gpu_probe::session::{Grants, LeaseTerms, Outcome, Session};
use probing::Prober;
use serde::Serialize;
use serde_json::{Value, json};
use tandem_adapters::wire::Method;
use tandem_model::id::JobId;
use tandem_model::placement::Epoch;
use tandem_model::workload::WorkloadKind;
use tandem_sandbox::world::{AgentCall, AgentReply, SshReply, WorldOptions};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A broker of one job on a table with a world.
struct Desk {
    table: Table,
    session: Session,
    job: JobId,
    kind: WorkloadKind,
    calls: usize,
    /// Orders a probe with every binding, where there is one.
    prober: Option<Prober>,
    reports: Vec<ResultReport>,
}

fn answer<T: Serialize>(reply: Result<T, Problem>) -> AgentReply {
    let (status, body) = match reply {
        Ok(reply) => (200, serde_json::to_vec(&reply).unwrap()),
        Err(problem) => (
            Problem::FENCED_STATUS,
            serde_json::to_vec(&problem).unwrap(),
        ),
    };
    AgentReply::Answered { status, body }
}

impl Desk {
    fn new(kind: WorkloadKind) -> Self {
        let job = JobId::from_parts(1, &[7; 10]);
        let mut session = Session::new(job, kind, LeaseTerms::default());
        session.raise_epoch(Epoch(1), 1).unwrap();
        Self {
            table: Table::new(WorldOptions::default()),
            session,
            job,
            kind,
            calls: 0,
            prober: None,
            reports: Vec::new(),
        }
    }

    fn env(&self, epoch: u32) -> Value {
        let kind = match self.kind {
            WorkloadKind::Job => "job",
            WorkloadKind::Service => "service",
        };
        json!({
            "TANDEM_BROKER_URL": "http://broker", "TANDEM_JOB_ID": self.job.to_string(),
            "TANDEM_EPOCH": epoch.to_string(), "TANDEM_RANK": "0", "TANDEM_KIND": kind,
            "TANDEM_AGENT_TOKEN": "token", "TANDEM_CHECKPOINT_INTERVAL_SECONDS": "10",
            "TANDEM_SIM_STEPS": "60",
        })
    }

    fn place(&mut self, epoch: u32) -> String {
        let mut body = deploy_body(&format!("job-e{epoch}"));
        body["container_config"]["env_variables"] = self.env(epoch);
        self.table.deploy(&body)
    }

    fn serve(&mut self, call: &AgentCall) -> AgentReply {
        self.calls += 1;
        assert_eq!(
            (call.token.as_str(), call.broker_url.as_str()),
            ("token", "http://broker")
        );
        let now = self.table.now().world;
        let store = CheckpointStore {
            url: "file:///nowhere".to_owned(),
            endpoint: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            allow_http: false,
        };
        let grants = Grants {
            checkpoint_store: Some(store),
            ..Grants::default()
        };
        match call.path.as_str() {
            BIND_PATH => {
                let body = serde_json::from_slice(&call.body).unwrap();
                let mut bound = self.session.bind(&body, &grants, now);
                if let Ok(terms) = &mut bound {
                    let at_start = self.prober.as_ref().filter(|p| p.moment.is_none());
                    terms.probe = at_start.map(|prober| prober.kind);
                }
                answer(bound)
            }
            PROBES_PATH => {
                let now_ms = u64::try_from(now.micros() / 1_000).unwrap();
                let prober = self.prober.as_mut().expect("no probe was ordered");
                prober.answer(&call.body, now_ms)
            }
            HEARTBEATS_PATH => {
                let body = serde_json::from_slice(&call.body).unwrap();
                let mut reply = self.session.heartbeat(&body, now);
                let moment = self.prober.as_ref().and_then(|prober| prober.moment);
                reply.spot_probe = moment.map(|moment| SpotOrder {
                    moment,
                    in_ms: 3_000,
                });
                answer(Ok(reply))
            }
            CHECKPOINTS_PATH => answer(
                self.session
                    .checkpoint(&serde_json::from_slice(&call.body).unwrap(), now),
            ),
            RESULTS_PATH => {
                let report: ResultReport = serde_json::from_slice(&call.body).unwrap();
                self.reports.push(report.clone());
                answer(self.session.result(&report, now))
            }
            other => panic!("no such path {other}"),
        }
    }

    /// Lets seconds pass, carrying calls after each.
    fn pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            let mut effects = self.table.pass(1);
            while !effects.agent_calls.is_empty() {
                for call in std::mem::take(&mut effects.agent_calls) {
                    let reply = self.serve(&call);
                    let now = self.table.now();
                    self.table.world.agent_reply(call.id, reply, now);
                }
                effects = self.table.world.advance(self.table.now());
            }
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.session.outcome(), Some(Outcome::Succeeded(_)))
    }

    fn units(&mut self) -> Vec<Value> {
        let truth = self.table.truth();
        let deployments = truth["deployments"].as_array().unwrap().clone();
        deployments
            .iter()
            .flat_map(|d| d["units"].as_array().unwrap().clone())
            .collect()
    }
}

/// The work that the agent claims is what its unit ran, to the millisecond it is told in; what is
/// proved differs by no more than messages were under way.
fn assert_claims_the_truth(desk: &mut Desk) {
    let unit = desk.units().remove(0);
    let ran_us = unit["gpu_microseconds"].as_u64().unwrap() / unit["gpu_count"].as_u64().unwrap();
    let claimed = desk.session.bound(0).unwrap().worked;
    let proved = desk.session.proved();
    let ran = Duration::from_micros(ran_us);
    assert!(ran.abs_diff(claimed) <= MILLISECOND, "{claimed:?} {ran:?}");
    assert!(
        claimed.abs_diff(proved) <= 5 * MILLISECOND,
        "{proved:?} {ran:?}"
    );
}

#[test]
fn a_job_binds_works_publishes_and_reports_its_result() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.place(1);
    desk.pass(90);
    assert!(desk.is_done(), "{:?}", desk.session.outcome());
    assert_eq!(desk.session.pointer().map(|p| p.step), Some(60));
    let unit = desk.units().remove(0);
    assert_eq!(
        (&unit["steps"], &unit["state"]),
        (&json!(60), &json!("exited(0)"))
    );
    let ran = unit["gpu_seconds"].as_u64().unwrap();
    assert!((60..=62).contains(&ran), "{ran}");
    assert_claims_the_truth(&mut desk);
}

#[test]
fn a_job_on_a_machine_starts_with_the_script_and_only_once() {
    let mut desk = Desk::new(WorkloadKind::Job);
    let body = json!({
        "resource_private_name": "box", "hardware_id": 203, "duration_hours": 1, "gpus_per_vm": 8,
        "ssh_keys": {"me": PUBLIC_KEY},
    });
    let (_, made) = desk
        .table
        .ionet(Method::Post, &format!("{VMAAS}/deploy"), Some(&body));
    let id = made["deployment_id"].as_str().unwrap().to_owned();
    desk.pass(6);
    let vms = desk.table.get(&format!("{VMAAS}/deployment/{id}/vms"));
    let vm = vms["workers"][0]["vm_id"].as_str().unwrap().to_owned();
    assert!(desk.table.world.ssh_accepts(&vm, PUBLIC_KEY));
    assert!(
        !desk
            .table
            .world
            .ssh_accepts(&vm, "ssh-ed25519 AAAAother me")
    );
    let env = desk.env(1);
    let exports: String = env
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("export {name}='{}'\n", value.as_str().unwrap()))
        .collect();
    for said in ["tandem: started\n", "tandem: already started\n"] {
        let now = desk.table.now();
        let reply = desk
            .table
            .world
            .ssh(&vm, &format!("{{\n{exports}run\n}}\n"), now);
        assert_eq!(
            reply,
            SshReply::Done {
                exit: 0,
                stdout: said.to_owned()
            }
        );
    }
    desk.pass(90);
    assert!(desk.is_done());
}

#[test]
fn a_crashed_job_is_restored_by_the_next_epoch_from_its_checkpoint() {
    let mut desk = Desk::new(WorkloadKind::Job);
    let id = desk.place(1);
    desk.pass(40);
    let kept = desk.session.pointer().unwrap().step;
    desk.table
        .fault(&json!({"network": "ionet", "scope": "node", "kind": "crash", "target": id}));
    desk.pass(40);
    desk.session.revoke();
    desk.session.fence(false, desk.table.now().world).unwrap();
    desk.session.raise_epoch(Epoch(2), 1).unwrap();
    desk.place(2);
    desk.pass(80);
    assert!(desk.is_done());
    let units = desk.units();
    let second = units[1]["gpu_seconds"].as_u64().unwrap();
    assert!(second <= 62 - kept, "{second} s after step {kept}");
}

#[test]
fn a_silent_agent_works_on_and_a_higher_epoch_ends_it_when_it_is_heard_again() {
    let mut desk = Desk::new(WorkloadKind::Service);
    let id = desk.place(1);
    desk.pass(20);
    desk.table
        .fault(&json!({"network": "ionet", "scope": "node", "kind": "silent", "target": id}));
    let heard = desk.calls;
    desk.pass(60);
    assert_eq!(desk.calls, heard);
    assert_eq!(desk.units()[0]["state"], "running");
    desk.session.revoke();
    desk.session.fence(false, desk.table.now().world).unwrap();
    desk.session.raise_epoch(Epoch(2), 1).unwrap();
    desk.place(2);
    desk.pass(20);
    desk.table.control(Method::Delete, "/faults", None);
    desk.pass(20);
    let units = desk.units();
    assert_eq!(units[0]["state"], "exited(75)", "the zombie ended");
    assert_eq!(units[1]["state"], "running");
    assert!(desk.session.holds_lease(desk.table.now().world));
}

#[test]
fn a_slow_node_takes_four_times_as_long() {
    let mut desk = Desk::new(WorkloadKind::Job);
    let id = desk.place(1);
    desk.pass(10);
    desk.table
        .fault(&json!({"network": "ionet", "scope": "node", "kind": "slow", "target": id}));
    desk.pass(100);
    assert!(!desk.is_done());
    desk.pass(160);
    assert!(desk.is_done());
    assert_claims_the_truth(&mut desk);
}

#[test]
fn a_job_that_is_directed_to_move_publishes_its_last_step_and_goes_on_from_it() {
    let mut desk = Desk::new(WorkloadKind::Job);
    desk.place(1);
    desk.pass(30);
    desk.session.direct(Directive::CheckpointAndStop);
    desk.pass(10);
    let left = desk.units().remove(0);
    let step = left["steps"].as_u64().unwrap();
    assert_eq!(desk.session.pointer().map(|p| p.step), Some(step));
    assert_eq!(desk.session.outcome(), None);
    assert_claims_the_truth(&mut desk);
    desk.session.fence(false, desk.table.now().world).unwrap();
    desk.session.raise_epoch(Epoch(2), 1).unwrap();
    desk.place(2);
    desk.pass(80);
    assert!(desk.is_done());
    let again = desk.units()[1]["gpu_seconds"].as_u64().unwrap();
    assert!(again <= 62 - step, "{again} s after step {step}");
}

#[test]
fn a_moved_container_of_the_same_epoch_is_refused() {
    let mut desk = Desk::new(WorkloadKind::Job);
    let id = desk.place(1);
    desk.pass(20);
    desk.table
        .fault(&json!({"network": "ionet", "scope": "node", "kind": "reallocate", "target": id}));
    desk.pass(20);
    let units = desk.units();
    assert_eq!(units[0]["state"], "stopped");
    assert_eq!(units[1]["state"], "exited(75)");
    assert_eq!(units[1]["ran_us"], json!([]), "nothing ran twice");
}

#[test]
fn an_agent_without_a_job_says_what_is_missing() {
    let mut table = Table::new(WorldOptions::default());
    let mut body = deploy_body("odd");
    body["container_config"]["env_variables"] = json!({"TANDEM_BROKER_URL": "http://broker"});
    let id = table.deploy(&body);
    table.pass(10);
    let container = table.workers(&id)[0].clone();
    assert_eq!(container["status"], "exited");
    let path = format!(
        "{CAAS}/deployment/{id}/log/{}",
        container["container_id"].as_str().unwrap()
    );
    let mut request = common::request(Method::Get, &path, None);
    request
        .headers
        .push(("x-api-key".to_owned(), "sandbox".to_owned()));
    let log = table.world.handle(&request, table.now()).unwrap().body;
    assert!(String::from_utf8(log).unwrap().contains("TANDEM_JOB_ID"));
}

#[test]
fn calls_of_agents_are_the_same_for_the_same_seed() {
    let run = || {
        let mut desk = Desk::new(WorkloadKind::Job);
        desk.place(1);
        desk.pass(90);
        (
            desk.calls,
            desk.table.truth().to_string(),
            desk.table.now_us - START_US,
        )
    };
    assert_eq!(run(), run());
    assert_eq!(
        Duration::from_micros(run().2.unsigned_abs()),
        Duration::from_secs(90)
    );
}
