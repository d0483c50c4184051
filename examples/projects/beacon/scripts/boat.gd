extends Sprite
# Sails to the right and begins anew at the left.

const SPEED = 2.0
const WIDTH = 320


func _process(_delta):
	position.x = fmod(position.x + SPEED, WIDTH)
