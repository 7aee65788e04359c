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
	name, ok := strings.CutPrefix(key, BatchPrefix(pipeline))
	at := strings.LastIndexByte(name, '/')
	if !ok || at < 0 {
		return Range{}, notAKey(key, "batch")
	}
	r, err := parseRange(name[:at])
	if err != nil {
		return Range{}, notAKey(key, "batch")
	}
	number, digest, _ := strings.Cut(name[at+1:], "-")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || digest == "" || r.BatchKey(pipeline, n, digest) != key {
		return Range{}, notAKey(key, "batch")
	}
	return r, nil
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
