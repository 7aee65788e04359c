package wire

import "math/bits"

// Decimal writes a number of up to 192 bits, given as three words, in decimal with at least width digits. Both
// Kinesis sequence numbers and CloudWatch Logs event ids are such numbers, and they are written for every record.
func Decimal(hi, mid, lo uint64, width int) string {
	const chunk = 1e19 // the largest power of ten in 64 bits
	var buf [58]byte   // 2^192 has 58 digits
	end := len(buf)
	for hi|mid|lo != 0 {
		var r uint64
		hi, r = bits.Div64(0, hi, chunk)
		mid, r = bits.Div64(r, mid, chunk)
		lo, r = bits.Div64(r, lo, chunk)
		for i := 0; i < 19 && end > 0; i++ {
			end--
			buf[end] = byte('0' + r%10)
			r /= 10
		}
	}
	for end < len(buf) && buf[end] == '0' {
		end++
	}
	for len(buf)-end < width {
		end--
		buf[end] = '0'
	}
	return string(buf[end:])
}
