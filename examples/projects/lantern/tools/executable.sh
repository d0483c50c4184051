#!/bin/sh
# Makes the program that a player starts: it unpacks itself and plays the scene named, the harbour by default.
set -eu
cd "$SLATE_OUTPUT_DIR"
cat >lantern <<'GAME'
#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xf "$here/lantern.pak" -C "$folder"
awk -v tick="${LANTERN_TICK:-0.05}" -v limit=1000 -f "$folder/scripts/lantern.awk" "$folder/scenes/${1:-harbour}.scene"
GAME
chmod +x lantern
LANTERN_TICK=0 ./lantern | tail -n 1
