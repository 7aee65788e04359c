package temporal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	uiapi "github.com/temporalio/ui-server/v2/server/api"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/csrf"
	"github.com/temporalio/ui-server/v2/server/headers"
	"github.com/temporalio/ui-server/v2/server/route"
	"github.com/temporalio/ui-server/v2/ui"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// uiMessageLimit is above the largest page of history that the frontend answers with.
	uiMessageLimit = 64 << 20

	uiStopTimeout = 2 * time.Second
)

// webUI serves the Web UI and the HTTP API below it. It is put together from the parts of the UI server, because that
// server opens its own listener and exits the process when it cannot.
type webUI struct {
	http *http.Server
	conn *grpc.ClientConn
}

func newWebUI(frontend string, options Options, logger *slog.Logger) (*webUI, error) {
	index, err := indexPage(options.Namespaces, options.UIColumns)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(frontend,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(uiMessageLimit)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", frontend, err)
	}
	handler, err := uiHandler(conn, frontend, options.Namespaces[0], index)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &webUI{
		conn: conn,
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
	}, nil
}

func uiHandler(conn *grpc.ClientConn, frontend, namespace string, index fs.FS) (http.Handler, error) {
	config, err := uiconfig.NewConfigProviderWithRefresh(&uiconfig.Config{
		TemporalGRPCAddress: frontend,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain HTTP
	})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(middleware.Recover(), middleware.Gzip(), middleware.Secure(),
		csrf.EnsureTokenCookie(false), middleware.CSRFWithConfig(csrf.MiddlewareConfig(config, false)))
	route.SetHealthRoute(e)
	route.SetRenderRoute(e, "")
	api := e.Group("/api/v1")
	api.GET("/settings", uiapi.GetSettings(config))
	api.GET(uiapi.WorkflowRawHistoryUrl, uiapi.WorkflowRawHistoryHandler(workflowservice.NewWorkflowServiceClient(conn)))
	api.Any("/*", uiapi.TemporalAPIHandler(config, []uiapi.Middleware{headers.WithForwardHeaders([]string{"Caller-Type"})}, conn))
	if err := route.SetUIRoutes(e, "", index); err != nil {
		return nil, err
	}
	return e, nil
}

// serve accepts connections in the background until stop.
func (u *webUI) serve(listener net.Listener, logger *slog.Logger) {
	go func() {
		if err := u.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("web UI ended", "error", err)
		}
	}()
}

func (u *webUI) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), uiStopTimeout)
	defer cancel()
	// A browser tab holds long polls open; they end with the connection.
	err := u.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = u.http.Close()
	}
	return errors.Join(err, u.conn.Close())
}

// uiAssets returns the files of the Web UI.
func uiAssets() (fs.FS, error) {
	assets, err := ui.Assets()
	if err != nil {
		return nil, err
	}
	return fs.Sub(assets, "local")
}
