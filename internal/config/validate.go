package config

import (
	"cmp"
	"errors"
	"fmt"
)

// Validate returns every fault of the settings for a role, joined, or nil. A setting
// that the role does not need may be missing, but not wrong: starter and worker can
// share one file, and both then tell the same.
func (c Config) Validate(role Role) error {
	return errors.Join(c.faults(role, nil)...)
}

// input is the text of a setting as a source has it.
type input struct {
	text       string
	unreadable error // why the field does not hold what the text says, or nil
}

// faults checks all settings. Inputs are what they were just read from, if anything:
// a fault shows that text rather than the value of the field.
func (c *Config) faults(role Role, inputs map[string]input) []error {
	var faults []error
	wrong := make(map[string]bool)
	for _, s := range settings {
		if err := c.check(s, role, inputs); err != nil {
			faults = append(faults, err)
			wrong[s.Key] = true
		}
	}

	// Rules that tie two settings only make sense if each of the two is right.
	if !wrong["poll_lease"] && !wrong["heartbeat_timeout"] && c.HeartbeatTimeout > c.PollLease {
		faults = append(faults, fmt.Errorf("%s: %s is longer than %s, %s: a poller that is gone would be missed only after its lease; make it shorter",
			c.name("heartbeat_timeout"), formatDuration(c.HeartbeatTimeout), c.name("poll_lease"), formatDuration(c.PollLease)))
	}
	if !wrong["token_parameter"] && !wrong["client_secret_parameter"] && c.TokenParameter != "" &&
		c.TokenParameter == parameterName(c.ClientSecretParameter) {
		faults = append(faults, fmt.Errorf("%s: names the same parameter as %s, so that the token would overwrite the client secret: use two parameters",
			c.name("token_parameter"), c.name("client_secret_parameter")))
	}
	if role&RoleWorker != 0 && !wrong["token_source"] && c.TokenSource == TokenFromLogin && c.TokenLoginBody == "" {
		faults = append(faults, fmt.Errorf("%s: is not set, but required by %s: set it, for example to %s",
			c.name("token_login_body"), c.name("token_source"), `{"username":"{client_id}","password":"{client_secret}"}`))
	}
	return append(faults, c.destinationFaults(wrong)...)
}

// check returns the one fault of a setting, or nil.
func (c *Config) check(s setting, role Role, inputs map[string]input) error {
	text := s.value(c)
	given, ok := inputs[s.Key]
	if ok {
		text = given.text
	}
	if text == "" && s.RequiredBy != 0 {
		if s.needless != nil && s.needless(c) {
			return nil
		}
		return c.missing(s, role)
	}
	if err := cmp.Or(given.unreadable, s.check(c)); err != nil {
		return fmt.Errorf("%s: %q %w", c.name(s.Key), s.shown(text), err)
	}
	return nil
}

// missing is the fault of a setting that the role needs and nobody set, or nil.
func (c *Config) missing(s setting, role Role) error {
	needy := s.RequiredBy & role
	if needy == 0 {
		return nil
	}
	name := c.name(s.Key)
	if _, given := c.origins[s.Key]; !given {
		name += " (" + s.Key + " in a settings file)"
	}
	return fmt.Errorf("%s: is not set, but required by the %s: set it, for example to %s", name, needy, s.Example)
}
