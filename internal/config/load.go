package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Load reads the settings and validates them for a role. The YAML file at path goes
// over the defaults; with an empty path it is the file that LOGPIPE_CONFIG names, or
// none. The LOGPIPE_ variables in environ (as from [os.Environ]) go over the file. An
// empty variable counts as not set.
//
// The error joins all faults, each of which names the setting as it was written, its
// value, what is wrong and what to do. No secret appears in it.
func Load(role Role, path string, environ []string) (Config, error) {
	l := loader{
		values: koanf.New("."),
		inputs: make(map[string]input),
		config: Default(),
	}
	l.config.origins = make(map[string]origin)
	if path == "" {
		path = lookup(environ, FileVariable)
	}
	if path != "" && !l.loadFile(path) {
		// What the file does not say is unknown: do not call any setting missing.
		role = RoleNone
	}
	l.loadEnviron(environ)

	l.decode()

	if faults := slices.Concat(l.faults, l.config.faults(role, l.inputs)); len(faults) > 0 {
		return Config{}, errors.Join(faults...)
	}
	return l.config, nil
}

type loader struct {
	values *koanf.Koanf
	inputs map[string]input
	config Config
	faults []error // of the sources themselves, such as unknown keys
}

// loadFile reports whether the file could be read.
func (l *loader) loadFile(path string) bool {
	parser := &yamlParser{path: path, isMap: isMap}
	if err := l.values.Load(file.Provider(path), parser); err != nil {
		err = fmt.Errorf("read settings file: %w", err)
		if _, missing := errors.AsType[*fs.PathError](err); missing {
			err = fmt.Errorf("%w: check --config or %s", err, FileVariable)
		}
		l.faults = append(l.faults, err)
		return false
	}
	l.faults = append(l.faults, parser.faults...)
	for _, entry := range parser.entries {
		if !known(entry.key) {
			l.unknown(fmt.Sprintf("%s (%s:%d)", entry.key, path, entry.line), suggest(entry.key, settingKeys()))
			continue
		}
		l.config.origins[entry.key] = origin{file: path, line: entry.line}
		l.inputs[entry.key] = input{text: entry.text}
	}
	return true
}

func (l *loader) loadEnviron(environ []string) {
	var unknown []string
	provider := env.Provider("", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ToLower(strings.TrimPrefix(name, envPrefix))
			switch {
			case name == FileVariable, kubernetesVariable.MatchString(name):
				return "", nil
			case name != envName(key) || !known(key):
				unknown = append(unknown, name)
				return "", nil
			case value == "":
				return "", nil
			}
			l.config.origins[key] = origin{}
			l.inputs[key] = input{text: value}
			return key, value
		},
	})
	if err := l.values.Load(provider, nil); err != nil {
		l.faults = append(l.faults, fmt.Errorf("read environment: %w", err))
	}
	slices.Sort(unknown)
	for _, name := range slices.Compact(unknown) {
		suggestion := suggest(name, append(settingKeys(), fileKey))
		if suggestion != "" {
			suggestion = envName(suggestion)
		}
		l.unknown(name, suggestion)
	}
}

// kubernetesVariable matches what Kubernetes sets in each container for a Service of
// the same namespace whose name begins with logpipe. Nobody wrote these.
var kubernetesVariable = regexp.MustCompile(`^LOGPIPE_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// unknown reports a name that is no setting. Its value stays out of the message: it
// may well be a secret that was put into the wrong place.
func (l *loader) unknown(name, suggestion string) {
	advice := "remove it, or look the name up in docs/configuration.md"
	if suggestion != "" {
		advice = "did you mean " + suggestion + "?"
	}
	l.faults = append(l.faults, fmt.Errorf("%s: is no setting: %s", name, advice))
}

// decode moves the merged text values into the fields of the config, and notes which
// of them cannot be read.
func (l *loader) decode() {
	for _, s := range settings {
		err := l.values.UnmarshalWithConf(s.Key, s.field(&l.config), koanf.UnmarshalConf{
			DecoderConfig: &mapstructure.DecoderConfig{DecodeHook: parseText},
		})
		if err == nil {
			continue
		}
		// mapstructure wraps the reason in a sentence of its own about Go types.
		if reason, ok := errors.AsType[*parseError](err); ok {
			err = reason
		}
		l.inputs[s.Key] = input{text: l.inputs[s.Key].text, unreadable: err}
	}
}

// parseError is the reason why the text of a setting cannot be read. It continues a
// sentence that begins with that text.
type parseError struct{ reason error }

func (e *parseError) Error() string { return e.reason.Error() }
func (e *parseError) Unwrap() error { return e.reason }

// parseText is a decode hook. File and environment give nothing but text, so that a
// value means the same in both, and it is read here for the type of its field.
func parseText(_, to reflect.Type, value any) (any, error) {
	text, ok := value.(string)
	if !ok {
		return nil, &parseError{errors.New("is a list or a map: write a single value")}
	}
	var parsed any
	var err error
	switch to {
	case reflect.TypeFor[string]():
		return text, nil
	case reflect.TypeFor[int]():
		parsed, err = parseInt(text)
	case reflect.TypeFor[float64]():
		parsed, err = parseNumber(text)
	case reflect.TypeFor[time.Duration]():
		parsed, err = parseDuration(text)
	case reflect.TypeFor[ByteSize]():
		parsed, err = ParseByteSize(text)
	case reflect.TypeFor[StartPosition]():
		parsed, err = ParseStartPosition(text)
	case reflect.TypeFor[slog.Level]():
		parsed, err = parseLevel(text)
	case reflect.TypeFor[AccessLogTemplates]():
		parsed, err = ParseAccessLogTemplates(text)
	case reflect.TypeFor[TextMap]():
		parsed, err = ParseTextMap(text)
	case reflect.TypeFor[Headers]():
		parsed, err = ParseHeaders(text)
	default:
		err = fmt.Errorf("belongs to a setting of type %s that nothing reads", to)
	}
	if err != nil {
		return nil, &parseError{err}
	}
	return parsed, nil
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0, errors.New("is not a whole number: write digits only, such as 5000")
	}
	return n, nil
}

func parseNumber(text string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 0, errors.New("is not a number: write digits and, if need be, a point, such as 20 or 0.5")
	}
	return n, nil
}

func parseLevel(text string) (slog.Level, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("is no log level: use debug, info, warn or error")
}

func known(key string) bool { return slices.Contains(settingKeys(), key) }

func isMap(key string) bool {
	return slices.ContainsFunc(settings, func(s setting) bool { return s.Key == key && s.IsMap })
}

func settingKeys() []string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.Key
	}
	return keys
}

// lookup returns the last value of a variable in environ, as os.Getenv would.
func lookup(environ []string, name string) string {
	value := ""
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}
