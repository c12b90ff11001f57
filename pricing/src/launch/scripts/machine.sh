# Starts a placement on a machine, once. Everything is a function until the last line, so a script
# that is cut off starts nothing.
tandem_child='printf %s "$$" >pid.new && mv pid.new pid && exec 9>&- && umask 022 && cd work && exec "$@"'
# tandem_begin JOB EPOCH: folder and lock of the placement. The lock is held by an open file, so a
# killed start leaves none behind.
tandem_begin() {
  umask 077
  tandem_base=${TANDEM_HOME:-$HOME/.tandem}/$1/$2
  mkdir -p "$tandem_base/work" "$tandem_base/checkpoints"
  cd "$tandem_base"
  command -v flock >/dev/null 2>&1 || { tandem_say "flock is needed (package util-linux)"; exit 127; }
  exec 9>lock
  tandem_waited=0
  until flock -n 9; do
    tandem_waited=$((tandem_waited + 1))
    if [ "$tandem_waited" -gt 60 ]; then
      tandem_say "another start is under way"
      exit 75
    fi
    sleep 1
  done
  if [ -f pid ]; then
    echo "tandem: already started"
    exit 0
  fi
  TANDEM_HOME=$tandem_base
  TANDEM_CHECKPOINT_DIR=$tandem_base/checkpoints
  TANDEM_WORK_DIR=$tandem_base/work
  export TANDEM_HOME TANDEM_CHECKPOINT_DIR TANDEM_WORK_DIR
}
tandem_agent() {
  tandem_fetch "$TANDEM_AGENT_URL" "$tandem_base/gpu-probe" "$TANDEM_AGENT_SHA256" "the agent" || exit 1
  chmod 700 "$tandem_base/gpu-probe"
}
# tandem_image IMAGE REGISTRY: fetches the image; credentials stay in the placement's folder, and
# there no longer than the fetch.
tandem_image() {
  command -v docker >/dev/null 2>&1 || { tandem_say "this machine has no docker, which the image $1 needs"; exit 69; }
  DOCKER_CONFIG=$tandem_base/docker
  export DOCKER_CONFIG
  trap 'rm -rf "$DOCKER_CONFIG"' EXIT
  trap 'exit 143' HUP INT TERM
  if [ -n "${TANDEM_REGISTRY_USERNAME:-}" ]; then
    printf %s "$TANDEM_REGISTRY_PASSWORD" |
      docker login --username "$TANDEM_REGISTRY_USERNAME" --password-stdin ${2:+"$2"} >/dev/null || exit 77
  fi
  docker pull --quiet "$1" </dev/null >/dev/null || { tandem_say "the image $1 could not be pulled"; exit 69; }
  rm -rf "$DOCKER_CONFIG"
  trap - EXIT HUP INT TERM
  unset TANDEM_REGISTRY_USERNAME TANDEM_REGISTRY_PASSWORD
}
# tandem_start COMMAND…: detached; the child keeps the lock until its pid is written.
tandem_start() {
  if command -v setsid >/dev/null 2>&1; then
    setsid sh -c "$tandem_child" tandem "$@" </dev/null >>log 2>&1 &
  else
    nohup sh -c "$tandem_child" tandem "$@" </dev/null >>log 2>&1 &
  fi
  tandem_waited=0
  while [ ! -f pid ]; do
    tandem_waited=$((tandem_waited + 1))
    if [ "$tandem_waited" -gt 100 ]; then
      tandem_say "the process did not start; see $tandem_base/log"
      exit 70
    fi
    sleep 0.1
  done
  echo "tandem: started"
}
