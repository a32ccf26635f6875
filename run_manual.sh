#!/bin/sh
# Runs a task from its file: ./run_manual.sh {jax-cpu|jax-gpu|torch-cpu|torch-gpu} {path/to/task.py} [flags]
#
#   jax-cpu    tools/bazelw run //tasks:NAME -- flags
#   jax-gpu    tools/bazelw run --config=cuda //tasks:NAME -- --device=gpu flags
#   torch-cpu  as jax-cpu, for the tasks that have a part in PyTorch
#   torch-gpu  the benchmark's PyTorch side on a GPU. The lock's torch is the CPU build, so this takes the machine's own
#              Python (HUMAIN_PYTHON, or python3), where its torch can use a GPU: python3 -m tasks.NAME --device=gpu flags
#
# The benchmark compares all frameworks and devices that there are; here it is told the one framework and device.
#
# The path may be relative to where you stand or to the workspace, absolute, and with Windows' separators. Flags and the
# exit code pass through. Keys of secrets.env are read by the task itself. With HUMAIN_DEBUG_PORT=PORT the task is built
# with debugpy and waits on that port for a debugger.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || exit 1
# Those that compute with PyTorch; run_manual_test.py holds the list to their imports.
TORCH_TASKS="lm_data_interpret lm_data_prepare lm_guide_inference"
# Those that can do so on a GPU.
TORCH_GPU_TASKS="benchmark"

say() { printf 'run_manual.sh: %s\n' "$*" >&2; }

# tasks: the names of the programs in tasks/, one a line.
tasks() {
  sed -n '/^py_binary(/,/^)/s/^ *name = "\([^"]*\)",$/\1/p' "$root/tasks/BUILD.bazel"
}

# fail LINE...: says what is wrong and how it is used, and exits with 2.
fail() {
  say "$@"
  say "usage: ./run_manual.sh {jax-cpu|jax-gpu|torch-cpu|torch-gpu} {path/to/task.py} [flags]"
  exit 2
}

# is_one_of WORD LIST: whether a list of words has this one.
is_one_of() {
  case " $2 " in *" $1 "*) return 0 ;; esac
  return 1
}

# name_of PATH: prints the name of the task in this file; false where it is none of tasks/.
name_of() {
  path=$(printf '%s\n' "$1" | tr '\134' /) # backslashes
  case $path in
    [A-Za-z]:/*) # a drive of Windows: its shells see it elsewhere
      path=$(cygpath -u "$path" 2>/dev/null || wslpath -u "$path" 2>/dev/null) || return 1
      ;;
  esac
  [ -f "$path" ] || path=$root/$path
  [ -f "$path" ] || return 1
  folder=$(CDPATH='' cd -- "$(dirname -- "$path")" && pwd -P) || return 1
  [ "$folder" = "$root/tasks" ] || return 1
  name=$(basename -- "$path")
  tasks | grep -Fqx -- "${name%.py}" || return 1
  printf '%s\n' "${name%.py}"
}

case ${1:-} in
  -h | --help)
    sed -n '/^#!/d; /^#/!q; s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  jax-cpu | jax-gpu | torch-cpu | torch-gpu) configuration=$1 ;;
  "") fail "no configuration" ;;
  *) fail "there is no configuration '$1'" ;;
esac
[ "$#" -ge 2 ] || fail "no task; there are: $(tasks | sed 's|.*|tasks/&.py|' | xargs)"
task=$(name_of "$2") || fail "$2 is not a task; there are: $(tasks | sed 's|.*|tasks/&.py|' | xargs)"
shift 2

case $configuration in
  torch-cpu)
    is_one_of "$task" "$TORCH_TASKS $TORCH_GPU_TASKS" ||
      fail "//tasks:$task does not use PyTorch: take jax-cpu (these do: $TORCH_TASKS $TORCH_GPU_TASKS)"
    ;;
  torch-gpu)
    is_one_of "$task" "$TORCH_GPU_TASKS" || fail "//tasks:$task computes nothing with PyTorch on a GPU:" \
      "take jax-gpu, or torch-cpu (this does: $TORCH_GPU_TASKS)"
    python=${HUMAIN_PYTHON:-python3}
    if ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
      say "the lock's torch is the CPU build, and that of $python can't use a GPU: name a Python 3.11 whose torch can in" \
        "HUMAIN_PYTHON, or take jax-gpu or torch-cpu"
      exit 1
    fi
    # A module of the checkout, and paths of the command line relative to where the user stands.
    BUILD_WORKING_DIRECTORY=$PWD BUILD_WORKSPACE_DIRECTORY=$root
    export BUILD_WORKING_DIRECTORY BUILD_WORKSPACE_DIRECTORY
    cd -- "$root" || exit 1
    exec "$python" -m "tasks.$task" --framework=torch --device=gpu "$@"
    ;;
esac

if [ "$task" = benchmark ]; then
  [ "$configuration" = jax-gpu ] || set -- --device=cpu "$@"
  set -- "--framework=${configuration%-*}" "$@"
fi
if [ "$configuration" = jax-gpu ]; then
  set -- --config=cuda "//tasks:$task" -- --device=gpu "$@"
else
  set -- "//tasks:$task" -- "$@"
fi
if [ -n "${HUMAIN_DEBUG_PORT:-}" ]; then
  set -- --config=debug "$@"
fi
exec "$root/tools/bazelw" run "$@"
