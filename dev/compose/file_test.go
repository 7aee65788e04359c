package compose

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// TestFilePassesEverySettingOn: a setting in .env that the file does not name would have no effect, in silence.
func TestFilePassesEverySettingOn(t *testing.T) {
	t.Parallel()
	file := read(t, "../../docker-compose.yml")
	settings := config.Describe()
	require.NotEmpty(t, settings)
	for _, s := range settings {
		require.Regexp(t, `(?m)^  `+s.Env()+`:`, file, "add it to x-environment")
	}
	known := map[string]bool{}
	for _, s := range settings {
		known[s.Env()] = true
	}
	for _, name := range regexp.MustCompile(`(?m)^  (LOGPIPE_\w+):`).FindAllStringSubmatch(file, -1) {
		require.True(t, known[name[1]], "%s is no setting, and would end every process", name[1])
	}
}

// TestExampleNamesWhatIsThere: every variable of .env.example has to be one that the file knows.
func TestExampleNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	file := read(t, "../../docker-compose.yml")
	variables := regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]+)=`).FindAllStringSubmatch(read(t, "../../.env.example"), -1)
	require.Greater(t, len(variables), 30)
	for _, v := range variables {
		require.True(t, strings.Contains(file, "${"+v[1]) || regexp.MustCompile(`(?m)^  `+v[1]+`:$`).MatchString(file), v[1])
	}
}

func TestImagesAreBuiltFromOneBase(t *testing.T) {
	t.Parallel()
	base := regexp.MustCompile(`(?m)^ARG GO_IMAGE=(golang:\d+\.\d+\.\d+)$`).FindStringSubmatch(read(t, "../../Dockerfile"))
	require.NotNil(t, base)
	require.Contains(t, read(t, "../../docker-compose.yml"), "${GO_IMAGE:-"+base[1]+"}")
	require.Contains(t, read(t, "../../go.work"), "go "+strings.TrimPrefix(base[1], "golang:")+"\n")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
