package loginput

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// decompressed unwraps up to two layers of gzip or zlib, told by their magic bytes.
func decompressed(src io.Reader) (io.Reader, error) {
	for range 2 {
		b := bufio.NewReaderSize(src, readSize)
		head, _ := b.Peek(2) // an error comes again from a read
		switch {
		case len(head) < 2:
			return b, nil
		case head[0] == 0x1f && head[1] == 0x8b:
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("malformed gzip: %w", err)
			}
			src = z
		case head[0] == 0x78 && (head[1] == 0x01 || head[1] == 0x5e || head[1] == 0x9c || head[1] == 0xda) && isZlib(b):
			z, err := zlib.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("malformed zlib: %w", err)
			}
			src = z
		default:
			return b, nil
		}
	}
	return src, nil
}

// isZlib tells zlib from text that begins with its magic number, "x^".
func isZlib(b *bufio.Reader) bool {
	head, _ := b.Peek(readSize)
	z, err := zlib.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	_, err = z.Read(make([]byte, 1))
	return err == nil || errors.Is(err, io.EOF)
}
