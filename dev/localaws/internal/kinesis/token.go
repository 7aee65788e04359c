package kinesis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// Tokens given to clients are sealed, so that one from elsewhere is refused and none can be made by hand.
type tokenKind byte

const (
	tokenIterator tokenKind = 1
	tokenList     tokenKind = 2
)

const macSize = 16

func (s *Service) mac(kind tokenKind, payload []byte) []byte {
	h := hmac.New(sha256.New, s.tokenKey[:])
	h.Write([]byte{byte(kind)})
	h.Write(payload)
	return h.Sum(nil)[:macSize]
}

func (s *Service) seal(kind tokenKind, payload []byte) string {
	return base64.StdEncoding.EncodeToString(append(s.mac(kind, payload), payload...))
}

func (s *Service) unseal(kind tokenKind, token string) ([]byte, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < macSize || !hmac.Equal(raw[:macSize], s.mac(kind, raw[macSize:])) {
		return nil, errToken
	}
	return raw[macSize:], nil
}

// iterator is a position in a shard.
type iterator struct {
	stream uint64
	shard  uint32
	pos    uint64
	issued int64 // milliseconds
}

func (s *Service) sealIterator(it iterator) string {
	var b [28]byte
	binary.BigEndian.PutUint64(b[0:], it.stream)
	binary.BigEndian.PutUint32(b[8:], it.shard)
	binary.BigEndian.PutUint64(b[12:], it.pos)
	binary.BigEndian.PutUint64(b[20:], uint64(it.issued))
	return s.seal(tokenIterator, b[:])
}

func (s *Service) unsealIterator(token string) (iterator, error) {
	b, err := s.unseal(tokenIterator, token)
	if err != nil || len(b) != 28 {
		return iterator{}, errToken
	}
	return iterator{
		stream: binary.BigEndian.Uint64(b[0:]), shard: binary.BigEndian.Uint32(b[8:]),
		pos: binary.BigEndian.Uint64(b[12:]), issued: int64(binary.BigEndian.Uint64(b[20:])),
	}, nil
}

// expired reports whether an iterator has outlived its time, or was ended by ExpireIterators.
func (s *Service) expired(it iterator, now time.Time) bool {
	return now.UnixMilli()-it.issued > tokenLife.Milliseconds() || it.issued < s.expireBefore.Load()
}

// streamNumber finds a stream by the number in a token; one that was deleted, or deleted and made anew, is not found.
func (s *Service) streamNumber(n uint64) (*stream, error) {
	s.mu.RLock()
	st := s.byNum[n]
	s.mu.RUnlock()
	if st == nil || st.gone() {
		return nil, s.notFound("of this token")
	}
	return st, nil
}
