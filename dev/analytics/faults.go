package analytics

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// FaultsHelp explains the textual form of [Faults], which [ParseFaults] reads and
// String writes: a comma-separated list of settings.
const FaultsHelp = `Faults are a comma-separated list of:

  5xx=20%           share of ingest requests answered with a server error
  5xx-status=502    the status of those answers; default 500
  token-5xx=10%     share of token requests answered with 503
  token-latency=5s  wait before each answer to a token request, on top of latency
  token-refuse=CODE refuse token requests with an OAuth error, such as invalid_client
  token-auth=basic  take client credentials by basic or by post only
  token-form=jwt    how an answer tells its token's end: expires_at, epoch
                    (expires_at in seconds), jwt (only the token does) or none;
                    default expires_in
  429=5%            share of ingest requests answered with 429 and Retry-After
  rate-limit=100    ingest requests a second; those above get 429
  retry-after=3s    Retry-After of 429 answers and outages; default 1s
  token-life=10s    life of the tokens granted from now on; 1s or more
  revoke-every=30s  revoke all tokens at this interval
  body-limit=256KiB bodies above it get 413
  latency=50ms      wait before each answer of the ingest and token endpoint
  jitter=20ms       a random wait up to this on top
  outage=20s@15s    both endpoints down for 20s, 15s after the faults were set;
                    20s alone is now; 20s@15s:reset resets connections instead
                    of answering 503; may be given several times
  lost-answer=2%    share of batches that are stored, but whose connection is
                    closed before the answer
  partial=10%       share of events that are not taken now: their batch is answered
                    with 207 and {"accepted":7,"failed":[{"index":2,"status":503}]}
  partial-refuse=1% share of events refused with 422 in that list, the same ones at
                    each retry
  drip=2%           share of batches that are stored, but whose answer comes a byte
                    a second
  huge=2%           share of batches that are stored, but answered with 1 GB
  close=2%          share of batches that are stored, but whose connection is closed
                    after half of the answer
  refuse=1%         share of bodies refused with 400, the same ones at each retry
  refuse-match=TEXT bodies that contain the text are refused with 400

A share is written 20% or 0.2, a duration like 500ms or 1m30s, a size in bytes or
with KB, KiB, MB or MiB.
`

// Faults are the ways in which the API misbehaves. The zero value has none.
// [FaultsHelp] explains each, in its textual form.
type Faults struct {
	ServerErrors      float64 // share of ingest requests, 0 to 1
	ServerErrorStatus int     // 500 to 599; 0 is 500
	TokenErrors       float64 // share of token requests, 0 to 1
	TokenLatency      time.Duration
	TokenRefuse       string        // an error code of OAuth 2.0
	TokenAuth         string        // basic or post; empty is both
	TokenForm         string        // expires_at, epoch, jwt or none; empty is expires_in
	TooManyRequests   float64       // share of ingest requests, 0 to 1
	RateLimit         float64       // ingest requests a second; 0 is no limit
	RetryAfter        time.Duration // sent in whole seconds, rounded up; 0 is one second
	TokenLife         time.Duration // 0 is the server's own setting
	RevokeEvery       time.Duration // 0 is never
	BodyLimit         int64         // bytes, after decompression; 0 is the server's own limit
	Latency           time.Duration
	Jitter            time.Duration
	Outages           []Outage
	LostAnswers       float64 // share of accepted batches, 0 to 1
	Partial           float64 // share of events, 0 to 1
	PartialRefusals   float64 // share of events, 0 to 1
	Drips             float64 // share of accepted batches, 0 to 1
	HugeAnswers       float64 // share of accepted batches, 0 to 1
	ClosedAnswers     float64 // share of accepted batches, 0 to 1
	Refusals          float64 // share of bodies, 0 to 1
	RefuseMatch       string  // holds no comma
}

// Outage is a time in which neither endpoint works.
type Outage struct {
	After time.Duration // since the faults were set
	For   time.Duration
	Reset bool // reset the connection rather than answer 503
}

func (o Outage) String() string {
	s := o.For.String()
	if o.After > 0 {
		s += "@" + o.After.String()
	}
	if o.Reset {
		s += ":reset"
	}
	return s
}

// ParseFaults reads the textual form of [Faults]. The empty string is no faults.
// The error names every setting that is wrong.
func ParseFaults(spec string) (Faults, error) {
	var f Faults
	var errs []error
	seen := map[string]bool{}
	for item := range strings.SplitSeq(spec, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, value, _ := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if seen[name] && name != outageSetting {
			errs = append(errs, fmt.Errorf("fault %q is given twice", name))
			continue
		}
		seen[name] = true
		outages := f.Outages
		if err := f.set(name, value); err != nil {
			errs = append(errs, err)
			continue
		}
		if value == "" {
			errs = append(errs, fmt.Errorf("fault %q needs a value: write %s=value", name, name))
		}
		if name == outageSetting {
			f.Outages = append(outages, f.Outages...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Faults{}, err
	}
	return f, nil
}

// String gives the textual form; it is empty where there are no faults.
func (f Faults) String() string {
	var items []string
	for _, s := range settings {
		value := s.get(&f)
		if value == "" {
			continue
		}
		if s.name == outageSetting {
			for one := range strings.SplitSeq(value, "+") {
				items = append(items, s.name+"="+one)
			}
			continue
		}
		items = append(items, s.name+"="+value)
	}
	return strings.Join(items, ",")
}

// MarshalJSON gives an object with every setting of the textual form, the empty
// string for those not set. Several outages are joined by "+".
func (f Faults) MarshalJSON() ([]byte, error) {
	values := make(map[string]string, len(settings))
	for _, s := range settings {
		values[s.name] = s.get(&f)
	}
	return json.Marshal(values)
}

// UnmarshalJSON changes the settings that the object holds and leaves the others.
// Values are those of the textual form, or numbers; null and "" unset a setting.
func (f *Faults) UnmarshalJSON(data []byte) error {
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	changed := *f
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text, err := settingText(values[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("fault %q: %w", name, err))
			continue
		}
		if err := changed.set(name, text); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	*f = changed
	return nil
}

func settingText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case float64:
		return formatNumber(v), nil
	default:
		return "", errors.New("give a string or a number")
	}
}

// set changes one setting; the empty value unsets it.
func (f *Faults) set(name, value string) error {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	if i < 0 {
		names := make([]string, 0, len(settings))
		for _, s := range settings {
			names = append(names, s.name)
		}
		return fmt.Errorf("no fault is called %q: choose from %s", name, strings.Join(names, ", "))
	}
	if err := settings[i].set(f, value); err != nil {
		return fmt.Errorf("fault %q: %w", name, err)
	}
	return nil
}
