#!/usr/bin/env bash
# Prepares this folder: `environment` makes .venv (once, and again when what it is made from changes);
# `libraries` sees to the system packages that Qt and Xvfb need for the tests. Nothing is installed into
# the system's Python. Say PYTHON=/path/to/python to choose the Python that .venv is made with.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }

runs() { "$1" -c '' 2>/dev/null; }

is_new_enough() { # a name on the PATH may be a shim for nothing, so it is run
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local found="" candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
        is_new_enough "$candidate" || continue
        found=${found:-$candidate}
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    if [ -z "$found" ]; then
        stop "No Python >= 3.11 found (looked for: ${PYTHON:-python3, python3.11 to python3.14}; python3 is" \
            "$(python3 --version 2>/dev/null || echo 'not here')). Install one, for example with" \
            "'apt-get install python3 python3-venv' or 'dnf install python3.12', or say where it is:" \
            "make ... PYTHON=/path/to/python"
    fi
    stop "$found has no modules venv and ensurepip, which making an environment needs. On Debian and Ubuntu:" \
        "apt-get install $("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
}

environment() {
    # .venv depends on these files, and on where it stands: its scripts name their Python by its path.
    local ready=.venv/.ready made_from recreate=()
    made_from=$(cat pyproject.toml tox.ini | cksum)
    if [ "$(cat .tox/bootstrap/.ready 2>/dev/null)" != "$root" ] || ! runs .tox/bootstrap/bin/python; then
        local python
        python=$(find_python)
        say "Setting up with $("$python" --version) ($python). The first time this fetches about 3 GB: some minutes."
        "$python" -m venv --clear .tox/bootstrap
        .tox/bootstrap/bin/python -m pip --disable-pip-version-check install --quiet 'tox>=4.30,<5'
        printf '%s' "$root" >.tox/bootstrap/.ready
    fi
    if [ "$(cat "$ready" 2>/dev/null)" = "$root"$'\n'"$made_from" ] && runs .venv/bin/python; then
        return
    fi
    if [ -e "$ready" ] && [ "$(head -n 1 "$ready")" != "$root" ]; then
        recreate=(--recreate) # the folder was moved or copied
    elif [ -e .venv ] && ! runs .venv/bin/python; then
        recreate=(--recreate) # its Python is gone
    fi
    # pip unpacks gigabytes in TMPDIR, and /tmp may be small or in memory.
    mkdir -p .tox/downloads
    TMPDIR=$root/.tox/downloads .tox/bootstrap/bin/python -m tox run -e py --notest "${recreate[@]}" >&2
    rm -rf .tox/downloads
    printf '%s\n%s' "$root" "$made_from" >"$ready"
}

# What the Qt in PyQt6's wheels, OpenGL in software and Xvfb take from the system (Debian's and Ubuntu's names).
packages=(
    xvfb xauth libgl1 libgl1-mesa-dri libegl1 libopengl0 libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
)

libraries() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "The tests need Xvfb and the libraries that Qt uses. On Debian they are called: ${packages[*]}"
        command -v xvfb-run >/dev/null || stop "xvfb-run is not here: install what this system calls them, then run again."
        return
    fi
    local missing=() as_root=() package states
    for package in "${packages[@]}"; do # newer releases call some of them ...t64, and find them by the old name too
        states=$(dpkg-query --show --showformat='<${db:Status-Status}>' "$package" "${package}t64" 2>/dev/null || true)
        [[ $states == *"<installed>"* ]] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            stop "The tests need system packages that only root can install. Run this, then 'make test' again:" \
                $'\n'"    sudo apt-get install --no-install-recommends ${missing[*]}"
        fi
        as_root=(sudo -n)
    fi
    say "Installing the system packages that the tests need: ${missing[*]}"
    "${as_root[@]}" apt-get update >&2 || say "apt-get update failed in part; going on with the lists that are here."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}" >&2 ||
        stop "apt-get could not install: ${missing[*]}. Its message is above; install them, then run 'make test' again."
}

case "${1:-}" in
environment | libraries) "$1" ;;
*) stop "Usage: tools/setup.sh environment | libraries" ;;
esac
