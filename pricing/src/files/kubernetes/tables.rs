//! Every field of the objects that are read, and what it means here.

use crate::files::cursor::Meaning::{Note, Refused, Used};
use crate::files::cursor::Table;

const BOOKS: &str = "a cluster's own bookkeeping has no effect here";
const PLACE: &str =
    "Tandem chooses the network and the place; limit countries in a file of our own form";
const PULL: &str = "images are fetched for every placement";
const PROBE: &str = "a service is watched at the gateway and by the agent";
const RETRY: &str = "Tandem recovers jobs by its own rules";
const END: &str = "what a job leaves behind is kept by Tandem's own rules";
const QUEUE: &str = "there is no queue to wait in";
const CLUSTER: &str = "there is no cluster to look things up in";

/// An object.
pub(super) const OBJECT: Table = &[
    ("apiVersion", Used),
    ("kind", Used),
    ("metadata", Used),
    ("spec", Used),
    ("status", Note(BOOKS)),
];

/// Metadata of an object.
pub(super) const METADATA: Table = &[
    ("name", Used),
    ("generateName", Used),
    ("namespace", Note(BOOKS)),
    ("labels", Note(BOOKS)),
    ("annotations", Note(BOOKS)),
    ("uid", Note(BOOKS)),
    ("resourceVersion", Note(BOOKS)),
    ("generation", Note(BOOKS)),
    ("creationTimestamp", Note(BOOKS)),
    ("managedFields", Note(BOOKS)),
    ("ownerReferences", Note(BOOKS)),
    ("finalizers", Note(BOOKS)),
    ("selfLink", Note(BOOKS)),
];

/// A template of pods.
pub(super) const TEMPLATE: Table = &[("metadata", Used), ("spec", Used)];

/// A pod.
pub(super) const POD: Table = &[
    ("containers", Used),
    (
        "initContainers",
        Refused(
            "containers that run before the work are not started",
            "do their work in the image or at the start of the command",
        ),
    ),
    (
        "ephemeralContainers",
        Refused("one container runs in a node", ""),
    ),
    ("volumes", Used),
    ("restartPolicy", Used),
    ("nodeSelector", Used),
    ("affinity", Used),
    ("activeDeadlineSeconds", Used),
    ("hostNetwork", Used),
    ("hostPID", Used),
    ("hostIPC", Note("shared memory is that of the machine")),
    (
        "imagePullSecrets",
        Refused(
            "secrets of a cluster cannot be read",
            "give registry credentials at submission",
        ),
    ),
    (
        "nodeName",
        Refused("machines of a cluster cannot be chosen", ""),
    ),
    (
        "hostAliases",
        Refused("names of hosts are not added", "use addresses"),
    ),
    (
        "resourceClaims",
        Refused(
            "claims of devices have no meaning here",
            "ask for nvidia.com/gpu",
        ),
    ),
    (
        "securityContext",
        Note("the image's own user runs the work"),
    ),
    ("tolerations", Note(PLACE)),
    ("topologySpreadConstraints", Note(PLACE)),
    ("schedulerName", Note(PLACE)),
    ("schedulingGates", Note(QUEUE)),
    ("runtimeClassName", Note("the network chooses the runtime")),
    (
        "priorityClassName",
        Note("jobs are not ordered by priority"),
    ),
    ("priority", Note("jobs are not ordered by priority")),
    ("preemptionPolicy", Note("jobs are not ordered by priority")),
    ("serviceAccountName", Note(CLUSTER)),
    ("serviceAccount", Note(CLUSTER)),
    ("automountServiceAccountToken", Note(CLUSTER)),
    ("enableServiceLinks", Note(CLUSTER)),
    ("dnsPolicy", Note(CLUSTER)),
    ("dnsConfig", Note(CLUSTER)),
    ("hostname", Note(CLUSTER)),
    ("subdomain", Note(CLUSTER)),
    ("setHostnameAsFQDN", Note(CLUSTER)),
    ("hostUsers", Note(CLUSTER)),
    ("readinessGates", Note(PROBE)),
    (
        "shareProcessNamespace",
        Note("one container runs in a node"),
    ),
    ("overhead", Note(BOOKS)),
    ("os", Note("machines run Linux")),
    (
        "terminationGracePeriodSeconds",
        Note("a stopped workload is given a fixed time to end"),
    ),
];

/// A container.
pub(super) const CONTAINER: Table = &[
    ("name", Used),
    ("image", Used),
    ("command", Used),
    ("args", Used),
    ("workingDir", Used),
    ("ports", Used),
    ("env", Used),
    ("envFrom", Used),
    ("resources", Used),
    ("volumeMounts", Used),
    ("readinessProbe", Used),
    ("securityContext", Used),
    ("imagePullPolicy", Note(PULL)),
    ("livenessProbe", Note(PROBE)),
    ("startupProbe", Note(PROBE)),
    (
        "lifecycle",
        Refused(
            "commands on events are not run",
            "do it at the start or the end of the command",
        ),
    ),
    ("volumeDevices", Refused("raw disks are not given", "")),
    ("restartPolicy", Note(RETRY)),
    ("resizePolicy", Note("a node's size does not change")),
    ("terminationMessagePath", Note(BOOKS)),
    ("terminationMessagePolicy", Note(BOOKS)),
    ("stdin", Note("nobody types into a container")),
    ("stdinOnce", Note("nobody types into a container")),
    ("tty", Note("nobody types into a container")),
];

/// A port of a container.
pub(super) const PORT: Table = &[
    ("name", Used),
    ("containerPort", Used),
    ("protocol", Used),
    ("hostPort", Note("the gateway gives the address")),
    ("hostIP", Note("the gateway gives the address")),
];

/// `spec` of a Job.
pub(super) const JOB: Table = &[
    ("template", Used),
    ("completions", Used),
    ("parallelism", Used),
    ("activeDeadlineSeconds", Used),
    (
        "completionMode",
        Note("every node finds JOB_COMPLETION_INDEX"),
    ),
    ("backoffLimit", Note(RETRY)),
    ("backoffLimitPerIndex", Note(RETRY)),
    ("maxFailedIndexes", Note(RETRY)),
    ("podFailurePolicy", Note(RETRY)),
    ("podReplacementPolicy", Note(RETRY)),
    (
        "successPolicy",
        Refused("a job ends when every node has ended", ""),
    ),
    ("ttlSecondsAfterFinished", Note(END)),
    ("suspend", Note(QUEUE)),
    ("manualSelector", Note(BOOKS)),
    ("selector", Note(BOOKS)),
    ("managedBy", Note(BOOKS)),
];

/// `spec` of a Deployment.
pub(super) const DEPLOYMENT: Table = &[
    ("template", Used),
    ("replicas", Used),
    ("selector", Used),
    ("strategy", Note("replicas are replaced one after another")),
    ("minReadySeconds", Note(PROBE)),
    ("progressDeadlineSeconds", Note(PROBE)),
    ("revisionHistoryLimit", Note(BOOKS)),
    ("paused", Note(QUEUE)),
];

/// `spec` of a PyTorchJob.
pub(super) const PYTORCH_JOB: Table = &[
    ("pytorchReplicaSpecs", Used),
    ("nprocPerNode", Used),
    ("runPolicy", Used),
    (
        "elasticPolicy",
        Note("the number of nodes is that of the replicas, and does not change while it runs"),
    ),
];

/// `runPolicy` of Kubeflow's jobs.
pub(super) const RUN_POLICY: Table = &[
    ("activeDeadlineSeconds", Used),
    ("cleanPodPolicy", Note(END)),
    ("ttlSecondsAfterFinished", Note(END)),
    ("backoffLimit", Note(RETRY)),
    ("schedulingPolicy", Note(QUEUE)),
    ("suspend", Note(QUEUE)),
    ("managedBy", Note(BOOKS)),
];

/// A group of equal replicas of a PyTorchJob.
pub(super) const REPLICA: Table = &[
    ("replicas", Used),
    ("template", Used),
    ("restartPolicy", Note(RETRY)),
];

/// `spec` of a TrainJob.
pub(super) const TRAIN_JOB: Table = &[
    ("runtimeRef", Used),
    ("trainer", Used),
    ("activeDeadlineSeconds", Used),
    (
        "initializer",
        Refused(
            "data and models are not fetched before the work",
            "fetch them at the start of the command",
        ),
    ),
    (
        "podTemplateOverrides",
        Refused("a runtime's pods are not changed", ""),
    ),
    (
        "podSpecOverrides",
        Refused("a runtime's pods are not changed", ""),
    ),
    (
        "runtimePatches",
        Refused("a runtime's pods are not changed", ""),
    ),
    ("labels", Note(BOOKS)),
    ("annotations", Note(BOOKS)),
    ("suspend", Note(QUEUE)),
    ("managedBy", Note(BOOKS)),
];

/// `trainer` of a TrainJob.
pub(super) const TRAINER: Table = &[
    ("image", Used),
    ("command", Used),
    ("args", Used),
    ("env", Used),
    ("numNodes", Used),
    ("numProcPerNode", Used),
    ("resourcesPerNode", Used),
];

/// `spec` of a RayJob.
pub(super) const RAY_JOB: Table = &[
    ("entrypoint", Used),
    ("rayClusterSpec", Used),
    ("runtimeEnvYAML", Used),
    ("activeDeadlineSeconds", Used),
    (
        "clusterSelector",
        Refused("there is no standing cluster", "give `rayClusterSpec`"),
    ),
    ("shutdownAfterJobFinishes", Note(END)),
    ("ttlSecondsAfterFinished", Note(END)),
    ("deletionPolicy", Note(END)),
    ("deletionStrategy", Note(END)),
    ("backoffLimit", Note(RETRY)),
    ("suspend", Note(QUEUE)),
    ("jobId", Note(BOOKS)),
    ("metadata", Note(BOOKS)),
    ("managedBy", Note(BOOKS)),
    ("preRunningDeadlineSeconds", Note(QUEUE)),
    (
        "submissionMode",
        Note("the first node submits the job to itself"),
    ),
    (
        "submitterPodTemplate",
        Note("the first node submits the job to itself"),
    ),
    (
        "submitterConfig",
        Note("the first node submits the job to itself"),
    ),
    (
        "entrypointNumCpus",
        Note("the first node submits the job to itself"),
    ),
    (
        "entrypointNumGpus",
        Note("the first node submits the job to itself"),
    ),
    (
        "entrypointResources",
        Note("the first node submits the job to itself"),
    ),
];

/// `spec` of a RayCluster.
pub(super) const RAY_CLUSTER: Table = &[
    ("headGroupSpec", Used),
    ("workerGroupSpecs", Used),
    ("rayVersion", Note("the image brings its Ray")),
    (
        "enableInTreeAutoscaling",
        Note("the number of nodes does not change by load"),
    ),
    (
        "autoscalerOptions",
        Note("the number of nodes does not change by load"),
    ),
    ("headServiceAnnotations", Note(BOOKS)),
    (
        "gcsFaultToleranceOptions",
        Refused("Ray's state is not kept outside", ""),
    ),
    (
        "authOptions",
        Note("requests to a service always need a key"),
    ),
    ("suspend", Note(QUEUE)),
    ("managedBy", Note(BOOKS)),
    ("upgradeStrategy", Note(RETRY)),
];

/// A group of Ray nodes.
pub(super) const RAY_GROUP: Table = &[
    ("template", Used),
    ("rayStartParams", Used),
    ("replicas", Used),
    ("numOfHosts", Used),
    ("groupName", Used),
    (
        "minReplicas",
        Note("the number of nodes does not change by load"),
    ),
    (
        "maxReplicas",
        Note("the number of nodes does not change by load"),
    ),
    (
        "idleTimeoutSeconds",
        Note("the number of nodes does not change by load"),
    ),
    (
        "scaleStrategy",
        Note("the number of nodes does not change by load"),
    ),
    ("suspend", Note(QUEUE)),
    ("serviceType", Note("the gateway gives the address")),
    ("headService", Note("the gateway gives the address")),
    ("enableIngress", Note("the gateway gives the address")),
    ("labels", Note(BOOKS)),
    ("resources", Note("Ray counts what it finds")),
];
