package analytics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures a [Server]. The zero value of a field selects its default.
type Config struct {
	// ClientID and ClientSecret are the credentials of the one client. Both are
	// required.
	ClientID, ClientSecret string
	// TokenLife is how long a token works; default 5 minutes.
	TokenLife time.Duration
	// Faults are in force from the start. Their outages count from [New].
	Faults Faults
	// Seed makes the choices of the faults repeatable.
	Seed uint64
	// Recent is how many of the latest events are kept for display; default 20,
	// negative is none.
	Recent int
	// Logger gets what a person should know; default slog.Default.
	Logger *slog.Logger
}

// Where tokens are asked for, and where batches are posted to.
const (
	TokenPath  = "/oauth/token" //nolint:gosec // a path, and no credentials
	EventsPath = "/v1/events"
)

const (
	defaultTokenLife = 5 * time.Minute
	defaultRecent    = 20
)

// Server is the sample API. It is an [http.Handler] by itself; Start and Stop serve
// it on an address of its own.
type Server struct {
	config   Config
	mux      *http.ServeMux
	ledger   *ledger
	tokens   *tokens
	injector *injector
	secret   atomic.Pointer[string] // of the client

	mu       sync.Mutex
	http     *http.Server
	listener net.Listener
	served   chan struct{}
}

var _ http.Handler = (*Server)(nil)

// New makes a server that knows one client. It listens nowhere before Start.
func New(c Config) (*Server, error) {
	if c.ClientID == "" || c.ClientSecret == "" {
		return nil, errors.New("analytics API: client id and client secret must be set")
	}
	if c.TokenLife != 0 && c.TokenLife < minTokenLife {
		return nil, fmt.Errorf("analytics API: token life %s is shorter than %s", c.TokenLife, minTokenLife)
	}
	if c.TokenLife == 0 {
		c.TokenLife = defaultTokenLife
	}
	switch {
	case c.Recent == 0:
		c.Recent = defaultRecent
	case c.Recent < 0:
		c.Recent = 0
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	now := time.Now()
	s := &Server{
		config:   c,
		mux:      http.NewServeMux(),
		ledger:   newLedger(now, c.Recent),
		tokens:   newTokens(now),
		injector: newInjector(c.Seed, c.Faults, now),
	}
	s.SetClientSecret(c.ClientSecret)
	s.mux.HandleFunc("POST "+TokenPath, s.serveToken)
	s.mux.HandleFunc("POST /v1/login", s.serveLogin)
	s.mux.HandleFunc("POST "+EventsPath, s.serveEvents)
	s.mux.HandleFunc("GET "+logEventsPath, s.serveLogEvents)
	s.mux.HandleFunc("GET "+statsPath, s.serveStats)
	s.mux.HandleFunc("GET /events", s.serveRecent)
	s.mux.HandleFunc("GET "+faultsPath, s.serveFaults)
	s.mux.HandleFunc("PUT "+faultsPath, s.changeFaults)
	s.mux.HandleFunc("PATCH "+faultsPath, s.changeFaults)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	s.mux.HandleFunc("GET /{$}", s.serveIndex)
	return s, nil
}

// ServeHTTP serves all endpoints of the package comment.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Start listens on addr, such as "127.0.0.1:8080" or "127.0.0.1:0", and serves until
// Stop; the context bounds the start only. When it returns without error, requests are
// accepted. A server is started once.
func (s *Server) Start(ctx context.Context, addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return errors.New("analytics API: already started")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("analytics API: %w", err)
	}
	s.listener = listener
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
	}
	s.served = make(chan struct{})
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.config.Logger.Error("analytics API stopped serving", "error", err)
		}
	}()
	return nil
}

// Stop lets running requests finish until ctx ends, then closes what is left.
// Stopping twice, or before Start, does nothing. Counts can still be read.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	server, served := s.http, s.served
	s.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Shutdown(ctx)
	if err != nil {
		_ = server.Close()
		err = fmt.Errorf("analytics API: requests were still running at the end of the time to stop: %w", err)
	}
	<-served
	return err
}

// URL is the address that Start listens on, such as "http://127.0.0.1:8080"; it is
// empty before Start.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// EventsURL is where batches are posted to; it is empty before Start.
func (s *Server) EventsURL() string { return s.endpoint(EventsPath) }

// TokenURL is where tokens are asked for; it is empty before Start.
func (s *Server) TokenURL() string { return s.endpoint(TokenPath) }

// LoginURL is where a client logs in with a JSON body; it is empty before Start.
func (s *Server) LoginURL() string { return s.endpoint("/v1/login") }

func (s *Server) endpoint(path string) string {
	base := s.URL()
	if base == "" {
		return ""
	}
	return base + path
}

// Stats returns the counts. A batch is counted as a whole or not at all.
func (s *Server) Stats() Stats {
	now := time.Now()
	stats := s.ledger.stats()
	stats.TokensActive, stats.TokensRevoked = s.tokens.counts(now)
	stats.OutageActive = s.injector.outage(now) != nil
	return stats
}

// LogEvents yields each log event that an accepted event was made from once, by the id
// of [LogEventID], with its receipt, in no particular order. Batches accepted during the
// iteration may be missing in part.
func (s *Server) LogEvents() iter.Seq2[ID, Receipt] { return s.ledger.all() }

// Receipt returns how the log event with the id arrived; ok is false where it did not.
func (s *Server) Receipt(id ID) (r Receipt, ok bool) { return s.ledger.receipt(id) }

// Faults returns the faults in force.
func (s *Server) Faults() Faults { return s.injector.current() }

// SetFaults puts other faults in force. Outages and periodic revocations count from
// now.
func (s *Server) SetFaults(f Faults) {
	now := time.Now()
	s.tokens.rearm(now)
	s.injector.set(f, now, true)
}

// RevokeTokens makes every token granted so far useless and returns their number.
func (s *Server) RevokeTokens() int { return s.tokens.revokeAll(time.Now()) }
