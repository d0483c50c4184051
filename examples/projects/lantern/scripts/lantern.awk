# The game: reads a scene, then sends the lamplighter to the nearest dark lantern until all are lit.
# Variables: tick (seconds a step, 0 for none), limit (most steps).

/^#/ && !in_map { next }
/^map$/ { in_map = 1; next }
!in_map { kind = $1; $1 = ""; sub(/^ /, ""); if (kind == "title") title = $0; used[kind]++; next }
{
    rows++
    width = length($0) > width ? length($0) : width
    for (x = 1; x <= length($0); x++) {
        tile[x, rows] = substr($0, x, 1)
        if (tile[x, rows] == "@") { px = x; py = rows }
        if (tile[x, rows] == "L") { dark[x, rows] = 1; lanterns++ }
    }
}

END {
    if (!px) fail("the scene has no lamplighter")
    if (!lanterns) fail("the scene has no lantern")
    printf "lantern: %s: %d lanterns, %d textures, %d models, %d sounds\n", title, lanterns, used["texture"], used["model"], used["sound"]
    while (lit < lanterns && steps < limit) {
        if (!search()) fail("a lantern can't be reached")
        walk()
        lit++
        delete dark[px, py]
        printf "lantern: lit %d of %d at %d,%d after %d steps\n", lit, lanterns, px, py, steps
        printf "lantern: progress %d\n", lit * 100 / lanterns
        fflush()
    }
    if (lit < lanterns) { print "lantern: warning: the night was too short"; exit 2 }
    printf "lantern: all %d lanterns are lit after %d steps\n", lanterns, steps
}

function fail(why) { print "lantern: error: " why > "/dev/stderr"; exit 1 }

function open_at(x, y) { return ((x, y) in tile) && tile[x, y] != "#" && tile[x, y] != "~" }

# Breadth first from the lamplighter; whether a dark lantern was found. The way to it is left in `from`.
function search(    head, tail, x, y, i, nx, ny) {
    split("", from); split("", qx); split("", qy)
    head = 1; tail = 1; qx[1] = px; qy[1] = py; from[px, py] = "0 0"
    while (head <= tail) {
        x = qx[head]; y = qy[head]; head++
        if ((x, y) in dark) { gx = x; gy = y; return 1 }
        for (i = 1; i <= 4; i++) {
            nx = x + (i == 1) - (i == 2); ny = y + (i == 3) - (i == 4)
            if (open_at(nx, ny) && !((nx, ny) in from)) { from[nx, ny] = x " " y; tail++; qx[tail] = nx; qy[tail] = ny }
        }
    }
    return 0
}

# Follows the way back from the lantern, then goes it forwards, a tick a step.
function walk(    x, y, n, i, part) {
    x = gx; y = gy; n = 0
    while (!(x == px && y == py)) { n++; split(from[x, y], part, " "); x = part[1]; y = part[2] }
    for (i = 0; i < n; i++) { steps++; if (tick > 0) system("sleep " tick) }
    px = gx; py = gy
}
