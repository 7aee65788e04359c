package framing

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// EncodingGzip is the Content-Encoding of a compressed body.
const EncodingGzip = "gzip"

// maxDecompressed bounds what a body may decompress to; no setting allows larger ones.
const maxDecompressed = 128 << 20

// compressors are of the fastest level: the text of logs repeats itself so much that
// the others gain little.
var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is known
	return w
}}

// Encode returns the body in a content encoding, gzip or, if that is empty, none.
func Encode(encoding string, text []byte) ([]byte, error) {
	switch encoding {
	case "":
		return text, nil
	case EncodingGzip:
	default:
		return nil, fmt.Errorf("%w: content encoding %q is not known", ErrMalformed, encoding)
	}
	var out bytes.Buffer
	w := compressors.Get().(*gzip.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	// A buffer takes everything.
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes(), nil
}

// Decode is the inverse of [Encode]. Errors wrap ErrMalformed.
func Decode(encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case "":
		return body, nil
	case EncodingGzip:
	default:
		return nil, fmt.Errorf("%w: content encoding %q is not known", ErrMalformed, encoding)
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be decompressed", ErrMalformed)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxDecompressed+1))
	if err != nil || len(text) > maxDecompressed {
		return nil, fmt.Errorf("%w: it cannot be decompressed", ErrMalformed)
	}
	return text, nil
}
