package redact

import "unicode/utf8"

// Bodies says how much is kept of the bodies of requests and responses. The zero
// value keeps all.
type Bodies struct {
	// Drop keeps nothing.
	Drop bool
	// MaxBytes is the most that is kept of one body, 0 for all of it.
	MaxBytes int
}

// Cut is the beginning of a body that is kept. The body has been redacted before, since half
// of a secret is harder to recognise. It is cut between characters, and neither within
// a placeholder.
func (b Bodies) Cut(body []byte) []byte {
	switch {
	case b.Drop:
		return nil
	case b.MaxBytes <= 0 || len(body) <= b.MaxBytes:
		return body
	}
	end := b.MaxBytes
	for back := 0; back < utf8.UTFMax-1 && end > 0 && !utf8.RuneStart(body[end]); back++ {
		end--
	}
	const longest = len(placeholderOpen) + 20 + len(placeholderClose)
	for start := end - 1; start >= 0 && end-start < longest; start-- {
		if body[start] == '[' && start+placeholderAt(body[start:]) > end {
			end = start
			break
		}
	}
	return body[:end]
}
