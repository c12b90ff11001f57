//! Obstacles and plans of small workloads on products like those of the two networks.

use tandem_model::id::JobId;
use tandem_model::launch::{
    AgentMode, ContainerLaunch, LaunchForm, RegistryCredentials, SshLaunch,
};
use tandem_model::network::{Grade, LaunchVia, NetworkId, Payment, Product, RefundRule};
use tandem_model::placement::Epoch;
use tandem_model::secret::Secret;

use super::*;
use crate::files;

/// Like io.net's containers.
pub(super) fn containers() -> Product {
    Product {
        network: NetworkId::from_static("ionet"),
        name: "caas",
        launch: LaunchVia::Container,
        nodes_are_linked: false,
        nodes_max: 8,
        gpus_per_node_max: 8,
        published_ports_max: 1,
        doubles_dollar: true,
        payment: Payment::Balance,
        prepaid_hours_min: 1,
        prepaid_hours_max: 8_760,
        extension_step_hours: 1,
        refund: RefundRule::None,
    }
}

/// Like Aethir's servers.
pub(super) fn machines() -> Product {
    Product {
        network: NetworkId::from_static("aethir"),
        name: "on-demand",
        launch: LaunchVia::Ssh,
        nodes_are_linked: true,
        doubles_dollar: false,
        ..containers()
    }
}

pub(super) fn context() -> LaunchContext {
    LaunchContext {
        broker_url: "https://broker.example".into(),
        job: JobId::from_parts(1_000, &[7; 10]),
        epoch: Epoch(3),
        rank: 0,
        node_ips: None,
        agent: AgentMode::Wrapped,
        agent_url: "https://broker.example/agent".into(),
        agent_sha256: "ab".repeat(32),
        agent_token: Secret::new("tok-secret"),
        image_command: None,
        registry: None,
        code: None,
        grade: Grade::Datacenter,
        time_factor: 1,
    }
}

pub(super) fn workload(text: &str) -> Workload {
    files::read(text)
        .unwrap_or_else(|e| panic!("{e}"))
        .workload
        .unwrap()
}

fn fields(found: &[Obstacle]) -> Vec<&str> {
    found.iter().map(|o| o.field.as_str()).collect()
}

pub(super) fn container(w: &Workload, c: &LaunchContext) -> ContainerLaunch {
    match plan(w, &containers(), c).map(|p| p.form) {
        Ok(LaunchForm::Container(form)) => form,
        other => panic!("{other:?}"),
    }
}

pub(super) fn ssh(w: &Workload, c: &LaunchContext) -> SshLaunch {
    match plan(w, &machines(), c).map(|p| p.form) {
        Ok(LaunchForm::Ssh(form)) => form,
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_nodes_need_a_product_whose_nodes_are_linked() {
    let w = workload("run: torchrun x\nnum_nodes: 2\nresources: {accelerators: A100:8}\n");
    assert_eq!(fields(&obstacles(&w, &containers())), ["resources.nodes"]);
    assert!(obstacles(&w, &machines()).is_empty());
    let found = plan(&w, &machines(), &context()).unwrap_err();
    assert!(found[0].text.contains("not known yet"));
    let known = LaunchContext {
        node_ips: Some(vec!["10.0.0.1".into(), "10.0.0.2".into()]),
        rank: 1,
        ..context()
    };
    let env = ssh(&w, &known).env;
    assert_eq!(env["SKYPILOT_NODE_IPS"], "10.0.0.1\n10.0.0.2");
    assert_eq!(
        (
            env["SKYPILOT_NODE_RANK"].as_str(),
            env["TANDEM_NODES"].as_str()
        ),
        ("1", "2")
    );
    let too_many = workload("run: x\nnum_nodes: 9\n");
    assert_eq!(
        fields(&obstacles(&too_many, &machines())),
        ["resources.nodes"]
    );
}

#[test]
fn what_cannot_start_is_refused_by_name() {
    let bucket = workload("run: x\nfile_mounts: {/data: s3://b, /out: {name: o}}\n");
    let found = obstacles(&bucket, &containers());
    assert_eq!(fields(&found), ["buckets", "buckets"]);
    assert!(found[0].text.contains("s3://b") && found.iter().all(|o| !o.help.is_empty()));
    let docker = workload("run: |\n  sudo docker run -d x\nsetup: echo dockerless\n");
    assert_eq!(fields(&obstacles(&docker, &containers())), ["run"]);
    assert!(obstacles(&docker, &machines()).is_empty());
    let several = workload(
        "tandem: 1\nname: a\nkind: service\nport: 80\nrun: ./x\nresources: {gpu: any}\nreplicas: 3\n",
    );
    for product in [containers(), machines()] {
        assert_eq!(fields(&obstacles(&several, &product)), ["replicas"]);
    }
    let sky = workload("run: ~/sky_templates/ray/start_cluster\n");
    assert_eq!(fields(&obstacles(&sky, &machines())), ["run"]);
}

#[test]
fn secrets_reach_consumer_hosts_only_when_the_customer_says_so() {
    let text = "tandem: 1\nname: a\nrun: x\nsecrets: [HF_TOKEN]\n";
    let consumer = LaunchContext {
        grade: Grade::Consumer,
        ..context()
    };
    assert_eq!(
        fields(&plan(&workload(text), &containers(), &consumer).unwrap_err()),
        ["secrets"]
    );
    let allowed = workload(&format!("{text}secrets_on_consumer: true\n"));
    let form = container(&allowed, &consumer);
    assert!(!form.env.contains_key("HF_TOKEN") && !form.secret_env.contains_key("HF_TOKEN"));
}

#[test]
fn the_token_is_never_among_plain_variables_or_in_a_script() {
    let c = LaunchContext {
        registry: Some(RegistryCredentials {
            username: "u".into(),
            password: Secret::new("pw-secret"),
        }),
        ..context()
    };
    let w = workload(
        "tandem: 1\nname: a\nimage: ghcr.io/a/b:1\nrun: x\ncheckpoints: {interval_seconds: 60}\n",
    );
    let form = container(&w, &c);
    let shown = format!("{:?}{:?}", form.entrypoint, form.env);
    assert!(!shown.contains("tok-secret") && !shown.contains("pw-secret"));
    assert_eq!(form.secret_env["TANDEM_AGENT_TOKEN"].expose(), "tok-secret");
    assert_eq!(form.env["TANDEM_CHECKPOINT_INTERVAL_SECONDS"], "60");
    let form = ssh(&w, &c);
    let shown = format!("{}{:?}", form.script, form.env);
    assert!(!shown.contains("tok-secret") && !shown.contains("pw-secret"));
    assert!(form.script.contains("tandem_image ghcr.io/a/b:1 ghcr.io;"));
    assert_eq!(
        form.secret_env["TANDEM_REGISTRY_PASSWORD"].expose(),
        "pw-secret"
    );
}

#[test]
fn an_image_s_own_command_is_wrapped_only_when_it_is_known() {
    let w = workload("type: service\nimage: a/b:1\nport: 80\n");
    assert_eq!(
        fields(&plan(&w, &containers(), &context()).unwrap_err()),
        ["run"]
    );
    // No broker reads a registry, so it is priced nowhere.
    assert_eq!(fields(&obstacles(&w, &containers())), ["run"]);
    let known = LaunchContext {
        image_command: Some(ImageCommand {
            entrypoint: vec!["serve".into()],
            cmd: vec!["--port".into(), "80".into()],
        }),
        ..context()
    };
    let form = container(&w, &known);
    assert_eq!(&form.entrypoint[4..], ["serve", "--port", "80"]);
    assert_eq!(form.port, 80);
    let bare = LaunchContext {
        agent: AgentMode::None,
        ..context()
    };
    let form = container(&w, &bare);
    assert!(form.entrypoint.is_empty() && form.args.is_empty());
}

#[test]
fn a_job_without_port_shows_the_agent_s_health_and_never_takes_the_workload_s_port() {
    let form = container(&workload("run: x\n"), &context());
    assert_eq!(form.port, HEALTH_PORT);
    let taken = workload(&format!("run: x\nresources: {{ports: {HEALTH_PORT}}}\n"));
    let form = container(&taken, &context());
    assert_eq!(form.port, HEALTH_PORT);
    assert_eq!(
        form.env["TANDEM_HEALTH_PORT"],
        (HEALTH_PORT + 1).to_string()
    );
}

#[test]
fn without_an_agent_nothing_that_needs_it_starts() {
    let bare = LaunchContext {
        agent: AgentMode::None,
        ..context()
    };
    let w =
        workload("tandem: 1\nname: a\nrun: x\nsecrets: [A]\ncheckpoints: {interval_seconds: 60}\n");
    let found = plan(&w, &containers(), &bare).unwrap_err();
    assert_eq!(fields(&found), ["checkpoints", "secrets", "port"]);
    let in_image = LaunchContext {
        agent: AgentMode::Image,
        ..context()
    };
    assert_eq!(
        fields(&plan(&workload("run: x\n"), &machines(), &in_image).unwrap_err()),
        ["image"]
    );
}

#[test]
fn the_plan_of_an_image_on_a_machine_runs_the_agent_inside_the_container() {
    let w = workload(
        "tandem: 1\nname: a\nimage: a/b:1\nrun: x\nresources: {gpu: A100}\nenv: {A: \"x'; touch y\"}\n",
    );
    let script = ssh(&w, &context()).script;
    let last = script
        .lines()
        .rev()
        .find(|l| l.contains("docker run"))
        .unwrap();
    assert!(
        last.contains("--gpus all") && last.contains("--env A "),
        "{last}"
    );
    assert!(
        last.contains("--entrypoint /usr/local/bin/tandem-gpu-probe a/b:1 agent -- sh -c"),
        "{last}"
    );
    assert!(
        !script.contains("touch y"),
        "values travel in the environment only"
    );
}

#[test]
fn arguments_go_to_the_image_s_own_entrypoint_in_place_of_its_own() {
    let text = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a/server, args: [--model, 'x y'], ports: [{containerPort: 80}]}]}\n";
    let w = workload(text);
    let known = LaunchContext {
        agent: AgentMode::Image,
        image_command: Some(ImageCommand {
            entrypoint: vec!["/serve".into()],
            cmd: vec!["--help".into()],
        }),
        ..context()
    };
    let form = container(&w, &known);
    assert_eq!(
        form.entrypoint,
        ["gpu-probe", "agent", "--", "/serve", "--model", "x y"]
    );
    let alone = LaunchContext {
        agent: AgentMode::None,
        ..context()
    };
    let form = container(&w, &alone);
    assert!(form.entrypoint.is_empty());
    assert_eq!(form.args, ["--model", "x y"]);
    match plan(&w, &machines(), &alone).map(|p| p.form) {
        Ok(LaunchForm::Ssh(SshLaunch { script, .. })) => {
            assert!(script.contains("a/server --model 'x y'"), "{script}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nodes_of_a_training_job_find_each_other_as_kubeflow_lets_them() {
    let template = "template: {spec: {containers: [{image: a, command: [torchrun, t.py]}]}}";
    let text = format!(
        "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec: {{nprocPerNode: '8', pytorchReplicaSpecs: {{Master: {{{template}}}, Worker: {{{template}}}}}}}\n"
    );
    let second = LaunchContext {
        rank: 1,
        node_ips: Some(vec!["10.0.0.1".into(), "10.0.0.2".into()]),
        ..context()
    };
    let set = env::plain(&workload(&text), &second);
    for (name, value) in [
        ("RANK", "1"),
        ("WORLD_SIZE", "16"),
        ("MASTER_ADDR", "10.0.0.1"),
        ("PET_NNODES", "2"),
        ("PET_NODE_RANK", "1"),
        ("PET_NPROC_PER_NODE", "8"),
        ("JOB_COMPLETION_INDEX", "1"),
    ] {
        assert_eq!(set[name], value, "{name}");
    }
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a, command: [x]}]}\n";
    let set = env::plain(&workload(pod), &context());
    assert!(!set.contains_key("WORLD_SIZE") && set["JOB_COMPLETION_INDEX"] == "0");
}
