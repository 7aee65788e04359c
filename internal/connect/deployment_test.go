package connect_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/connect"
)

func TestDeployment(t *testing.T) {
	t.Parallel()
	require.Zero(t, connect.Deployment("", "v1"), "without a deployment there is no versioning")
	require.Equal(t, worker.DeploymentOptions{
		UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: "logpipe-orders", BuildID: "v1"},
	}, connect.Deployment("logpipe-orders", "v1"))

	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	connect.TellDeployment(logger, "", "v1")
	require.Empty(t, out.String())
	connect.TellDeployment(logger, "logpipe-orders", "v1")
	require.Contains(t, out.String(), "temporal worker deployment set-current-version --deployment-name logpipe-orders --build-id v1")
}
