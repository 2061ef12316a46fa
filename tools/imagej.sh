#!/usr/bin/env bash
# Fetches Debian's ImageJ into .tox/imagej, where the tests look for it; no root is needed. It runs on any JDK from 11 on
# (`apt-get install default-jdk-headless`), without a display.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/.tox/imagej
mkdir -p "$folder"
cd "$folder"
apt-get download libij-java
dpkg-deb -x libij-java_*.deb .
rm libij-java_*.deb
command -v javac >/dev/null || echo "There is no JDK here yet: apt-get install default-jdk-headless" >&2
echo "$folder/usr/share/java/ij.jar"
