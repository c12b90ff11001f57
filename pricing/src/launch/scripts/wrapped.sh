# Entrypoint of a container: fetches the agent, then runs the arguments under it.
set -eu
tandem_dir=${TMPDIR:-/tmp}/tandem
mkdir -p "$tandem_dir"
chmod 700 "$tandem_dir"
tandem_fetch "$TANDEM_AGENT_URL" "$tandem_dir/gpu-probe" "$TANDEM_AGENT_SHA256" "the agent" || exit 1
chmod 700 "$tandem_dir/gpu-probe"
exec "$tandem_dir/gpu-probe" agent -- "$@"
