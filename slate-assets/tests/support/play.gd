extends SceneTree
# Plays a sound and prints its length, the highest sample and how often it crosses zero a second.
var record = AudioEffectRecord.new()
var player = AudioStreamPlayer.new()

func _init():
	var file = File.new()
	file.open(OS.get_cmdline_args()[-1], File.READ)
	var stream = AudioStreamOGGVorbis.new()
	stream.data = file.get_buffer(file.get_len())
	player.stream = stream
	print("seconds ", stream.get_length())
	AudioServer.add_bus_effect(0, record)
	record.format = AudioStreamSample.FORMAT_16_BITS
	record.set_recording_active(true)
	get_root().add_child(player)
	player.call_deferred("play")

func _iteration(_delta):
	if player.get_playback_position() < 0.5:
		return false
	record.set_recording_active(false)
	var recording = record.get_recording()
	var data = recording.data
	var peak = 0
	var crossed = 0
	var first = -1
	var last = 0
	var before = 0
	for at in range(0, data.size() - 3, 4):
		var value = data[at] + 256 * data[at + 1]
		if value >= 32768:
			value -= 65536
		peak = max(peak, abs(value))
		if before < 0 and value >= 0:
			crossed += 1
			last = at
			if first < 0:
				first = at
		before = value
	print("peak ", peak / 32768.0)
	print("hertz ", (crossed - 1) * recording.mix_rate * 4.0 / max(1, last - first))
	quit()
	return true
