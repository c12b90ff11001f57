# Entrypoint of a container: fetches the agent, then runs the arguments under it.
set -eu
if [ -z "${TANDEM_HOME:-}" ]; then TANDEM_HOME=$(mktemp -d); fi
mkdir -p "$TANDEM_HOME"
: "${TANDEM_CHECKPOINT_DIR:=$TANDEM_HOME/checkpoints}" "${TANDEM_WORK_DIR:=$TANDEM_HOME/work}"
export TANDEM_HOME TANDEM_CHECKPOINT_DIR TANDEM_WORK_DIR
tandem_fetch "$TANDEM_AGENT_URL" "$TANDEM_HOME/gpu-probe" "$TANDEM_AGENT_SHA256" "the agent" || exit 1
chmod 700 "$TANDEM_HOME/gpu-probe"
exec "$TANDEM_HOME/gpu-probe" agent -- "$@"
