package analytics

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// answerFault is what an answer suffers whose batch was stored.
type answerFault int

const (
	answered answerFault = iota
	drips
	isHuge
	closes
)

// hugeAnswer is the length of an answer that is too long, in bytes.
const hugeAnswer = 1 << 30

// failedItem is an event that was not taken though others of its batch were.
type failedItem struct {
	Index  int `json:"index"`
	Status int `json:"status"`
}

// partialAnswer is the answer to a batch: 207 if it lists events that failed.
type partialAnswer struct {
	Accepted int          `json:"accepted"`
	Failed   []failedItem `json:"failed,omitempty"`
}

func (a partialAnswer) status() int {
	if len(a.Failed) > 0 {
		return http.StatusMultiStatus
	}
	return http.StatusOK
}

// failure is the status of an event that fails, 0 for one that does not. It hangs on the
// batch's key and the event, so that a retry of the batch meets it again, and what is
// left of it under another key may not.
func (f Faults) failure(key string, event []byte) int {
	switch {
	case chosen(f.PartialRefusals, event):
		return http.StatusUnprocessableEntity
	case chosen(f.Partial, []byte(key), []byte{0}, event):
		return http.StatusServiceUnavailable
	}
	return 0
}

// write answers a batch that was stored, well or not. It does not return where it ends
// the connection.
func (a partialAnswer) write(w http.ResponseWriter, r *http.Request, fault answerFault) {
	if fault == answered {
		writeJSON(w, a.status(), a)
		return
	}
	body, _ := json.Marshal(a) // numbers can always be encoded
	w.Header().Set("Content-Type", "application/json")
	if fault == isHuge {
		w.WriteHeader(a.status())
		_, _ = w.Write(body)
		// Spaces behind the JSON are still JSON.
		_, _ = io.CopyN(w, spaces{}, hugeAnswer)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status())
	control := http.NewResponseController(w)
	if fault == closes {
		_, _ = w.Write(body[:len(body)/2])
		_ = control.Flush()
		panic(http.ErrAbortHandler)
	}
	for i := range body {
		if !pause(r.Context(), time.Second) {
			return
		}
		_, _ = w.Write(body[i : i+1])
		_ = control.Flush()
	}
}

// spaces reads as spaces without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
