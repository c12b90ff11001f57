//! Every field of the dstack configurations and what it means here.

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::Table;

const PLACE: &str =
    "Tandem chooses the network and the place; limit countries in a file of our own form";
const FLEET: &str = "there are no fleets here; capacity is rented for each placement";
const OLD: &str = "deprecated in dstack, and without effect here";
const GUARD: &str = "use `max_duration`";

/// Fields of every run configuration.
pub(super) const COMMON: Table = &[
    ("type", Used),
    ("name", Used),
    ("image", Used),
    ("env", Used),
    ("resources", Used),
    ("working_dir", Used),
    ("repos", Used),
    ("files", Used),
    ("volumes", Used),
    ("spot_policy", Used),
    ("max_price", Used),
    ("max_duration", Used),
    ("privileged", Used),
    ("docker", Used),
    ("retry", Used),
    (
        "registry_auth",
        Refused(
            "credentials do not belong in a file",
            "give registry credentials at submission",
        ),
    ),
    (
        "user",
        Refused(
            "the user inside the container cannot be chosen",
            "set USER in the image",
        ),
    ),
    (
        "entrypoint",
        Refused(
            "the entrypoint starts our agent",
            "put the command under `commands`",
        ),
    ),
    (
        "shell",
        Note("bash runs the commands where the image has it, else sh"),
    ),
    (
        "python",
        Note("the default image brings its own Python; name an `image` for a certain version"),
    ),
    ("nvcc", Note("the default image has the CUDA compiler")),
    ("home_dir", Note(OLD)),
    ("setup", Note(OLD)),
    (
        "single_branch",
        Note("repositories are cloned at one revision"),
    ),
    ("priority", Note("jobs are not ordered by priority")),
    ("tags", Note("tags are not passed to the networks")),
    ("backends", Note(PLACE)),
    ("regions", Note(PLACE)),
    ("availability_zones", Note(PLACE)),
    (
        "instance_types",
        Refused(
            "machine types of other clouds do not exist here",
            "name the GPU under `resources`",
        ),
    ),
    (
        "reservation",
        Refused("reservations of other clouds cannot be used", ""),
    ),
    ("fleets", Note(FLEET)),
    (
        "instances",
        Refused("there are no fleets here", "remove `instances`"),
    ),
    ("creation_policy", Note(FLEET)),
    ("idle_duration", Note(FLEET)),
    ("instance_name", Note(OLD)),
    ("pool_name", Note(OLD)),
    ("retry_policy", Note(OLD)),
    ("termination_policy", Note(OLD)),
    ("termination_idle_time", Note(OLD)),
    (
        "stop_duration",
        Note("a stopped workload is given a fixed time to end"),
    ),
    (
        "utilization_policy",
        Refused("a run is not stopped for an idle GPU", GUARD),
    ),
    (
        "schedule",
        Refused(
            "runs are not started by a timetable",
            "submit from your own scheduler",
        ),
    ),
    ("startup_order", Refused("nodes start together", "")),
    (
        "stop_criteria",
        Refused("a job ends when every node has ended", ""),
    ),
    ("backend_options", Note(PLACE)),
];

/// Fields of a task.
pub(super) const TASK: Table = &[("commands", Used), ("ports", Used), ("nodes", Used)];

/// Fields of a development environment.
pub(super) const DEV_ENVIRONMENT: Table = &[
    ("ports", Used),
    ("ide", Used),
    ("init", Used),
    ("version", Note("no IDE is attached")),
    (
        "inactivity_duration",
        Refused("a session is not stopped for inactivity", GUARD),
    ),
];

/// Fields of a service.
pub(super) const SERVICE: Table = &[
    ("commands", Used),
    ("port", Used),
    ("replicas", Used),
    ("probes", Used),
    ("auth", Used),
    (
        "scaling",
        Note("the number of replicas is not changed by load"),
    ),
    (
        "gateway",
        Note("every service is reached through Tandem's gateway"),
    ),
    (
        "https",
        Note("every service is reached through Tandem's gateway"),
    ),
    ("strip_prefix", Note("the gateway strips its own prefix")),
    ("model", Note("the model's name is not listed anywhere")),
    (
        "rate_limits",
        Refused(
            "limits per path are not applied",
            "limit requests in the service",
        ),
    ),
    ("router", Refused("request routers are not run", "")),
];

/// Fields of an item of `repos`.
pub(super) const REPO: Table = &[
    ("url", Used),
    ("local_path", Used),
    ("path", Used),
    ("branch", Used),
    ("hash", Used),
    (
        "if_exists",
        Note("the work folder is new for every placement"),
    ),
];

/// Fields of an item of `files`.
pub(super) const FILE: Table = &[("local_path", Used), ("path", Used)];

/// Fields of an item of `volumes`.
pub(super) const VOLUME: Table = &[
    ("name", Used),
    ("path", Used),
    ("instance_path", Used),
    ("optional", Used),
];

/// What becomes of `retry`.
pub(super) const RETRIED: &str = "Tandem retries lost capacity and interruptions by its own rules";

/// Fields of `retry`.
pub(super) const RETRY: Table = &[
    ("on_events", Note(RETRIED)),
    (
        "duration",
        Note("use a start-by limit in a file of our own form"),
    ),
];
