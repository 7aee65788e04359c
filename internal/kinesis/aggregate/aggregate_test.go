package aggregate_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

// unhex reads bytes written as one line for each field, with a comment behind it.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var data []byte
	for line := range strings.Lines(text) {
		digits, _, _ := strings.Cut(line, "#")
		part, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		require.NoError(t, err)
		data = append(data, part...)
	}
	return data
}

// contents are the user records of an aggregate, their positions checked.
func contents(t testing.TB, a aggregate.Aggregate) []string {
	t.Helper()
	list := []string{}
	for i, data := range a.UserRecords() {
		require.Equal(t, len(list), i)
		list = append(list, string(data))
	}
	require.Len(t, list, a.Len())
	return list
}

// TestOpenByteByByte reads an aggregate that was written by hand after the description
// of the format, with each kind of field in it. md5sum gave the checksum.
func TestOpenByteByByte(t *testing.T) {
	t.Parallel()
	data := unhex(t, `
		f3 89 9a c2
		0a 01 61                                      # partition_key_table: a
		0a 01 62                                      # partition_key_table: b
		12 01 37                                      # explicit_hash_key_table: 7
		1a 07  08 00  1a 03 6f 6e 65                  # records: key 0, data one
		1a 09  08 01  10 00  1a 03 74 77 6f           # records: key 1, hash key 0, data two
		1a 0d  08 00  1a 02 68 69  22 05 0a 01 6b 12 00 # records: key 0, data hi, a tag
		1f 3c 1b 77 a0 3c 4e 35 9b ea 01 b6 e4 6e 68 3e`)
	a, err := aggregate.Open(data)
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "hi"}, contents(t, a))
	require.Equal(t, []string{"one", "two", "hi"}, contents(t, a), "it can be read again")
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message string // what is between magic and checksum
		want    []string
	}{
		"nothing":                     {``, []string{}},
		"keys only":                   {`0a 01 61`, []string{}},
		"keys behind the records":     {`1a 05 08 00 1a 01 61  0a 01 61`, []string{"a"}},
		"no key":                      {`1a 03 1a 01 61`, []string{"a"}},
		"a key that is not there":     {`1a 05 08 63 1a 01 61`, []string{"a"}},
		"a key of another type":       {`08 01  1a 06 0a 01 61 1a 01 61`, []string{"a"}},
		"empty data":                  {`1a 04 08 00 1a 00  1a 03 1a 01 61`, []string{"", "a"}},
		"no data":                     {`1a 02 08 00  1a 03 1a 01 61`, []string{"", "a"}},
		"an empty record at the end":  {`1a 03 1a 01 61  1a 00`, []string{"a", ""}},
		"data twice, the last counts": {`1a 06 1a 01 61 1a 01 62`, []string{"b"}},
		"unknown fields":              {`22 01 61  28 01  1a 08 2d 00 00 00 00 1a 01 61`, []string{"a"}},
		"an unknown group":            {`23 08 01 24  1a 03 1a 01 61`, []string{"a"}},
		"a long way to write a size":  {`1a 83 00 1a 01 61`, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := aggregate.Open(aggregatetest.Seal(unhex(t, c.message)))
			require.NoError(t, err)
			require.Equal(t, c.want, contents(t, a))
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	sound := aggregatetest.Pack([]byte("one"), []byte("two"))
	for name, c := range map[string]struct {
		data []byte
		err  error
		says string
	}{
		"nothing":             {nil, aggregate.ErrNotAggregate, ""},
		"JSON":                {[]byte(`{}`), aggregate.ErrNotAggregate, ""},
		"half the magic":      {sound[:2], aggregate.ErrNotAggregate, ""},
		"magic further on":    {append([]byte(" "), sound...), aggregate.ErrNotAggregate, ""},
		"magic only":          {sound[:4], aggregate.ErrChecksum, "4 bytes"},
		"too short by one":    {sound[:19], aggregate.ErrChecksum, "19 bytes"},
		"cut off":             {sound[:len(sound)-1], aggregate.ErrChecksum, ""},
		"one byte more":       {append(bytes.Clone(sound), 0), aggregate.ErrChecksum, ""},
		"one bit other":       {flip(sound, 9), aggregate.ErrChecksum, ""},
		"checksum other":      {flip(sound, len(sound)-1), aggregate.ErrChecksum, ""},
		"no protobuf":         {aggregatetest.Seal([]byte("GET / 200\n")), aggregate.ErrMalformed, "at byte 4"},
		"record cut off":      {aggregatetest.Seal(unhex(t, `0a 01 61  1a 05 08 00`)), aggregate.ErrMalformed, "at byte 7"},
		"data cut off":        {aggregatetest.Seal(unhex(t, `1a 03 1a 01 61  1a 03 1a 05 61`)), aggregate.ErrMalformed, "at byte 9"},
		"size without end":    {aggregatetest.Seal(unhex(t, `1a ff ff ff ff ff ff ff ff ff ff`)), aggregate.ErrMalformed, "at byte 4"},
		"size beyond all":     {aggregatetest.Seal(unhex(t, `1a ff ff ff ff ff ff ff ff ff 01`)), aggregate.ErrMalformed, "at byte 4"},
		"record is a number":  {aggregatetest.Seal(unhex(t, `18 01`)), aggregate.ErrMalformed, "another type"},
		"data is a number":    {aggregatetest.Seal(unhex(t, `1a 02 18 01`)), aggregate.ErrMalformed, "another type"},
		"group without end":   {aggregatetest.Seal(unhex(t, `23 08 01`)), aggregate.ErrMalformed, "at byte 4"},
		"end without group":   {aggregatetest.Seal(unhex(t, `24`)), aggregate.ErrMalformed, "at byte 4"},
		"field with number 0": {aggregatetest.Seal(unhex(t, `02 00`)), aggregate.ErrMalformed, "at byte 4"},
		"groups in groups":    {aggregatetest.Seal(bytes.Repeat([]byte{0x23}, 1<<20)), aggregate.ErrMalformed, "at byte 4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := aggregate.Open(c.data)
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, contents(t, a))
		})
	}
}

func flip(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 1
	return data
}

func TestUserRecordsEndEarly(t *testing.T) {
	t.Parallel()
	a, err := aggregate.Open(aggregatetest.Pack([]byte("one"), []byte("two"), []byte("three")))
	require.NoError(t, err)
	require.Equal(t, 3, a.Len())
	for i, data := range a.UserRecords() {
		require.Zero(t, i)
		require.Equal(t, "one", string(data))
		break
	}
}

// What is yielded is a part of the record, and ends where it ends.
func TestUserRecordsAreNoCopies(t *testing.T) {
	t.Parallel()
	record := aggregatetest.Pack([]byte("one"), []byte("two"))
	before := bytes.Clone(record)
	a, err := aggregate.Open(record)
	require.NoError(t, err)
	for _, data := range a.UserRecords() {
		at := bytes.Index(record, data)
		require.Same(t, &record[at], &data[0])
		_ = append(data, "overwritten"...)
	}
	require.Equal(t, before, record)
}

//nolint:paralleltest // allocations are counted
func TestAllocations(t *testing.T) {
	parts := make([][]byte, 1000)
	for i := range parts {
		parts[i] = []byte("data")
	}
	record := aggregatetest.Pack(parts...)
	read := 0
	allocations := testing.AllocsPerRun(10, func() {
		a, err := aggregate.Open(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range a.UserRecords() {
			read += len(data)
		}
	})
	require.Positive(t, read)
	require.Zero(t, allocations)
}
