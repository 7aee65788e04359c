package analytics

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		spec string
		want Faults
	}{
		{"", Faults{}},
		{" , ", Faults{}},
		{"5xx=20%,token-life=10s,outage=20s@15s,429=5%,latency=50ms,lost-answer=2%", Faults{
			ServerErrors: 0.2, TokenLife: 10 * time.Second, TooManyRequests: 0.05, Latency: 50 * time.Millisecond, LostAnswers: 0.02,
			Outages: []Outage{{For: 20 * time.Second, After: 15 * time.Second}},
		}},
		{"5xx=0.25, 5xx-status=502 ,token-5xx=1", Faults{ServerErrors: 0.25, ServerErrorStatus: 502, TokenErrors: 1}},
		{"outage=1s,outage=2s@5s:reset,outage=3s:503", Faults{Outages: []Outage{{For: time.Second}, {For: 2 * time.Second, After: 5 * time.Second, Reset: true}, {For: 3 * time.Second}}}},
		{"partial=10%,partial-refuse=1%,drip=2%,huge=3%,close=4%", Faults{Partial: 0.1, PartialRefusals: 0.01, Drips: 0.02, HugeAnswers: 0.03, ClosedAnswers: 0.04}},
		{"body-limit=256KiB", Faults{BodyLimit: 256 << 10}},
		{"body-limit=1MB,refuse=1%,refuse-match=a=b", Faults{BodyLimit: 1e6, Refusals: 0.01, RefuseMatch: "a=b"}},
		{"rate-limit=2.5/s,retry-after=3s,revoke-every=30s,jitter=20ms", Faults{RateLimit: 2.5, RetryAfter: 3 * time.Second, RevokeEvery: 30 * time.Second, Jitter: 20 * time.Millisecond}},
	}
	for _, test := range tests {
		t.Run(test.spec, func(t *testing.T) {
			t.Parallel()
			got, err := ParseFaults(test.spec)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			again, err := ParseFaults(got.String())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%q reads back as %+v, %v", got.String(), again, err)
			}
		})
	}
}

func TestParseFaultsNamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := ParseFaults("5xx=20,5xy=1,latency=fast,outage=soon,outage=1s:often,body-limit=-1,429=NaN,5xx-status=404,token-life=10ms,latency=1s,rate-limit=-1,jitter=-1s,refuse")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`fault "5xx": share 20 is not between 0 and 1: write 20% or 0.2`,
		`no fault is called "5xy": choose from 5xx, 5xx-status,`,
		`fault "latency": "fast" is no duration`,
		`fault "outage": "soon" is no outage: write 20s, 20s@15s or 20s@15s:reset`,
		`outage mode "often" is not known`,
		`fault "body-limit": "-1" is no size`,
		`fault "429": "NaN" is no share`,
		`fault "5xx-status": "404" is no server error`,
		`fault "token-life": 10ms is shorter than 1s`,
		`fault "latency" is given twice`,
		`fault "rate-limit": "-1" is no rate`,
		`fault "jitter": "-1s" is no duration`,
		`fault "refuse" needs a value`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestFaultsJSON(t *testing.T) {
	t.Parallel()
	f, err := ParseFaults("5xx=20%,latency=50ms,outage=1s,outage=2s@3s")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Faults
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("%s reads back as %+v, %v", data, back, err)
	}
	var names map[string]string
	if err := json.Unmarshal(data, &names); err != nil || len(names) != len(settings) {
		t.Errorf("%s shows %d settings of %d, %v", data, len(names), len(settings), err)
	}
	if err := json.Unmarshal([]byte(`{"5xx":0.5,"latency":null,"429":"10%"}`), &f); err != nil {
		t.Fatal(err)
	}
	if f.ServerErrors != 0.5 || f.Latency != 0 || f.TooManyRequests != 0.1 || len(f.Outages) != 2 {
		t.Errorf("a change gave %+v", f)
	}
	before := f
	if err := json.Unmarshal([]byte(`{"5xx":0.1,"latency":true}`), &f); err == nil || !reflect.DeepEqual(f, before) {
		t.Errorf("a wrong change gave %+v, %v", f, err)
	}
}

func TestFaultsAreDocumented(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		if !strings.Contains(FaultsHelp, "\n  "+s.name+"=") {
			t.Errorf("FaultsHelp does not explain %q", s.name)
		}
	}
}

func FuzzParseFaults(f *testing.F) {
	f.Add("5xx=20%,token-life=10s,outage=20s@15s:reset,outage=1s,429=5%,latency=50ms,lost-answer=2%")
	f.Add("body-limit=1MiB,refuse-match=x=y,rate-limit=1e3,5xx=1e-9")
	f.Fuzz(func(t *testing.T, spec string) {
		got, err := ParseFaults(spec)
		if err != nil {
			return
		}
		again, err := ParseFaults(got.String())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q: %+v is written %q and reads back as %+v, %v", spec, got, got.String(), again, err)
		}
	})
}
