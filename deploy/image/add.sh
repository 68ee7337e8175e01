#!/bin/sh
# add.sh OUT (-r SET.txt | PACKAGE…): install a set of requirements or package folders into /opt/diwan, remove files that
# no program reads at run time, compile the rest, and copy the new files below OUT, as the next layer of an image.
set -eu
out=$1
shift
venv=/opt/diwan
[ -x "$venv/bin/python" ] || {
    uv venv --quiet --python /usr/bin/python3 "$venv"
    rm "$venv"/bin/activate* "$venv"/bin/deactivate* "$venv"/bin/pydoc* 2>/dev/null || true
}
before=$(mktemp)
after=$(mktemp)
[ ! -f "$venv/.listed" ] || cp "$venv/.listed" "$before"

if [ "$1" = -r ]; then
    uv pip install --quiet --python "$venv/bin/python" --require-hashes --only-binary :all: --no-deps -r "$2"
    uv pip check --quiet --python "$venv/bin/python" # fails if the set is incomplete
else
    uv pip install --quiet --python "$venv/bin/python" --no-deps --offline "$@"
fi

packages=$(echo "$venv"/lib/python3.*/site-packages)
find "$packages" -depth -type d \( -name tests -o -name test -o -name __pycache__ \) -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete
find "$packages" -path '*.dist-info/*' \( -name RECORD -o -name REQUESTED -o -name direct_url.json -o -name uv_cache.json \) -delete
find "$venv/bin" -mindepth 1 ! -name 'python*' ! -name diwan -delete
# The byte code is not checked against timestamps: the root is read-only, and builds are reproducible.
/usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash -j 0 "$packages"

cd /
find "${venv#/}" ! -type d ! -name .listed | LC_ALL=C sort >"$after"
mkdir -p "$out"
LC_ALL=C comm -13 "$before" "$after" | tar -c -f - -T - | tar -x -f - -C "$out"
mv "$after" "$venv/.listed"

cd "$venv"
mkdir -p /metadata
cp --parents lib/python3.*/site-packages/*.dist-info/METADATA /metadata/ # for the bill of materials
