package activities

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// SplitBatch stages the halves of a batch that is too large for the destination. A batch
// of one event is its own only part.
func (s *Split) SplitBatch(ctx context.Context, in workflows.SplitBatchInput) (workflows.SplitBatchResult, error) {
	if in.Batch.Events < 2 {
		return workflows.SplitBatchResult{Batches: []workflows.Batch{in.Batch}}, nil
	}
	body, err := readBatch(ctx, s.Stage, in.Batch)
	if err != nil {
		return workflows.SplitBatchResult{}, err
	}
	all := make([]int, in.Batch.Events)
	for i := range all {
		all[i] = i
	}
	half := len(all) / 2
	parts, err := stageParts(ctx, s.Stage, in.Batch, body, all[:half], all[half:])
	return workflows.SplitBatchResult{Batches: parts}, err
}

// stageParts stages parts of a batch, each the events of some indices, and returns them.
// A part without any is left out of the stage, and one of all events is there already.
func stageParts(ctx context.Context, to Stage, whole workflows.Batch, body []byte, parts ...[]int) ([]workflows.Batch, error) {
	text, err := framing.Decode(whole.ContentEncoding, body)
	var events framing.Body
	if err == nil {
		events, err = framing.Parse(whole.ContentType, text)
	}
	if err == nil && events.Len() != whole.Events {
		err = fmt.Errorf("%d events, %d were written", events.Len(), whole.Events)
	}
	if err != nil {
		return nil, newStageObject(fmt.Errorf("read %s: %w", whole.StageKey, err))
	}
	staged := make([]workflows.Batch, len(parts))
	for n, indices := range parts {
		switch len(indices) {
		case 0:
			continue
		case whole.Events:
			// All of it, in the same bytes, under another key: an answer that lists every event
			// can come again and again.
			staged[n] = part(whole, indices, body)
			staged[n].StageKey = whole.StageKey
			continue
		}
		body, err := framing.Encode(whole.ContentEncoding, events.Select(slices.Values(indices)))
		if err != nil {
			return nil, newStageObject(fmt.Errorf("make a part of %s: %w", whole.StageKey, err))
		}
		staged[n] = part(whole, indices, body)
		if err := to.Put(ctx, staged[n].StageKey, body); err != nil {
			return nil, newStageUnavailable(err)
		}
	}
	return staged, nil
}

// part is the batch of some events of another one. The destination knows it by a key
// that depends on nothing but the whole's and the indices; the object is named after its
// bytes, too, as those of a whole batch are.
func part(whole workflows.Batch, indices []int, body []byte) workflows.Batch {
	key := digest([]byte(whole.IdempotencyKey + "\n" + ranges(indices)))
	return workflows.Batch{
		StageKey:        derive(whole.StageKey, digest(append([]byte(key), body...))),
		IdempotencyKey:  derive(whole.IdempotencyKey, key),
		Events:          len(indices),
		Bytes:           len(body),
		ContentType:     whole.ContentType,
		ContentEncoding: whole.ContentEncoding,
		FirstArrival:    whole.FirstArrival,
	}
}

// partSeparator stands in keys between that of a whole batch and the digest of a part.
const partSeparator = "."

// derive puts a digest behind a batch's key, in the place of one that an earlier division
// has left: keys do not grow, however often a batch is divided. What stands before says
// which batch of the window it was.
func derive(key, digest string) string {
	if slash, dot := strings.LastIndexByte(key, '/'), strings.LastIndex(key, partSeparator); dot > slash {
		key = key[:dot]
	}
	return key + partSeparator + digest
}

// ranges writes ascending indices down, such as 0-4,7.
func ranges(indices []int) string {
	var text []byte
	for i := 0; i < len(indices); {
		last := i
		for last+1 < len(indices) && indices[last+1] == indices[last]+1 {
			last++
		}
		if len(text) > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(indices[i]), 10)
		if last > i {
			text = append(text, '-')
			text = strconv.AppendInt(text, int64(indices[last]), 10)
		}
		i = last + 1
	}
	return string(text)
}
