package connect

import (
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/worker"
)

// Deployment makes a worker of the SDK a version of a Worker Deployment; without a name it
// makes it none. How open workflows go from one version to the next is registered with them.
func Deployment(name, buildID string) worker.DeploymentOptions {
	if name == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version:       worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: buildID},
	}
}

// TellDeployment logs what has to be done for a version to take tasks, since nothing else says
// why it takes none.
func TellDeployment(logger *slog.Logger, name, buildID string) {
	if name == "" {
		return
	}
	logger.Info("this version takes tasks while it is the current one of its deployment",
		"deployment", name, "build_id", buildID,
		"command", fmt.Sprintf("temporal worker deployment set-current-version --deployment-name %s --build-id %s", name, buildID))
}
