package fleet

import (
	"maps"
	"os"
	"path/filepath"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// systemEnvironment is what any program needs. The settings of the person who runs the
// fleet stay out of it.
func (f *Fleet) systemEnvironment() map[string]string {
	env := map[string]string{"HOME": f.dir, "PATH": os.Getenv("PATH"), "TMPDIR": os.TempDir()}
	maps.Copy(env, f.options.Environment)
	return env
}

// environment is that of a starter or worker, by the names that its users rely on.
func (f *Fleet) environment(name string) map[string]string {
	env := f.systemEnvironment()
	maps.Copy(env, map[string]string{
		"AWS_REGION": localaws.DefaultRegion, "AWS_ENDPOINT_URL": f.awsURL,
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		appIDVariable:      name,
		"TEMPORAL_ADDRESS": f.temporalAddress, "TEMPORAL_NAMESPACE": "default",
		"LOGPIPE_PIPELINE": Pipeline, "LOGPIPE_STREAM": Stream, "LOGPIPE_START_POSITION": "TRIM_HORIZON",
		"LOGPIPE_STAGE_URL":       "file://" + filepath.ToSlash(f.Stage()),
		"LOGPIPE_DESTINATION_URL": f.apiURL + analytics.EventsPath, "LOGPIPE_TOKEN_URL": f.apiURL + analytics.TokenPath,
		"LOGPIPE_TOKEN_PARAMETER": tokenParameter,
		"LOGPIPE_CLIENT_ID":       clientID, "LOGPIPE_CLIENT_SECRET_PARAMETER": secretParameter,
	})
	maps.Copy(env, f.options.Settings)
	return env
}
