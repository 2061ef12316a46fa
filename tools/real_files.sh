#!/usr/bin/env bash
# Fetches files that microscopes wrote into .tox/real, where tests read them; others' licenses keep them out of here.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$root/.tox/real"
cd "$root/.tox/real"
# a stack over time of a Nikon A1, 0.5 MB of the 20 MB of the sources of pims_nd2 1.1
python3 -m pip download --quiet --no-deps --no-binary :all: "pims-nd2==1.1"
tar --extract --file pims_nd2-1.1.tar.gz --strip-components=2 pims_nd2-1.1/pims_nd2/cluster.nd2
rm pims_nd2-1.1.tar.gz
