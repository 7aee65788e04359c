package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/testing/freeport"
	temporalserver "go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	dataStore   = "sqlite"

	// historyShards cannot change once a data directory exists. One connection writes to the database, so that more
	// shards would only add queues to read.
	historyShards = 1

	probeInterval = 10 * time.Millisecond
)

// Server is a running Temporal server. It is safe for concurrent use.
type Server struct {
	address    string
	uiAddress  string
	namespaces []string
	logger     *slog.Logger
	closers    []func() error // in the order of their start

	stopOnce sync.Once
	stopErr  error
}

// Start starts a server and returns when its namespaces answer. The context bounds the start only; a server that
// started runs until [Server.Stop].
//
// Wrong options, an address in use and a data directory that another server uses are errors.
func Start(ctx context.Context, options Options) (*Server, error) {
	options, err := options.resolve()
	if err != nil {
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	logger := newServerLogger(options.Logger, options.LogLevel.Level())
	s := &Server{namespaces: options.Namespaces, logger: logger.slog}
	if err := s.start(ctx, options, logger); err != nil {
		return nil, errors.Join(fmt.Errorf("temporal server: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, options Options, logger *serverLogger) error {
	uiListener, err := listen(ctx, options.UIListen)
	if err != nil {
		return fmt.Errorf("web UI: %w", err)
	}
	s.closeLater(func() error { return ignoreClosed(uiListener.Close()) })
	s.uiAddress = uiListener.Addr().String()

	if s.address, err = reserve(ctx, options.Listen); err != nil {
		return fmt.Errorf("frontend: %w", err)
	}
	store, err := openStorage(ctx, options.DataDir)
	if err != nil {
		return err
	}
	s.closeLater(store.unlock)
	if err := store.registerNamespaces(ctx, options); err != nil {
		return err
	}
	if err := s.startServices(store, options, logger); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return fmt.Errorf("wait for namespaces: %w", err)
	}
	ui, err := newWebUI(reachable(s.address), options, s.logger)
	if err != nil {
		return fmt.Errorf("web UI: %w", err)
	}
	ui.serve(uiListener, s.logger)
	s.closeLater(ui.stop)
	return nil
}

func (s *Server) startServices(store *storage, options Options, logger *serverLogger) error {
	cfg, hosts, err := serverConfig(s.address, store)
	if err != nil {
		return err
	}
	var server temporalserver.Server
	err = logger.fatals.build(func() (err error) {
		server, err = temporalserver.NewServer(
			temporalserver.WithConfig(cfg),
			temporalserver.ForServices(temporalserver.DefaultServices),
			temporalserver.WithStaticHosts(hosts),
			temporalserver.WithDynamicConfigClient(dynamicConfig(options)),
			temporalserver.WithLogger(logger),
			temporalserver.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
			temporalserver.WithAuthorizer(authorization.NewNoopAuthorizer()),
			temporalserver.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
				return authorization.NewNoopClaimMapper()
			}),
		)
		return err
	})
	if err != nil {
		return err
	}
	s.closeLater(func() error {
		logger.stopping()
		return server.Stop()
	})
	return logger.fatals.start(server.Start)
}

// serverConfig describes the four services of a server in one process, and where they find each other: by fixed
// addresses, which needs none of the membership protocol's listeners.
func serverConfig(listen string, store *storage) (*config.Config, map[primitives.ServiceName]static.Hosts, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, nil, err
	}
	frontend := reachable(listen)
	cfg := &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     dataStore,
			VisibilityStore:  dataStore,
			NumHistoryShards: historyShards,
			DataStores:       map[string]config.DataStore{dataStore: {SQL: store.config}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: frontend},
	}
	const disabled = "disabled"
	cfg.Archival.History.State, cfg.Archival.Visibility.State = disabled, disabled
	cfg.NamespaceDefaults.Archival.History.State, cfg.NamespaceDefaults.Archival.Visibility.State = disabled, disabled

	hosts := map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: static.SingleLocalHost(frontend),
		primitives.HistoryService:  static.SingleLocalHost(freeAddress()),
		primitives.MatchingService: static.SingleLocalHost(freeAddress()),
	}
	cfg.Services = make(map[string]config.Service)
	for name, host := range hosts {
		address := host.Self
		if name == primitives.FrontendService {
			address = listen
		}
		if cfg.Services[string(name)], err = serviceConfig(address); err != nil {
			return nil, nil, err
		}
	}
	// Nobody calls the worker service: any port will do, and it knows itself by the name of the machine.
	hosts[primitives.WorkerService] = static.SingleLocalHost(hostname)
	if cfg.Services[string(primitives.WorkerService)], err = serviceConfig(net.JoinHostPort(loopback, "0")); err != nil {
		return nil, nil, err
	}
	return cfg, hosts, nil
}

// reachable is where this machine reaches what listens on an address: 0.0.0.0 can be listened on, but not called.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return address
	}
	return net.JoinHostPort(loopback, port)
}

func serviceConfig(address string) (config.Service, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return config.Service{}, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return config.Service{}, err
	}
	return config.Service{RPC: config.RPC{BindOnIP: host, GRPCPort: number}}, nil
}

// reserve returns the address to listen on, with a free port in place of port 0, or the reason why it cannot be
// listened on. The server opens its listeners itself and has no good error for one in use.
func reserve(ctx context.Context, address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return net.JoinHostPort(host, strconv.Itoa(freeport.MustGetFreePort())), nil
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: stop the process that listens there or choose another address", address)
	}
	return listener, err
}

func freeAddress() string {
	return net.JoinHostPort(loopback, strconv.Itoa(freeport.MustGetFreePort()))
}

// waitReady returns when every namespace answers a question that passes the frontend, the history service and the
// database.
func (s *Server) waitReady(ctx context.Context) error {
	for _, namespace := range s.namespaces {
		c, err := s.NewClient(ctx, client.Options{Namespace: namespace})
		if err != nil {
			return err
		}
		defer c.Close()
		for {
			_, err := c.DescribeWorkflowExecution(ctx, "ready?", "")
			if notFound := new(serviceerror.NotFound); errors.As(err, &notFound) {
				break
			}
			select {
			case <-ctx.Done():
				return errors.Join(fmt.Errorf("%q: %w", namespace, ctx.Err()), err)
			case <-time.After(probeInterval):
			}
		}
	}
	return nil
}

// Address is the host:port that the gRPC frontend listens on.
func (s *Server) Address() string { return s.address }

// UIAddress is the host:port that the Web UI listens on, which speaks HTTP.
func (s *Server) UIAddress() string { return s.uiAddress }

// NewClient connects a client to the server. HostPort is always the server's; an empty Namespace is the server's first
// one, and a nil Logger the server's logger with its level. The caller closes the client.
func (s *Server) NewClient(ctx context.Context, options client.Options) (client.Client, error) {
	options.HostPort = reachable(s.address)
	if options.Namespace == "" {
		options.Namespace = s.namespaces[0]
	}
	if options.Logger == nil {
		options.Logger = sdklog.NewStructuredLogger(s.logger)
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("connect to temporal server at %s: %w", s.address, err)
	}
	return c, nil
}

// Stop stops the server and returns when its addresses and its data directory are free again. Workflows in a data
// directory go on when a server is started with it. Further calls return the result of the first.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		for _, closer := range slices.Backward(s.closers) {
			s.stopErr = errors.Join(s.stopErr, closer())
		}
	})
	return s.stopErr
}

func (s *Server) closeLater(f func() error) { s.closers = append(s.closers, f) }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
