package chaos

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// journal prints a line for each thing that happens, with the time since the beginning.
type journal struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
}

func (j *journal) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.began = time.Now()
}

func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, "%7.1fs  %s\n", j.sinceLocked().Seconds(), fmt.Sprintf(format, args...))
}

func (j *journal) sinceLocked() time.Duration {
	if j.began.IsZero() {
		return 0
	}
	return time.Since(j.began)
}
