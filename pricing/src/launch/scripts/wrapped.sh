# Entrypoint of a container: fetches the agent, then runs the arguments under it.
set -eu
tandem_dir=$(mktemp -d)
: "${TANDEM_CHECKPOINT_DIR:=$tandem_dir/checkpoints}" "${TANDEM_WORK_DIR:=$tandem_dir/work}"
export TANDEM_CHECKPOINT_DIR TANDEM_WORK_DIR
tandem_fetch "$TANDEM_AGENT_URL" "$tandem_dir/gpu-probe" "$TANDEM_AGENT_SHA256" "the agent" || exit 1
chmod 700 "$tandem_dir/gpu-probe"
exec "$tandem_dir/gpu-probe" agent -- "$@"
