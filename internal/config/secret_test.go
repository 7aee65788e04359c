package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const canary = "hunter2-canary"

// holder has a secret in every place where an encoder or a formatter might find it.
type holder struct {
	Exported Secret
	Pointer  *Secret
	List     []Secret
	Map      map[string]Secret
	Any      any
	hidden   Secret
	deep     struct{ inner *Secret }
}

func newHolder() holder {
	secret := NewSecret(canary)
	h := holder{
		Exported: secret,
		Pointer:  &secret,
		List:     []Secret{secret},
		Map:      map[string]Secret{"key": secret},
		Any:      secret,
		hidden:   secret,
	}
	h.deep.inner = &secret
	return h
}

func TestSecretReveals(t *testing.T) {
	t.Parallel()
	if got := NewSecret(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q", got)
	}
	var zero Secret
	if zero.Reveal() != "" || !zero.IsZero() || !NewSecret("").IsZero() || NewSecret("a").IsZero() {
		t.Error("the zero secret must reveal nothing and be the only zero one, with the empty one")
	}
	if zero.String() != redacted {
		t.Error("the zero secret must look like any other")
	}
}

func assertHidden(t *testing.T, how, text string) {
	t.Helper()
	for _, leak := range []string{
		canary,
		fmt.Sprintf("%x", canary),
		fmt.Sprintf("%X", canary),
		fmt.Sprintf("% x", canary),
		strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"),
	} {
		if strings.Contains(text, leak) {
			t.Errorf("%s gives the secret away: %s", how, text)
		}
	}
}

func TestSecretHidesFromFmt(t *testing.T) {
	t.Parallel()
	secret := NewSecret(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%50v", "%-50s", "%.3s"} {
		if got := fmt.Sprintf(verb, secret); got != redacted {
			t.Errorf("%s prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, &secret); got != redacted {
			t.Errorf("%s prints %s for a pointer", verb, got)
		}
		assertHidden(t, verb, fmt.Sprintf(verb, newHolder()))
		assertHidden(t, verb, fmt.Sprintf(verb, []any{secret, &secret, newHolder()}))
	}
	for _, verb := range []string{"%T", "%p", "%w", "%!"} {
		assertHidden(t, verb, fmt.Sprintf(verb, secret))
		assertHidden(t, verb, fmt.Sprintf(verb, newHolder()))
	}
	assertHidden(t, "Sprint", fmt.Sprint(secret, &secret, newHolder()))
	assertHidden(t, "an error", fmt.Errorf("token %v: %w", secret, errors.New("refused")).Error())
	assertHidden(t, "reflect", reflect.ValueOf(secret).String())
}

func TestSecretHidesFromEncoders(t *testing.T) {
	t.Parallel()
	h := newHolder()
	for name, encode := range map[string]func() ([]byte, error){
		"json":        func() ([]byte, error) { return json.Marshal(h) },
		"json secret": func() ([]byte, error) { return json.Marshal(h.Exported) },
		"yaml":        func() ([]byte, error) { return yaml.Marshal(h) },
		"xml":         func() ([]byte, error) { return xml.Marshal(h.Exported) },
		"text":        func() ([]byte, error) { return h.Exported.MarshalText() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			assertHidden(t, name, string(data))
			if !bytes.Contains(data, []byte(redacted)) {
				t.Errorf("no trace of the secret in %s", data)
			}
		})
	}
}

func TestSecretHidesFromSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{
		slog.NewJSONHandler(&out, nil),
		slog.NewTextHandler(&out, nil),
	} {
		h := newHolder()
		slog.New(handler).With("with", h.Exported).WithGroup("group").Info("message",
			"secret", h.Exported, "pointer", h.Pointer, "holder", h, slog.Group("inner", "secret", h.Exported))
	}
	assertHidden(t, "slog", out.String())
	if got := strings.Count(out.String(), redacted); got < 8 {
		t.Errorf("only %d traces of the secrets in %s", got, out.String())
	}
}
