# Sourced by the scripts of this folder: what they share.
#
# The version is the one of Cargo.toml and stands nowhere else. Settings (environment):
#   PROFILE         Cargo's profile of the programs: release (default), or dev for a quick look
#   DIST            the folder that everything is written to: target/dist
#   REPOSITORY      the web page of the repository: that of Cargo.toml
#   DOWNLOADS       the URL below which a release's files are: releases/download of the repository
#   IMAGE_REGISTRY  the registry of the images in install.yaml, such as registry.example.com; the
#                   programs themselves default to Docker Hub's, which needs no name
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
of_workspace() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" "$ROOT/Cargo.toml" | head -n 1; }
VERSION=$(of_workspace version)
REPOSITORY=${REPOSITORY:-$(of_workspace repository)}
PROFILE=${PROFILE:-release}
DIST=${DIST:-$ROOT/target/dist}
DOWNLOADS=${DOWNLOADS:-$REPOSITORY/releases/download}
# Programs for machines of that kind lie in $PROGRAMS/PLATFORM, such as linux-arm64.
PROGRAMS=$DIST/programs
# What is published: nothing else may lie in here.
ASSETS=$DIST/assets

say() { echo "release: $*" >&2; }
fail() { # fail WHAT [HINT]
  echo "error: $1" >&2
  [ $# -lt 2 ] || echo "hint: $2" >&2
  exit 1
}
archive_of() { echo "kubectl-axon_${VERSION}_${1/-/_}.tar.gz"; } # archive_of PLATFORM
