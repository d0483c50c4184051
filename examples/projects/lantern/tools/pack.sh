#!/bin/sh
# Packs scenes, scripts and processed assets into one file; the same input gives the same bytes.
set -eu
cd "$(dirname "$0")/.."
staging="$SLATE_OUTPUT_DIR/.pack"
rm -rf "$staging"
mkdir "$staging"
cp -R scenes scripts tools/run.sh "$staging/"
if [ -d "$SLATE_OUTPUT_DIR/assets" ]; then mv "$SLATE_OUTPUT_DIR/assets" "$staging/assets"; fi
find "$staging" -exec touch -d '2000-01-01 00:00:00' {} +
(cd "$staging" && find . -type f | LC_ALL=C sort | tar --no-recursion --owner=0 --group=0 --numeric-owner -cf "$SLATE_OUTPUT_DIR/lantern.tar" -T -)
rm -rf "$staging"
echo "lantern: packed $(tar -tf "$SLATE_OUTPUT_DIR/lantern.tar" | wc -l) files"
