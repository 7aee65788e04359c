package activities

// The pauses, which no activity lets see beyond its first attempt.
var (
	PauseAfter    = pauseAfter
	DeliveryPause = deliveryPause
)

// Here is for tests of its times.
type Here = here

func (h *here) Begin() func(error) { return h.begin() }
func (h *here) Rests() bool        { return h.rests() }
