package localaws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const adminPath = "/_localaws/"

func (s *Server) adminRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+adminPath+"health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "region": s.cfg.Region, "account": s.cfg.Account})
	})
	mux.HandleFunc("POST "+adminPath+"flush", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Flush(r.Context()); err != nil {
			writeError(w, http.StatusServiceUnavailable, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]int64{"undelivered": s.Undelivered()})
	})
	mux.HandleFunc("POST "+adminPath+"expire-iterators", func(w http.ResponseWriter, _ *http.Request) {
		s.ExpireIterators()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST "+adminPath+"clock", func(w http.ResponseWriter, r *http.Request) {
		behind, err := time.ParseDuration(r.URL.Query().Get("behind"))
		if err != nil || behind < 0 {
			writeError(w, http.StatusBadRequest, fmt.Errorf("behind=%q: want a duration such as 2m, or 0s", r.URL.Query().Get("behind")))
			return
		}
		s.SetClockBehind(behind)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET "+adminPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.faults.List())
	})
	mux.HandleFunc("POST "+adminPath+"faults", s.addFault)
	mux.HandleFunc("DELETE "+adminPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+adminPath+"faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !s.faults.Delete(r.PathValue("id")) {
			http.Error(w, "no fault rule with this id", http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields() // a misspelt member would make a rule that matches too much
	var rule FaultRule
	if err := d.Decode(&rule); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	id, err := s.faults.Add(rule)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"id": id})
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that went away cannot be told
}
