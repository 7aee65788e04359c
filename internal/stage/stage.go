// Package stage keeps the blobs of windows on their way: raw records, formatted
// batches, quarantined pieces. It is a thin layer above gocloud.dev/blob, which
// brings the kinds of storage: s3:// in production, file:// on one machine, and
// mem:// for tests; no process can be configured with the latter.
package stage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/memblob"  // mem://
	_ "gocloud.dev/blob/s3blob"   // s3://
	"gocloud.dev/gcerrors"
)

// ErrNotFound is wrapped where no object has the key.
var ErrNotFound = errors.New("no such object in the stage")

// Stage is where windows wait. An object is written once under a key that is
// made from its content's identity, so writing it again writes the same bytes.
type Stage struct {
	bucket  *blob.Bucket
	metrics *Metrics
}

// Measure has all operations from now on measured. It is for before the stage is used.
func (s *Stage) Measure(m *Metrics) { s.metrics = m }

// Open opens the stage at a URL: s3://bucket?prefix=path/, file:///directory or
// mem://. The directory of a file:// stage is made if it is missing.
//
// A mem:// stage is seen by the process that opened it and by no other, so it is for
// tests only.
func Open(ctx context.Context, rawURL string) (*Stage, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("stage URL %q: %w", rawURL, err)
	}
	if u.Scheme == "file" {
		q := u.Query()
		for option, value := range fileDefaults {
			if !q.Has(option) {
				q.Set(option, value)
			}
		}
		u.RawQuery = q.Encode()
	}
	bucket, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open the stage %s: %w", rawURL, err)
	}
	return &Stage{bucket: bucket}, nil
}

// fileDefaults are the options of a file:// stage: make the directory, write
// beside the target (a temporary directory can be on another disk, and then a
// rename is no longer atomic), and keep no sidecar file of metadata.
var fileDefaults = map[string]string{
	"create_dir": "true",
	"no_tmp_dir": "true",
	"metadata":   "skip",
}

// Close releases the stage. Objects stay.
func (s *Stage) Close() error { return s.bucket.Close() }

// Check reports whether the stage can be written, read and deleted from.
func (s *Stage) Check(ctx context.Context, key string) error {
	if err := s.Put(ctx, key, []byte("check")); err != nil {
		return err
	}
	if _, err := s.Get(ctx, key); err != nil {
		return err
	}
	return s.Delete(ctx, key)
}

// Put writes an object, all of it or none. When Put returns, an object in S3 is
// durable. A file has been renamed into place, but not flushed to the disk: it
// survives a process that is killed, not a power failure.
func (s *Stage) Put(ctx context.Context, key string, body []byte) (err error) {
	begun := time.Now()
	defer func() { s.metrics.ended(ctx, operationPut, begun, err) }()
	// Not WriteAll, which goes over the body twice more for an MD5 that no storage asks
	// for: the client of S3 sends a checksum of its own, and a file has none.
	err = s.bucket.Upload(ctx, key, bytes.NewReader(body), &blob.WriterOptions{
		ContentType: "application/octet-stream",
		// The whole body is in memory: one part, no buffer of the writer's own.
		BufferSize: max(len(body), 1),
	})
	if err != nil {
		return fmt.Errorf("write %s to the stage: %w", key, err)
	}
	return nil
}

// Reader opens an object for reading. Errors wrap ErrNotFound where there is
// none.
func (s *Stage) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	begun := time.Now()
	r, err := s.bucket.NewReader(ctx, key, nil)
	if err != nil {
		err = readError(key, err)
	}
	s.metrics.ended(ctx, operationGet, begun, err)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Get reads a whole object. Errors wrap ErrNotFound where there is none.
func (s *Stage) Get(ctx context.Context, key string) (_ []byte, err error) {
	begun := time.Now()
	defer func() { s.metrics.ended(ctx, operationGet, begun, err) }()
	r, err := s.bucket.NewReader(ctx, key, nil)
	if err != nil {
		return nil, readError(key, err)
	}
	defer r.Close()
	// What the storage says of the size saves growing, and is not relied upon.
	body := bytes.NewBuffer(make([]byte, 0, max(r.Size(), 0)+bytes.MinRead))
	if _, err := body.ReadFrom(r); err != nil {
		return nil, readError(key, err)
	}
	return body.Bytes(), nil
}

func readError(key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		return fmt.Errorf("read %s: %w", key, ErrNotFound)
	}
	return fmt.Errorf("read %s from the stage: %w", key, err)
}

// Delete deletes an object. An object that is not there is deleted.
func (s *Stage) Delete(ctx context.Context, key string) (err error) {
	begun := time.Now()
	defer func() { s.metrics.ended(ctx, operationDelete, begun, err) }()
	err = s.bucket.Delete(ctx, key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete %s from the stage: %w", key, err)
	}
	return nil
}

// Object is what a listing tells of an object.
type Object struct {
	Key string
	// Size in bytes.
	Size int64
	// ModTime is when it was written, by the clock of the storage.
	ModTime time.Time
}

// List yields the objects whose keys begin with the prefix, in the order of their
// keys, a page at a time: however many there are, few of them are in memory. What is
// written or deleted meanwhile may be missing or not. After an error nothing more is
// yielded.
func (s *Stage) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		list := s.bucket.List(&blob.ListOptions{Prefix: prefix})
		for {
			object, err := list.Next(ctx)
			if errors.Is(err, io.EOF) {
				s.metrics.ended(ctx, operationList, time.Time{}, nil)
				return
			}
			// Storage on this machine does not look at the context.
			if err = cmp.Or(err, ctx.Err()); err != nil {
				s.metrics.ended(ctx, operationList, time.Time{}, err)
				yield(Object{}, fmt.Errorf("list %s* in the stage: %w", prefix, err))
				return
			}
			if !yield(Object{Key: object.Key, Size: object.Size, ModTime: object.ModTime}, nil) {
				return
			}
		}
	}
}

// Keys lists the keys that begin with the prefix, in order.
func (s *Stage) Keys(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for object, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, object.Key)
	}
	return keys, nil
}
