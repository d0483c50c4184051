#!/bin/sh
# Makes sure that what the build needs is there.
set -eu
for tool in awk tar gzip; do
    command -v "$tool" >/dev/null || { echo "lantern: error: $tool is not installed" >&2; exit 1; }
done
mkdir -p "$SLATE_OUTPUT_DIR"
echo "lantern: builds for $SLATE_TARGET, $SLATE_BUILD_TYPE, with $SLATE_PARALLEL_JOBS jobs"
