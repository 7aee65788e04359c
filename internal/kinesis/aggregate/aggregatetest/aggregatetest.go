// Package aggregatetest makes aggregates for tests.
package aggregatetest

import (
	"crypto/md5" //nolint:gosec // the checksum that the format asks for
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate"
)

// Pack makes one record of the data of several, as the Kinesis Producer Library does.
// Every other user record has a partition key of its own, the rest share one.
func Pack(data ...[]byte) []byte {
	keys := []string{"shared"}
	var records []byte
	for i, d := range data {
		key := 0
		if i%2 == 1 {
			key = len(keys)
			keys = append(keys, strconv.Itoa(i))
		}
		var record []byte
		record = protowire.AppendTag(record, 1, protowire.VarintType)
		record = protowire.AppendVarint(record, uint64(key))
		record = protowire.AppendTag(record, 3, protowire.BytesType)
		record = protowire.AppendBytes(record, d)
		records = protowire.AppendTag(records, 3, protowire.BytesType)
		records = protowire.AppendBytes(records, record)
	}
	var message []byte
	for _, key := range keys {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, key)
	}
	return Seal(append(message, records...))
}

// Seal puts a message between the magic number and its checksum.
func Seal(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // see the import
	return slices.Concat([]byte(aggregate.Magic), message, sum[:])
}
