package ssm

import (
	"regexp"
	"strings"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

var (
	validName = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)
	arnPrefix = regexp.MustCompile(`^arn:aws[a-z-]*:ssm:([^:]*):([^:]*):parameter/(.+)$`)
)

const (
	maxNameLength = 1011
	maxLevels     = 15
)

// checkNewName applies the rules for names of parameters that are to be written.
func checkNewName(name string) error {
	switch {
	case name == "":
		return wire.Missing("name")
	case strings.HasPrefix(name, "arn:"):
		return wire.Errorf("ValidationException", "Parameter name %s: give the name, not the ARN, to write a parameter.", name)
	case len(name) > maxNameLength:
		return wire.Errorf("ValidationException", "Parameter name: can't be longer than %d characters.", maxNameLength)
	case !validName.MatchString(name):
		return wire.Errorf("ValidationException", "Parameter name: can only contain letters, digits and the symbols . - _ and / as the separator of levels, not %q.", name)
	case strings.Contains(name, "/") && name[0] != '/':
		return wire.Errorf("ValidationException", "Parameter name must be a fully qualified name.")
	case strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		return wire.Errorf("ValidationException", "Parameter name %s: a level of the hierarchy is empty.", name)
	case strings.Count(name, "/") > maxLevels:
		return wire.Errorf("HierarchyLevelLimitExceededException", "Parameter name: at most %d levels are allowed.", maxLevels)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if lower := strings.ToLower(first); strings.HasPrefix(lower, "aws") || strings.HasPrefix(lower, "ssm") {
		return wire.Errorf("ValidationException", `Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`)
	}
	return nil
}

// resolve turns how a request names a parameter into its name: names stand for themselves, ARNs are taken apart.
// An ARN does not tell /name from name, so what exists decides. It needs the lock.
func (s *Service) resolve(ref string) string {
	m := arnPrefix.FindStringSubmatch(ref)
	if m == nil || m[1] != s.cfg.Region || m[2] != s.cfg.Account {
		return ref
	}
	if _, ok := s.params[m[3]]; ok {
		return m[3]
	}
	return "/" + m[3]
}

// splitSelector separates name and selector of "name:version" or "name:label". The colons of an ARN are no
// selectors.
func splitSelector(ref string) (name, selector string) {
	start := 0
	if strings.HasPrefix(ref, "arn:") {
		if i := strings.Index(ref, ":parameter/"); i >= 0 {
			start = i + len(":parameter/")
		}
	}
	if i := strings.IndexByte(ref[start:], ':'); i >= 0 {
		return ref[:start+i], ref[start+i+1:]
	}
	return ref, ""
}

func (s *Service) arn(name string) string {
	return "arn:aws:ssm:" + s.cfg.Region + ":" + s.cfg.Account + ":parameter/" + strings.TrimPrefix(name, "/")
}
