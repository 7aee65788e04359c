package activities

import (
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// slowHere is how long a small window takes only where something is wrong with the stage.
	slowHere = 2 * time.Second
	// restHere is for how long after that no windows are formatted in workflow tasks.
	restHere = 30 * time.Second
)

// here says whether windows are formatted in workflow tasks, as local activities. These keep
// the slots of a worker's workflow tasks, and with them everything else that workflows
// have to do, so they must not wait for a stage that is slow or away. Activities of their own
// can. The zero value is ready to use.
type here struct {
	mu    sync.Mutex
	until time.Time // rests
}

// rests: nothing is formatted here now.
func (h *here) rests() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Before(h.until)
}

// rest begins a rest.
func (h *here) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.until = time.Now().Add(restHere)
}

// begin watches the formatting of a window. The returned function is called with its error.
func (h *here) begin() (ended func(error)) {
	slow := time.AfterFunc(slowHere, h.rest)
	return func(err error) {
		slow.Stop()
		if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok && failure.Type() == ErrorStageUnavailable {
			h.rest()
		}
	}
}

// newNotHere has a window formatted by an activity of its own.
func newNotHere() error {
	return temporal.NewApplicationError("the stage was slow or away a moment ago: the window is formatted by an activity of its own", workflows.ErrorNotHere)
}
