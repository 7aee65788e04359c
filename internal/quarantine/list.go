package quarantine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Stage is where pieces are; *stage.Stage is one.
type Stage interface {
	List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error]
	Reader(ctx context.Context, key string) (io.ReadCloser, error)
}

var _ Stage = (*stage.Stage)(nil)

// Entry is a piece in the stage.
type Entry struct {
	Key string
	// Place is what the key tells, Header what the object does.
	Place window.Piece
	Header
	// Bytes is the size of the object, header included.
	Bytes int64
	// At is when it was staged, by the clock of the storage.
	At time.Time
	// Damaged says why the object is no piece, and is nil where it is one.
	Damaged error
}

const (
	// readAtOnce bounds how many objects are read at a time.
	readAtOnce = 16
	// listChunk is how many objects are listed before they are read.
	listChunk = 256
)

// List yields the quarantined pieces of a pipeline in the order of their keys: by shard
// and window, and as they stood in it. Objects with other keys, such as files that were
// being written when their process was killed, are left out, and so are pieces that are
// delivered meanwhile. After an error nothing more is yielded.
func List(ctx context.Context, st Stage, pipeline string) iter.Seq2[Entry, error] {
	return list(ctx, st, pipeline, window.QuarantinePrefix(pipeline))
}

// Get looks for the piece with a key. The error wraps stage.ErrNotFound where there is
// none; a key that is not that of a piece is another error.
func Get(ctx context.Context, st Stage, pipeline, key string) (Entry, error) {
	if _, err := window.ParseQuarantineKey(pipeline, key); err != nil {
		return Entry{}, err
	}
	for e, err := range list(ctx, st, pipeline, key) {
		if err != nil || e.Key == key {
			return e, err
		}
	}
	return Entry{}, fmt.Errorf("read %s: %w", key, stage.ErrNotFound)
}

func list(ctx context.Context, st Stage, pipeline, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var chunk []Entry
		// flush reads what is listed and hands it on, and reports whether to go on.
		flush := func() bool {
			if err := readHeaders(ctx, st, chunk); err != nil {
				yield(Entry{}, err)
				return false
			}
			for _, e := range chunk {
				if !errors.Is(e.Damaged, stage.ErrNotFound) && !yield(e, nil) {
					return false
				}
			}
			chunk = chunk[:0]
			return true
		}
		for object, err := range st.List(ctx, prefix) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			piece, err := window.ParseQuarantineKey(pipeline, object.Key)
			if err != nil {
				continue
			}
			chunk = append(chunk, Entry{Key: object.Key, Place: piece, Bytes: object.Size, At: object.ModTime})
			if len(chunk) == listChunk && !flush() {
				return
			}
		}
		flush()
	}
}

// readHeaders reads what the keys do not tell. Pieces that are gone are damaged by
// stage.ErrNotFound.
func readHeaders(ctx context.Context, st Stage, entries []Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for i := range entries {
		group.Go(func() error {
			e := &entries[i]
			err := e.readHeader(ctx, st)
			if errors.Is(err, stage.ErrNotFound) || errors.Is(err, ErrCorrupt) {
				e.Damaged, err = err, nil
			}
			return err
		})
	}
	return group.Wait()
}

func (e *Entry) readHeader(ctx context.Context, st Stage) (err error) {
	object, err := st.Reader(ctx, e.Key)
	if err != nil {
		return err
	}
	// What is left unread may make closing fail, and tells nothing of what was read.
	defer func() { _ = object.Close() }()
	if e.Header, err = ReadHeader(object); err != nil {
		return fmt.Errorf("read %s: %w", e.Key, err)
	}
	return nil
}
