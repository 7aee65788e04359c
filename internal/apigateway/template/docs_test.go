package template

import (
	"os"
	"strings"
	"testing"
)

// Every name that is known here has its row in docs/events.md. That each row is
// known, too, is tested where variables become attributes.
func TestNamesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range shapes {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/events.md has no %s", name)
		}
	}
}
