package envelope

import (
	"bytes"
	"encoding/base64"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// maxCompressed is how often a record may be compressed: a stream that is fed from
// another one can hold what was compressed already. Each time it may be in base64,
// too, which producers write that do not know that the SDK encodes for them.
const maxCompressed = 2

// layers take off what a record is wrapped in, one after the other.
type layers struct {
	list [2 * maxCompressed]layer
}

// open returns a reader of what is inside all layers of the data that src reads, or
// nil where there are none. No layer may give more than limit bytes, or reason is the
// error: else one that holds nothing but the beginnings of others would be read for as
// long as it lasts.
func (ls *layers) open(src io.Reader, data []byte, limit int64, reason error) (io.Reader, error) {
	var inside io.Reader
	head := data
	used, compressed := 0, 0
	for used < len(ls.list) {
		kind := encodingOf(head)
		if kind == plain || kind == base64Text && used > 0 && ls.list[used-1].kind == base64Text {
			break
		}
		if kind != base64Text {
			if compressed++; compressed > maxCompressed {
				break
			}
		}
		l := &ls.list[used]
		used++
		if err := l.open(kind, src); err != nil {
			return nil, err
		}
		// One byte more than what is asked of the last layer at most, so that it is the
		// source which finds the limit there.
		l.left, l.reason = limit+1, reason
		head = l.peek()
		src, inside = l, l
	}
	return inside, nil
}

// release lets go of what the layers read from.
func (ls *layers) release() {
	for i := range ls.list {
		ls.list[i].reader = nil
		ls.list[i].peeked = nil
	}
}

// encoding is what data is wrapped in.
type encoding uint8

const (
	plain encoding = iota
	gzipped
	zlibbed
	base64Text
)

// encodingOf tells by the first bytes. In base64, gzip begins with H4sI and a JSON
// object whose first member follows its brace with eyJ.
func encodingOf(head []byte) encoding {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case isZlib(head):
		return zlibbed
	case bytes.HasPrefix(head, []byte("H4sI")), bytes.HasPrefix(head, []byte("eyJ")):
		return base64Text
	}
	return plain
}

// isZlib tells by the two header bytes: deflate with a 32 KiB window, in any
// of the four compression levels the header can name.
func isZlib(data []byte) bool {
	if len(data) < 2 || data[0] != 0x78 {
		return false
	}
	switch data[1] {
	case 0x01, 0x5e, 0x9c, 0xda:
		return true
	}
	return false
}

// layer reads what is inside one wrapping.
type layer struct {
	kind encoding
	gzip *gzip.Reader
	zlib io.ReadCloser // also a zlib.Resetter

	reader io.Reader
	left   int64 // how much more may be read
	reason error // why no more

	head   [4]byte
	peeked []byte // what was read ahead, in head
}

func (l *layer) open(kind encoding, src io.Reader) (err error) {
	l.kind, l.peeked = kind, nil
	switch kind {
	case gzipped:
		if l.gzip == nil {
			l.gzip, err = gzip.NewReader(src)
		} else {
			err = l.gzip.Reset(src)
		}
		l.reader = l.gzip
	case zlibbed:
		if l.zlib == nil {
			l.zlib, err = zlib.NewReader(src)
		} else {
			err = l.zlib.(zlib.Resetter).Reset(src, nil)
		}
		l.reader = l.zlib
	default:
		l.reader = base64.NewDecoder(base64.StdEncoding, src)
	}
	if err != nil {
		l.gzip, l.zlib = nil, nil
	}
	return err
}

// peek returns the first bytes, fewer at the end of the data or before an error. What
// ended them comes again from the next read.
func (l *layer) peek() []byte {
	n, _ := io.ReadFull(l, l.head[:])
	l.peeked = l.head[:n]
	return l.peeked
}

// Read implements io.Reader.
func (l *layer) Read(p []byte) (int, error) {
	if len(l.peeked) > 0 {
		n := copy(p, l.peeked)
		l.peeked = l.peeked[n:]
		return n, nil
	}
	if l.left <= 0 {
		return 0, l.reason
	}
	n, err := l.reader.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
