package window

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"time"
)

// The staged form of a window. It begins with FileMagic; then each record
//
//	uvarint   length of the sequence number, then its decimal digits
//	varint    arrival, milliseconds since 1970
//	uvarint   length of the data, then the data
//
// and a trailer: a zero byte (no sequence number is empty), the number of
// records as a uvarint, and the CRC-32C of everything before it, little endian.
// The trailer tells a complete object from one that was cut short. The same
// records always give the same bytes.

// FileMagic begins a staged window.
const FileMagic = "logpipe-window-1\n"

// MaxRecordBytes is the largest payload of one record that Kinesis allows.
const MaxRecordBytes = 10 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCorrupt is wrapped by every error that Read yields for bytes that are not a
// complete staged window.
var ErrCorrupt = errors.New("staged window is damaged")

// Append appends the staged form of the records to buf.
func Append(buf []byte, records []Record) []byte {
	start := len(buf)
	buf = append(buf, FileMagic...)
	for _, r := range records {
		buf = binary.AppendUvarint(buf, uint64(len(r.SequenceNumber)))
		buf = append(buf, r.SequenceNumber...)
		buf = binary.AppendVarint(buf, r.Arrival.UnixMilli())
		buf = binary.AppendUvarint(buf, uint64(len(r.Data)))
		buf = append(buf, r.Data...)
	}
	buf = append(buf, 0)
	buf = binary.AppendUvarint(buf, uint64(len(records)))
	return binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf[start:], castagnoli))
}

// Read yields the records of a staged window one by one, so that memory is
// bounded by the largest record. A record's Data is valid until the next one is
// asked for. After an error, which wraps ErrCorrupt unless it came from r
// itself, nothing more is yielded. Damage that only the checksum shows is
// reported at the end: whoever must not act on damaged records drains first.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		f := &fileReader{src: bufio.NewReader(r)}
		if err := f.magic(); err != nil {
			yield(Record{}, err)
			return
		}
		for n := 0; ; n++ {
			rec, err := f.record()
			if errors.Is(err, errTrailer) {
				err = f.trailer(n)
				if err == nil {
					return
				}
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("record %d: %w", n, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// errTrailer ends the records; it never leaves this file.
var errTrailer = errors.New("trailer")

type fileReader struct {
	src  *bufio.Reader
	sum  uint32
	one  [1]byte // what was read last; a slice made for it would be allocated
	data []byte
}

// ReadByte implements io.ByteReader for the varints, keeping the checksum.
func (f *fileReader) ReadByte() (byte, error) {
	b, err := f.src.ReadByte()
	if err == nil {
		f.one[0] = b
		f.sum = crc32.Update(f.sum, castagnoli, f.one[:])
	}
	return b, err
}

func (f *fileReader) full(n uint64, limit int, what string) ([]byte, error) {
	if n > uint64(limit) {
		return nil, fmt.Errorf("%w: %s of %d bytes, at most %d are possible", ErrCorrupt, what, n, limit)
	}
	if cap(f.data) < int(n) {
		f.data = make([]byte, n)
	}
	f.data = f.data[:n]
	if _, err := io.ReadFull(f.src, f.data); err != nil {
		return nil, short(what, err)
	}
	f.sum = crc32.Update(f.sum, castagnoli, f.data)
	return f.data, nil
}

func (f *fileReader) magic() error {
	got, err := f.full(uint64(len(FileMagic)), len(FileMagic), "header")
	if err != nil {
		return err
	}
	if string(got) != FileMagic {
		return fmt.Errorf("%w: header %q instead of %q", ErrCorrupt, got, FileMagic)
	}
	return nil
}

func (f *fileReader) record() (Record, error) {
	n, err := binary.ReadUvarint(f)
	if err != nil {
		return Record{}, short("sequence number", err)
	}
	if n == 0 {
		return Record{}, errTrailer
	}
	digits, err := f.full(n, maxSequenceDigits, "sequence number")
	if err != nil {
		return Record{}, err
	}
	seq, err := ParseSequenceNumber(string(digits))
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	ms, err := binary.ReadVarint(f)
	if err != nil {
		return Record{}, short("arrival time", err)
	}
	n, err = binary.ReadUvarint(f)
	if err != nil {
		return Record{}, short("data length", err)
	}
	data, err := f.full(n, MaxRecordBytes, "data")
	if err != nil {
		return Record{}, err
	}
	return Record{SequenceNumber: seq, Arrival: time.UnixMilli(ms).UTC(), Data: data}, nil
}

func (f *fileReader) trailer(records int) error {
	n, err := binary.ReadUvarint(f)
	if err != nil {
		return short("record count", err)
	}
	if n != uint64(records) {
		return fmt.Errorf("%w: %d records, the trailer says %d", ErrCorrupt, records, n)
	}
	want := f.sum
	var sum [4]byte
	if _, err := io.ReadFull(f.src, sum[:]); err != nil {
		return short("checksum", err)
	}
	if got := binary.LittleEndian.Uint32(sum[:]); got != want {
		return fmt.Errorf("%w: checksum %08x, the content gives %08x", ErrCorrupt, got, want)
	}
	if _, err := f.src.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: bytes after the trailer", ErrCorrupt)
	}
	return nil
}

// short turns the end of the input into damage and leaves other errors alone.
func short(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends inside the %s", ErrCorrupt, what)
	}
	return fmt.Errorf("read %s: %w", what, err)
}
