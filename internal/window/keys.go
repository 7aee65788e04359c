package window

import (
	"fmt"
	"strconv"
	"strings"
)

// RawPrefix is the beginning of the stage keys of all raw windows of a pipeline.
func RawPrefix(pipeline string) string { return pipeline + "/raw/" }

// BatchPrefix is the beginning of the stage keys of all batches of a pipeline.
func BatchPrefix(pipeline string) string { return pipeline + "/batch/" }

// ParseRawKey is the inverse of Range.RawKey. Every other key is an error, even if it
// could be read as a range: what it names was not staged by this program.
func ParseRawKey(pipeline, key string) (Range, error) {
	name, ok := strings.CutPrefix(key, RawPrefix(pipeline))
	if !ok {
		return Range{}, notAKey(key, "raw window")
	}
	r, err := parseRange(name)
	if err != nil || r.RawKey(pipeline) != key {
		return Range{}, notAKey(key, "raw window")
	}
	return r, nil
}

// ParseBatchKey returns the range of the window whose batch the key names, and fails
// for every key that Range.BatchKey does not make.
func ParseBatchKey(pipeline, key string) (Range, error) {
	r, n, digest, ok := parseNumbered(BatchPrefix(pipeline), key)
	if !ok || r.BatchKey(pipeline, n, digest) != key {
		return Range{}, notAKey(key, "batch")
	}
	return r, nil
}

// parseNumbered takes a key apart that is made of a prefix, a range, a number from 0 and
// a digest. Callers make the key again from what it gives and compare.
func parseNumbered(prefix, key string) (r Range, n int, digest string, ok bool) {
	name, ok := strings.CutPrefix(key, prefix)
	at := strings.LastIndexByte(name, '/')
	if !ok || at < 0 {
		return Range{}, 0, "", false
	}
	r, err := parseRange(name[:at])
	if err != nil {
		return Range{}, 0, "", false
	}
	number, digest, _ := strings.Cut(name[at+1:], "-")
	n, err = strconv.Atoi(number)
	return r, n, digest, err == nil && n >= 0 && digest != ""
}

func notAKey(key, what string) error {
	return fmt.Errorf("stage key %.200q is not that of a %s", key, what)
}

// parseRange is the inverse of Range.key, for callers that compare the two forms.
func parseRange(name string) (Range, error) {
	shard, ends, ok := strings.Cut(name, "/")
	if !ok || shard == "" {
		return Range{}, fmt.Errorf("range %.200q: no shard", name)
	}
	begin, end, _ := strings.Cut(ends, "-")
	first, err := parseStagedNumber(begin)
	if err != nil {
		return Range{}, err
	}
	last, err := parseStagedNumber(end)
	if err != nil {
		return Range{}, err
	}
	r := Range{ShardID: LongShard(shard), First: first, Last: last}
	return r, r.Validate()
}

// parseStagedNumber is ParseShort for numbers that Kinesis can have given.
func parseStagedNumber(short string) (SequenceNumber, error) {
	n, err := ParseShort(short)
	if err != nil {
		return "", err
	}
	return ParseSequenceNumber(string(n))
}
