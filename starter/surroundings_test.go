package starter

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// endless is a stream that trims nothing.
type endless struct{}

func (endless) Retention(context.Context) (time.Duration, error) { return 24 * time.Hour, nil }

func (endless) Holds(context.Context, string, window.SequenceNumber) (bool, error) { return true, nil }

// noMarkers forgets every marker.
type noMarkers struct{}

func (noMarkers) Get(context.Context, string) (marker.Marker, bool, error) {
	return marker.Marker{}, false, nil
}
func (noMarkers) Advance(context.Context, marker.Marker) error { return nil }
func (noMarkers) Replace(context.Context, marker.Marker) error { return nil }

// unbounded is no ceiling.
type unbounded struct{}

func (unbounded) Take(context.Context) bool  { return true }
func (unbounded) Open(context.Context) int64 { return 0 }
func (unbounded) Most() int64                { return 0 }
