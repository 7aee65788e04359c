package wire

import (
	"encoding/binary"
	"math/big"
	"strings"
)

// Decimal writes a number of up to 192 bits, given as three words, in decimal with at least width digits. Kinesis
// sequence numbers and CloudWatch Logs event ids are such numbers.
func Decimal(hi, mid, lo uint64, width int) string {
	b := make([]byte, 0, 24)
	for _, word := range [...]uint64{hi, mid, lo} {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	digits := new(big.Int).SetBytes(b).String()
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}
