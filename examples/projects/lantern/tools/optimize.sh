#!/bin/sh
# Compresses the pack as the build's options say.
set -eu
cd "$SLATE_OUTPUT_DIR"
case "$SLATE_COMPRESSION" in
    gzip) gzip -n -f lantern.tar && mv lantern.tar.gz lantern.pak ;;
    none) mv lantern.tar lantern.pak ;;
    *) echo "lantern: warning: $SLATE_COMPRESSION is not known here, gzip is taken"; gzip -n -f lantern.tar && mv lantern.tar.gz lantern.pak ;;
esac
echo "lantern: the pack has $(wc -c <lantern.pak) bytes"
