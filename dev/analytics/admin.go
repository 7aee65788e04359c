package analytics

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"time"
)

func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Stats())
}

func (s *Server) serveRecent(w http.ResponseWriter, r *http.Request) {
	limit := s.config.Recent
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			writeJSON(w, http.StatusBadRequest, &apiError{Code: "invalid_limit", Message: fmt.Sprintf("limit %q is no number of events", text)})
			return
		}
		limit = min(n, limit)
	}
	events := []json.RawMessage{}
	for _, raw := range s.ledger.latest(limit) {
		events = append(events, raw)
	}
	writeJSON(w, http.StatusOK, events)
}

func (s *Server) serveFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Faults())
}

// changeFaults serves PUT, which unsets what the body does not name, and PATCH,
// which leaves it. With the member "revoke-now" set to true all tokens are revoked.
func (s *Server) changeFaults(w http.ResponseWriter, r *http.Request) {
	change, err := s.requestedFaults(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, &apiError{Code: "invalid_faults", Message: err.Error()})
		return
	}
	now := time.Now()
	if change.restartRevocations {
		s.tokens.rearm(now)
	}
	s.injector.set(change.faults, now, change.restartOutages)
	if change.revokeNow {
		s.tokens.revokeAll(now)
	}
	s.config.Logger.Info("faults set", "faults", change.faults.String(), "revoke_now", change.revokeNow)
	s.serveFaults(w, r)
}

type faultsChange struct {
	faults             Faults
	restartOutages     bool // they count from now
	restartRevocations bool
	revokeNow          bool
}

func (s *Server) requestedFaults(r *http.Request) (faultsChange, error) {
	var members map[string]json.RawMessage
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&members); err != nil {
		return faultsChange{}, fmt.Errorf("the body must be a JSON object of faults: %w", err)
	}
	change := faultsChange{restartOutages: true, restartRevocations: true}
	if r.Method == http.MethodPatch {
		change.faults = s.Faults()
		_, change.restartOutages = members[outageSetting]
		_, change.restartRevocations = members[revokeSetting]
	}
	if raw, ok := members["revoke-now"]; ok {
		if err := json.Unmarshal(raw, &change.revokeNow); err != nil {
			return faultsChange{}, errors.New(`"revoke-now" must be true or false`)
		}
		delete(members, "revoke-now")
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return faultsChange{}, err
	}
	return change, change.faults.UnmarshalJSON(rest)
}

//go:embed index.html
var indexSource string

var index = template.Must(template.New("index").Parse(indexSource))

func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	var events []string
	for _, raw := range s.ledger.latest(s.config.Recent) {
		events = append(events, string(raw))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = index.Execute(w, map[string]any{"Stats": s.Stats(), "Faults": s.Faults().String(), "Events": events})
}
