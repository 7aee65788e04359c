package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "**redacted**"

// Secret is a string that no formatter, logger or encoder prints. [NewSecret] makes
// one; only [Secret.Reveal] gives it away, so a search for that name finds every use.
//
// The string sits behind a pointer because fmt does not call methods on unexported
// struct fields: there it would print a string, but prints a pointer as an address.
// With == two pointers would differ although their strings are the same, so the
// compiler refuses it.
type Secret struct {
	_     [0]func()
	value *string
}

var (
	_ fmt.Formatter          = Secret{}
	_ fmt.Stringer           = Secret{}
	_ fmt.GoStringer         = Secret{}
	_ json.Marshaler         = Secret{}
	_ encoding.TextMarshaler = Secret{}
	_ slog.LogValuer         = Secret{}
)

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the string itself, empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is nothing to reveal.
func (s Secret) IsZero() bool { return s.value == nil || *s.value == "" }

// String hides the secret.
func (s Secret) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the secret from every other verb of fmt, %x and %q among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText hides the secret from XML, YAML and other text encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
