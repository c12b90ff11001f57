# Runs under the agent. $1: steps that bring code; $2: setup; $3: `shell` or `exec`; then the work.
set -e
tandem_steps=$1 tandem_setup=$2 tandem_mode=$3
shift 3
tandem_shell=$(command -v bash || command -v sh)
if [ -n "${TANDEM_CHECKPOINT_DIR:-}" ]; then mkdir -p "$TANDEM_CHECKPOINT_DIR"; fi
# Enters the work folder, which is new for every placement.
tandem_work() {
  mkdir -p "${TANDEM_WORK_DIR:=/tandem/work}" 2>/dev/null || TANDEM_WORK_DIR=$(mktemp -d)
  cd "$TANDEM_WORK_DIR"
  export TANDEM_WORK_DIR
}
# tandem_clone URL FOLDER REVISION
tandem_clone() {
  command -v git >/dev/null 2>&1 || { tandem_say "git is needed to clone $1"; return 127; }
  GIT_TERMINAL_PROMPT=0 git clone --quiet -- "$1" "$2"
  if [ -n "$3" ]; then git -C "$2" checkout --quiet "$3" --; fi
}
# Unpacks what was uploaded with the job.
tandem_unpack() {
  tandem_fetch "$TANDEM_CODE_URL" ./.tandem-code.tar.gz "$TANDEM_CODE_SHA256" "the job's code"
  tar -xzf ./.tandem-code.tar.gz
  rm -f ./.tandem-code.tar.gz
}
tandem_enter() { mkdir -p -- "$1" && cd -- "$1"; }
eval "$tandem_steps"
if [ -n "$tandem_setup" ]; then "$tandem_shell" -c "$tandem_setup"; fi
case $tandem_mode in
  shell) exec "$tandem_shell" -c "$1" ;;
  *) exec "$@" ;;
esac
