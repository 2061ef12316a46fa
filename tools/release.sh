#!/usr/bin/env bash
# Builds and tries what is released: `dist` makes wheel and source distribution in dist/ and checks them; `try-wheel`
# installs the wheel into an environment of its own, with nothing but what it asks for, and runs its demo there.
# Say PYTHON=/path/to/python to choose the Python, EXTRAS=pyside6 to choose what is installed besides.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
python=${PYTHON:-python3}
scratch=$root/.tox/release
largest=25 # MB of a wheel

stop() { printf '%s\n' "$*" >&2; exit 1; }

# Where an environment's programs are: Windows calls the folder otherwise.
bin() { [ -d "$1/Scripts" ] && printf '%s/Scripts' "$1" || printf '%s/bin' "$1"; }

dist() {
    rm -rf dist "$scratch/tools"
    "$python" -m venv "$scratch/tools"
    local tools
    tools=$(bin "$scratch/tools")
    # groups of packages are known to pip from 25.1 on
    "$tools/python" -m pip --disable-pip-version-check install --quiet --no-cache-dir --upgrade 'pip>=25.1'
    "$tools/python" -m pip --disable-pip-version-check install --quiet --no-cache-dir --group release
    "$tools/python" -m build
    "$tools/twine" check --strict dist/*
    "$tools/python" - "$largest" <<'PYTHON'
import sys, tarfile, zipfile
from pathlib import Path

(wheel,), (source,) = (list(Path("dist").glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
for path in (wheel, source):
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
if wheel.stat().st_size > float(sys.argv[1]) * 1e6:
    sys.exit(f"The wheel is larger than {sys.argv[1]} MB.")
outside = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
if odd := [name for name in outside if not name.startswith("napari_phenotrans")]:
    sys.exit(f"The wheel holds more than the package: {odd}")
held = {name.split("/")[1] for name in tarfile.open(source).getnames() if "/" in name}
needed = {"src", "tests", "docs", "bench", "examples", "tools", "tox.ini", "Makefile", "CHANGELOG.md", "CITATION.cff"}
if needed - held:
    sys.exit(f"The source distribution lacks {sorted(needed - held)}.")
PYTHON
}

try_wheel() {
    local wheels=(dist/*.whl) folder=$scratch/empty programs
    [ -e "${wheels[0]}" ] || stop "There is no wheel in dist: run 'make dist' first."
    rm -rf "$folder"
    trap 'rm -rf "$scratch/empty"' EXIT
    "$python" -m venv "$folder"
    programs=$(bin "$folder")
    # pip unpacks gigabytes in TMPDIR, and /tmp may be small or in memory
    mkdir -p "$scratch/downloads"
    TMPDIR=$scratch/downloads "$programs/python" -m pip --disable-pip-version-check install --no-cache-dir --quiet \
        "${wheels[0]}${EXTRAS:+[$EXTRAS]}"
    rm -rf "$scratch/downloads"
    "$programs/python" --version
    # not from here, where the sources would be found
    (cd "$folder" && "$programs/phenotrans" --version && "$programs/phenotrans" demo --out demo)
    [ "$(find "$folder/demo" -name '*_translated.ome.tif' | wc -l)" -eq 2 ] || stop "The demo wrote no translations."
    "$programs/npe2" validate napari-phenotrans
    du -sh "$folder" 2>/dev/null || true
}

case "${1:-}" in
dist) dist ;;
try-wheel) try_wheel ;;
*) stop "Usage: tools/release.sh dist | try-wheel" ;;
esac
