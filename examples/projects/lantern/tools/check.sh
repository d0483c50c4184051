#!/bin/sh
# Compiles: every script parses, every scene names only what there is and can be won.
set -eu
cd "$(dirname "$0")/.."
for script in scripts/*.awk; do
    echo 'map' | awk -v limit=0 -f "$script" >/dev/null 2>"$SLATE_OUTPUT_DIR/.check" || true
    if grep -q 'syntax error' "$SLATE_OUTPUT_DIR/.check"; then
        echo "lantern: error: $script: $(head -n 1 "$SLATE_OUTPUT_DIR/.check")" >&2
    fi
    rm -f "$SLATE_OUTPUT_DIR/.check"
    echo "lantern: checked $script"
done
count=0
total=$(ls scenes/*.scene | wc -l)
for scene in scenes/*.scene; do
    awk '$1 == "texture" || $1 == "model" || $1 == "sound" { print $2 }  $1 == "map" { exit }' "$scene" | while read -r path; do
        [ -f "assets/$path" ] || echo "lantern: error: $scene: assets/$path is missing" >&2
    done
    awk -v limit=1000 -f scripts/lantern.awk "$scene" | tail -n 1
    count=$((count + 1))
    echo "lantern: progress $((count * 100 / total))"
done
