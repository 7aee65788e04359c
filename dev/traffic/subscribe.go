package traffic

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Subscription is the filter that forwards each log group to a stream.
type Subscription struct {
	Name           string // of the filter
	DestinationARN string // of the Kinesis data stream
	RoleARN        string // that lets CloudWatch Logs write to the stream
	Pattern        string // what to forward; empty is everything
}

// Ensure makes the log group with its subscription, and the log stream, where they
// do not exist. The filter is there before any event is put: a filter forwards
// nothing that came before it.
func (w *Writer) Ensure(ctx context.Context, group, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	place := stream{group, name}
	if w.places[place] {
		return nil
	}
	if !w.groups[group] {
		if err := w.ensureGroup(ctx, group); err != nil {
			return err
		}
		w.groups[group] = true
	}
	err := w.patiently(ctx, "create log stream", func() error {
		_, err := w.client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name})
		return unlessExists(err)
	})
	if err != nil {
		return fmt.Errorf("create log stream %q in %q: %w", name, group, err)
	}
	w.places[place] = true
	return nil
}

func (w *Writer) ensureGroup(ctx context.Context, group string) error {
	err := w.patiently(ctx, "create log group", func() error {
		_, err := w.client.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
		return unlessExists(err)
	})
	if err != nil {
		return fmt.Errorf("create log group %q: %w", group, err)
	}
	if w.subscription == nil {
		return nil
	}
	err = w.patiently(ctx, "put subscription filter", func() error {
		_, err := w.client.PutSubscriptionFilter(ctx, &cloudwatchlogs.PutSubscriptionFilterInput{
			LogGroupName:   &group,
			FilterName:     &w.subscription.Name,
			FilterPattern:  &w.subscription.Pattern,
			DestinationArn: &w.subscription.DestinationARN,
			RoleArn:        optional(w.subscription.RoleARN),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("subscribe log group %q to %s: %w", group, w.subscription.DestinationARN, err)
	}
	return nil
}

func (w *Writer) forget(place stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, place.group)
	for known := range w.places {
		if known.group == place.group {
			delete(w.places, known)
		}
	}
}

func unlessExists(err error) error {
	if _, ok := errors.AsType[*types.ResourceAlreadyExistsException](err); ok {
		return nil
	}
	return err
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
