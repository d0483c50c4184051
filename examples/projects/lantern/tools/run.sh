#!/bin/sh
# Runs the game on a scene.
set -eu
cd "$(dirname "$0")/.."
exec awk -v tick="${LANTERN_TICK:-0}" -v limit="${LANTERN_LIMIT:-1000}" -f scripts/lantern.awk "$1"
