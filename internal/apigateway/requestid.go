package apigateway

import "bytes"

// replacedID ends what API Gateway logs in place of a request id that a client
// sent and that is none.
var replacedID = []byte("_REPLACED_INVALID_REQUEST_ID")

// isRESTRequestID tells whether text is the id of a request to a REST API, which
// is a UUID.
func isRESTRequestID(text []byte) bool { return isUUID(text) || isReplacedID(text) }

func isReplacedID(text []byte) bool { return bytes.HasSuffix(text, replacedID) }

// isExtendedRequestID tells whether text is an extended request id, which HTTP
// and WebSocket APIs have for a request id, too: 16 characters of base64, the
// last of them for padding. It is what hardly any other server logs.
func isExtendedRequestID(text []byte) bool {
	const shortest, longest = 12, 32
	if len(text) < shortest || len(text) > longest || len(text)%4 != 0 || text[len(text)-1] != '=' {
		return false
	}
	for _, c := range bytes.TrimSuffix(text[:len(text)-1], []byte{'='}) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-' || c == '_' || c == '+' || c == '/':
		default:
			return false
		}
	}
	return true
}

func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isHexDigit(c) && (c < 'A' || 'F' < c) {
				return false
			}
		}
	}
	return true
}

// isAccessLogStream tells whether API Gateway gives such names to the streams of
// its access logs: 32 hexadecimal digits, or uwe3g5jm54_prod-2024-09-05-13-47.
func isAccessLogStream(name string) bool {
	if len(name) == 32 && isLowerHex([]byte(name)) {
		return true
	}
	const apiID, opened = 10, len("-2024-09-05-13-47")
	if len(name) < apiID+1+opened || name[apiID] != '_' {
		return false
	}
	for i, c := range []byte(name[len(name)-opened:]) {
		isDash := i == 0 || i == 5 || i == 8 || i == 11 || i == 14
		if isDash != (c == '-') || !isDash && (c < '0' || '9' < c) {
			return false
		}
	}
	return true
}
