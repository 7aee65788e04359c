package kinesis

import (
	"cmp"
	"crypto/md5"
	"encoding/binary"
	"math/big"
	"math/bits"
)

// hashKey is a point of the 128-bit space that shards divide among themselves.
type hashKey struct{ hi, lo uint64 }

var maxHashKey = hashKey{1<<64 - 1, 1<<64 - 1}

// hashOf places a partition key as the service does, by its MD5.
func hashOf(partitionKey string) hashKey {
	sum := md5.Sum([]byte(partitionKey))
	return hashKey{binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:])}
}

func (k hashKey) compare(o hashKey) int {
	if c := cmp.Compare(k.hi, o.hi); c != 0 {
		return c
	}
	return cmp.Compare(k.lo, o.lo)
}

func (k hashKey) next() hashKey {
	lo, carry := bits.Add64(k.lo, 1, 0)
	return hashKey{k.hi + carry, lo}
}

func (k hashKey) previous() hashKey {
	lo, borrow := bits.Sub64(k.lo, 1, 0)
	return hashKey{k.hi - borrow, lo}
}

func (k hashKey) big() *big.Int {
	v := new(big.Int).SetUint64(k.hi)
	return v.Or(v.Lsh(v, 64), new(big.Int).SetUint64(k.lo))
}

// String writes the key in decimal.
func (k hashKey) String() string { return k.big().String() }

// parseHashKey reads 0 or a decimal number without leading zeros, at most 2^128-1.
func parseHashKey(s string) (hashKey, bool) {
	if s == "" || len(s) > 39 || (s[0] == '0' && len(s) > 1) {
		return hashKey{}, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return hashKey{}, false
		}
	}
	v, ok := new(big.Int).SetString(s, 10)
	if !ok || v.BitLen() > 128 {
		return hashKey{}, false
	}
	return hashKeyOf(v), true
}

func hashKeyOf(v *big.Int) hashKey {
	lo := new(big.Int).And(v, new(big.Int).SetUint64(1<<64-1))
	return hashKey{new(big.Int).Rsh(v, 64).Uint64(), lo.Uint64()}
}

type hashRange struct{ lo, hi hashKey }

// evenRanges divides the space into n ranges of one size; the last takes the remainder.
func evenRanges(n int) []hashRange {
	size := new(big.Int).Lsh(big.NewInt(1), 128)
	size.Div(size, big.NewInt(int64(n)))
	out := make([]hashRange, n)
	for i := range n {
		out[i].lo = hashKeyOf(new(big.Int).Mul(size, big.NewInt(int64(i))))
		out[i].hi = maxHashKey
		if i > 0 {
			out[i-1].hi = out[i].lo.previous()
		}
	}
	return out
}
