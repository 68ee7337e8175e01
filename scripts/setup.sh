#!/bin/sh
# Installs what the checkout needs and prints what it installs; installed packages are not changed.
#   System packages with apt-get (with sudo if not root); Python packages into .venv, locked and checked by hash.
set -eu

cd "$(dirname "$0")/.."

PACKAGES="rabbitmq-server python3-venv poppler-utils libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
say() { printf '\033[1m• %s\033[0m\n' "$*"; }

missing=""
for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    as_root=""
    [ "$(id -u)" -eq 0 ] || as_root="sudo"
    say "installing system packages:$missing"
    $as_root apt-get update -q
    # RabbitMQ's package would start a broker on the standard port; policy-rc.d prevents that, since we start a private one.
    guard=$(mktemp)
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    if [ -e /usr/sbin/policy-rc.d ]; then
        guarded=""
    else
        guarded=yes
        $as_root install -m 0755 "$guard" /usr/sbin/policy-rc.d
    fi
    rm -f "$guard"
    installed=0
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends $missing || installed=$?
    [ -z "$guarded" ] || $as_root rm -f /usr/sbin/policy-rc.d
    [ "$installed" -eq 0 ] || exit "$installed"
fi

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "setup: Python 3.11 or later is required" >&2; exit 1; }

# Let uv use this machine's certificates, such as that of a proxy; pip does so by default.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || export UV_SYSTEM_CERTS=true

wanted=$(cat requirements.txt scripts/setup.sh protos/pyproject.toml services/*/pyproject.toml deploy/local/pyproject.toml | sha256sum)
if [ ! -f .venv/.wanted ] || [ "$(cat .venv/.wanted)" != "$wanted" ]; then
    say "installing Python packages into .venv ($("$python" --version))"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    sed -n '/^uv==/,/^[a-z]/p' requirements.txt | sed -e '1!{/^[a-z]/d}' >.venv/uv.txt
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
    .venv/bin/uv pip sync --python .venv/bin/python --require-hashes requirements.txt
    .venv/bin/uv pip install --python .venv/bin/python --no-deps \
        --editable protos --editable deploy/local $(for package in services/*/; do printf -- '--editable %s ' "$package"; done)
    printf '%s' "$wanted" >.venv/.wanted
fi
