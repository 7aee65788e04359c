package checkup

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// Objects is what is tried of the stage; *stage.Stage has it.
type Objects interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error]
	Delete(ctx context.Context, key string) error
}

// StageCheck is what Stage needs.
type StageCheck struct {
	// URL of the stage, as it is set.
	URL string
	// Prefix of the keys that are for trying: neither the sweeper nor a recovery looks
	// there.
	Prefix string
	// Probe tells this trial from others that run at the same time.
	Probe string
	Open  func(context.Context) (Objects, error)
}

// remedyStage continues with the action that is missing.
const remedyStage = "allow the task roles of starters and workers %s; see that the bucket exists in this region, and that its policy and the key that it is encrypted with let them"

// Stage writes, reads, lists and deletes an object of its own.
func Stage(c StageCheck) Check {
	return Check{Name: nameStage, Run: func(ctx context.Context, r *Report) {
		objects, err := c.Open(ctx)
		if err != nil {
			r.fail("open", "LOGPIPE_STAGE_URL is like s3://bucket?prefix=logs/ or file:///var/lib/logpipe", err)
			r.untried("the stage cannot be opened", "put", "get", "list", "delete")
			return
		}
		key, body := c.Prefix+c.Probe, []byte("logpipe check "+c.Probe)
		written := objects.Put(ctx, key, body)
		r.did("put", fmt.Sprintf(remedyStage, "s3:PutObject on the stage, and kms:GenerateDataKey if the bucket has a key of its own"), written, "wrote %s", key)

		if written != nil {
			r.untried("there is no object to read", "get")
		} else {
			read, err := objects.Get(ctx, key)
			if err == nil && !bytes.Equal(read, body) {
				err = fmt.Errorf("read %s: it holds something else than was written a moment ago", key)
			}
			r.did("get", fmt.Sprintf(remedyStage, "s3:GetObject on the stage, and kms:Decrypt if the bucket has a key of its own"), err, "read it again")
		}

		found, err := listed(ctx, objects, c.Prefix, key)
		if err == nil && written == nil && !found {
			err = fmt.Errorf("list %s*: %s is not in the list, although it was written a moment ago", c.Prefix, key)
		}
		r.did("list", fmt.Sprintf(remedyStage, "s3:ListBucket on the bucket"), err, "listed %s", c.Prefix)

		if written != nil {
			// Who may delete is told that nothing is there, which is as good.
			r.did("delete", fmt.Sprintf(remedyStage, "s3:DeleteObject on the stage"), objects.Delete(ctx, key), "may delete")
			return
		}
		// The trial leaves nothing behind, even if its time is over.
		r.did("delete", fmt.Sprintf(remedyStage, "s3:DeleteObject on the stage")+"; and delete "+key, objects.Delete(context.WithoutCancel(ctx), key), "deleted it")
	}}
}

// did reports what came of trying something.
func (r *Report) did(what, remedy string, err error, format string, args ...any) {
	if err != nil {
		r.fail(what, remedy, err)
		return
	}
	r.ok(what, format, args...)
}

func listed(ctx context.Context, objects Objects, prefix, key string) (bool, error) {
	for object, err := range objects.List(ctx, prefix) {
		if err != nil {
			return false, err
		}
		if object.Key == key {
			return true, nil
		}
	}
	return false, nil
}
