package activities

// The pauses, which no activity lets see beyond its first attempt.
var (
	PauseAfter    = pauseAfter
	DeliveryPause = deliveryPause
)
