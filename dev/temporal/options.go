package temporal

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

const (
	// DefaultNamespace is registered when [Options.Namespaces] is empty.
	DefaultNamespace = "default"

	// DefaultRetention is how long closed workflows are kept when [Options.Retention] is zero.
	DefaultRetention = 72 * time.Hour

	// minRetention is the server's own lower limit.
	minRetention = time.Hour

	loopback = "127.0.0.1"
)

// Options of a server. The zero value is a server in memory with the namespace "default" on free ports.
type Options struct {
	// Listen is the host:port of the gRPC frontend. Empty, or port 0, takes a free port. The host must be a loopback
	// address, unless Remote is set; an empty host is 127.0.0.1.
	Listen string

	// UIListen is the host:port of the Web UI, with the same rules.
	UIListen string

	// Remote lets Listen and UIListen be addresses that other machines can reach, such as 0.0.0.0. There is no
	// authentication: whoever reaches the server may do anything. It is for containers on a network of their own.
	Remote bool

	// DataDir keeps the server's state in a database in this directory, which is created if it is missing. One server
	// at a time can use it. Empty keeps the state in memory.
	DataDir string

	// Namespaces to register. Empty registers [DefaultNamespace]. The first is the one that [Server.NewClient] and the
	// Web UI open.
	Namespaces []string

	// Retention is how long the namespaces keep closed workflows, one hour at least. Zero is [DefaultRetention].
	Retention time.Duration

	// SearchAttributes to register in every namespace, by name. The database has a fixed number of columns for each
	// type: 10 of Keyword and 3 each of Bool, Datetime, Double, Int, KeywordList and Text.
	SearchAttributes map[string]enumspb.IndexedValueType

	// SuggestContinueAsNew is after how many events of its history a workflow is told to go on as a new run. Zero is the
	// server's own number, 4096; a low one shows within seconds how workflows do that.
	SuggestContinueAsNew int

	// UIColumns are the columns of the Web UI's workflow list for a browser that has none configured, in order: labels
	// that the Web UI knows, such as "Status" or "Workflow ID", and names from SearchAttributes. Empty leaves the
	// defaults of the Web UI.
	UIColumns []string

	// Logger receives the server's own log lines. Nil writes text to standard error.
	Logger *slog.Logger

	// LogLevel is the lowest level of the server's lines that reach Logger. Nil is [slog.LevelWarn]: the server tells
	// hundreds of lines about its own life at lower levels.
	LogLevel slog.Leveler
}

// Validate reports all faults at once.
func (o Options) Validate() error {
	_, err := o.resolve()
	return err
}

// resolve fills in the defaults and reports all faults at once.
func (o Options) resolve() (Options, error) {
	var errs []error
	var err error
	if o.Listen, err = listenAddress(o.Listen, o.Remote); err != nil {
		errs = append(errs, fmt.Errorf("listen address: %w", err))
	}
	if o.UIListen, err = listenAddress(o.UIListen, o.Remote); err != nil {
		errs = append(errs, fmt.Errorf("web UI listen address: %w", err))
	}
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{DefaultNamespace}
	}
	for i, name := range o.Namespaces {
		switch {
		case strings.TrimSpace(name) == "":
			errs = append(errs, errors.New("a namespace has no name"))
		case strings.HasPrefix(name, "temporal-"):
			errs = append(errs, fmt.Errorf("namespace %q: names beginning with temporal- belong to the server", name))
		case slices.Contains(o.Namespaces[:i], name):
			errs = append(errs, fmt.Errorf("namespace %q is given twice", name))
		}
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Retention < minRetention {
		errs = append(errs, fmt.Errorf("retention %v is below the minimum of %v", o.Retention, minRetention))
	}
	if o.SuggestContinueAsNew < 0 {
		errs = append(errs, fmt.Errorf("suggesting continue-as-new after %d events: want a positive number, or 0 for the server's own", o.SuggestContinueAsNew))
	}
	errs = append(errs, checkSearchAttributes(o.SearchAttributes), checkColumns(o.UIColumns, o.SearchAttributes))
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if o.LogLevel == nil {
		o.LogLevel = slog.LevelWarn
	}
	return o, errors.Join(errs...)
}

// listenAddress normalises host:port and refuses hosts that other machines can reach, unless that is wanted.
func listenAddress(address string, remote bool) (string, error) {
	if address == "" {
		return net.JoinHostPort(loopback, "0"), nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not host:port", address)
	}
	if host == "" || host == "localhost" {
		host = loopback
	}
	ip := net.ParseIP(host)
	if remote && ip == nil {
		return "", fmt.Errorf("%q: want an IP address to listen on, such as %s", address, net.JoinHostPort("0.0.0.0", port))
	}
	if !remote && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%q: the development server has no authentication and listens on loopback only, such as %s",
			address, net.JoinHostPort(loopback, port))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q: invalid port: want a number from 0 to 65535", address)
	}
	return net.JoinHostPort(host, port), nil
}
