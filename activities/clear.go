package activities

import (
	"context"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// ClearStage deletes what a delivered window no longer needs.
func (c *Clear) ClearStage(ctx context.Context, in workflows.ClearStageInput) error {
	for _, whole := range in.Divided {
		for object, err := range c.Stage.List(ctx, whole+partSeparator) {
			if err == nil {
				err = c.Stage.Delete(ctx, object.Key)
			}
			if err != nil {
				return newStageUnavailable(err)
			}
		}
	}
	for _, key := range in.StageKeys {
		if err := c.Stage.Delete(ctx, key); err != nil {
			return newStageUnavailable(err)
		}
	}
	told(c.Metrics).Finished(ctx, false)
	return nil
}
