package fleet

import (
	"maps"
	"os"
	"path/filepath"
)

// systemEnvironment is what any program needs. The settings of the person who runs the
// fleet stay out of it.
func (f *Fleet) systemEnvironment() map[string]string {
	return map[string]string{"HOME": f.dir, "PATH": os.Getenv("PATH"), "TMPDIR": os.TempDir()}
}

// environment is that of a starter or worker, by the names that its users rely on.
func (f *Fleet) environment(name string) map[string]string {
	env := f.systemEnvironment()
	maps.Copy(env, map[string]string{
		"AWS_REGION": f.AWS.Region(), "AWS_ENDPOINT_URL": f.awsURL,
		"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		appIDVariable:      name,
		"TEMPORAL_ADDRESS": f.temporalAddress, "TEMPORAL_NAMESPACE": "default",
		"LOGPIPE_PIPELINE": Pipeline, "LOGPIPE_STREAM": Stream, "LOGPIPE_START_POSITION": "TRIM_HORIZON",
		"LOGPIPE_STAGE_URL":       "file://" + filepath.ToSlash(f.Stage()),
		"LOGPIPE_DESTINATION_URL": f.API.EventsURL(), "LOGPIPE_TOKEN_URL": f.API.TokenURL(),
		"LOGPIPE_TOKEN_PARAMETER": tokenParameter,
		"LOGPIPE_CLIENT_ID":       clientID, "LOGPIPE_CLIENT_SECRET_PARAMETER": secretParameter,
	})
	maps.Copy(env, f.options.Settings)
	return env
}
