extends Node2D
# The lamp turns; after as many frames as `--frames=N` says the game ends by itself.

const TURN = 0.1

var frame = 0
var last = 0


func _ready():
	for argument in OS.get_cmdline_args():
		if argument.begins_with("--frames="):
			last = int(argument.substr(9))
	print("beacon lit: lamp %dx%d" % [$Lamp.texture.get_width(), $Lamp.texture.get_height()])


func _process(_delta):
	frame += 1
	$Lamp.rotation += TURN
	if frame % 10 == 0:
		print("frame %d, boat at %d" % [frame, int($Boat.position.x)])
	if last > 0 and frame >= last:
		print("beacon out after %d frames" % frame)
		get_tree().quit()
