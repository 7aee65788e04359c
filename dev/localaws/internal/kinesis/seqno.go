package kinesis

import (
	"fmt"
	"math/big"
	"strconv"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// seqno is a sequence number in the form AWS gives it: 188 bits, written as 56 decimal digits. From the top: the
// constant 2, the second its shard was created in (36 bits), the low four bits of the shard's index, the position
// in the shard (64 bits), a zero byte, the second the record arrived in (36 bits), the shard's index (32 bits), and
// the format's version 2.
//
// So order within a shard is order by position, and every number of a shard created in a later second is larger.
type seqno struct{ hi, mid, lo uint64 }

const (
	seqVersion = 2
	seqTop     = 2

	// lastIndex is the position in the ending sequence number of a closed shard, beyond any record.
	lastIndex = 1<<63 - 1
)

func makeSeqno(shardSecs int64, shard uint32, index uint64, arrivalSecs int64) seqno {
	return seqno{
		hi:  seqTop<<56 | uint64(shardSecs)&(1<<36-1)<<20 | uint64(shard&15)<<16 | index>>48,
		mid: index<<16 | uint64(arrivalSecs)>>28&0xff,
		lo:  uint64(arrivalSecs)<<36 | uint64(shard)<<4 | seqVersion,
	}
}

func (n seqno) shardSecs() int64   { return int64(n.hi >> 20 & (1<<36 - 1)) }
func (n seqno) index() uint64      { return n.hi<<48 | n.mid>>16 }
func (n seqno) shard() uint32      { return uint32(n.lo >> 4) }
func (n seqno) arrivalSecs() int64 { return int64(n.mid&0xff<<28 | n.lo>>36) }

func (n seqno) compare(m seqno) int {
	for _, p := range [...][2]uint64{{n.hi, m.hi}, {n.mid, m.mid}, {n.lo, m.lo}} {
		if p[0] < p[1] {
			return -1
		}
		if p[0] > p[1] {
			return 1
		}
	}
	return 0
}

// String writes the number in decimal.
func (n seqno) String() string { return wire.Decimal(n.hi, n.mid, n.lo, 1) }

// parseSeqno reads a decimal sequence number and refuses what no shard here can have given out.
func parseSeqno(s string) (seqno, error) {
	v, ok := new(big.Int).SetString(s, 10)
	if !ok || v.Sign() < 0 || v.BitLen() > 188 || s[0] == '+' {
		return seqno{}, fmt.Errorf("%q is not a sequence number", s)
	}
	mask := new(big.Int).SetUint64(1<<64 - 1)
	word := func(shift uint) uint64 {
		w := new(big.Int).Rsh(v, shift)
		return w.And(w, mask).Uint64()
	}
	n := seqno{hi: word(128), mid: word(64), lo: word(0)}
	if n.hi>>56 != seqTop || n.lo&15 != seqVersion || n.index() > lastIndex {
		return seqno{}, fmt.Errorf("%q is not a sequence number of a known version", s)
	}
	return n, nil
}

const shardIDPrefix = "shardId-"

func shardID(index uint32) string { return fmt.Sprintf(shardIDPrefix+"%012d", index) }

// parseShardID accepts what the service accepts: the full id, or its number with or without zeros.
func parseShardID(s string) (uint32, bool) {
	if len(s) > len(shardIDPrefix) && s[:len(shardIDPrefix)] == shardIDPrefix {
		s = s[len(shardIDPrefix):]
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return uint32(n), err == nil
}
