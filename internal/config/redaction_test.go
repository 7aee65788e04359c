package config

import (
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

func TestRedactor(t *testing.T) {
	t.Parallel()
	c := Default()
	redacts := func(text string) bool {
		t.Helper()
		r, err := c.NewRedactor()
		if err != nil {
			t.Fatal(err)
		}
		_, n := r.AppendText(nil, []byte(text))
		return n == 1
	}
	if !redacts("token=a") || redacts("tenant=a") || redacts("EMP-123456") {
		t.Error("not the defaults")
	}
	c.RedactNames, c.RedactPatterns = "tenant other", `EMP-\d{6} x\sy`
	if !redacts("token=a") || !redacts("tenant=a") || !redacts("EMP-123456") || !redacts("x y") {
		t.Error("own names and patterns are not added")
	}
	c.Redact = RedactOff
	if redacts("token=a") {
		t.Error("it is not off")
	}
	c = Default()
	if got := c.BodyOptions(); got != (redact.Bodies{}) {
		t.Errorf("by default bodies are %+v", got)
	}
	c.Bodies, c.BodyMaxBytes = BodiesDrop, 5
	if got := c.BodyOptions(); got != (redact.Bodies{Drop: true, MaxBytes: 5}) {
		t.Errorf("bodies are %+v", got)
	}
}
