package checkup

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// longestOutageToPark is the shortest delivery_give_up_after that leaves an API the time
// for a repair before people have to act on each window.
const longestOutageToPark = time.Hour

// slowestTakeover is the longest heartbeat_timeout that does not delay the windows of a
// starter that died by more than people expect.
const slowestTakeover = time.Minute

// Settings reports combinations of right settings that are unwise, for a role.
func Settings(cfg config.Config, role config.Role) Check {
	return Check{Name: nameSettings, Run: func(_ context.Context, r *Report) {
		r.ok("valid", "all settings for %s are valid", role)
		if role&config.RoleWorker != 0 {
			workerSettings(cfg, r)
		}
		if strings.HasPrefix(cfg.StageURL, "file:") {
			r.warn("stage_url", "use s3:// for anything but one machine",
				"the stage is a directory: only processes of this machine see it, and it is no safer than its disk")
		}
		if cfg.StageSweepAfter == 0 {
			r.warn("stage_sweep_after", "set it to 168h, or have the bucket's lifecycle rules expire what is old",
				"nothing is swept from the stage: what crashes leave in it stays for ever")
		}
		if role&config.RoleStarter != 0 {
			if cfg.HeartbeatTimeout > slowestTakeover {
				r.warn("heartbeat_timeout", "set it to 15s, unless starters are slow", "the shards of a starter that died are read again only after %s", cfg.HeartbeatTimeout)
			}
			if cfg.OnGap == config.OnGapFail {
				r.note("on_gap", "a shard with a gap stops until somebody sends its ShardReader the signal skip-gap")
			}
		}
		if cfg.MetricsListen == "" {
			r.note("metrics_listen", "no metrics are served: it is not set")
		}
	}}
}

func workerSettings(cfg config.Config, r *Report) {
	if cfg.Redact == config.RedactOff {
		r.warn("redact", "set it to on", "redaction is off: passwords, tokens and keys in log lines are delivered as they were logged")
	}
	for _, endpoint := range []struct{ key, url string }{{"destination_url", cfg.DestinationURL}, {"token_url", cfg.TokenURL}} {
		if u, err := url.Parse(endpoint.url); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
			r.warn(endpoint.key, "use https", "%s is asked without TLS: what it is sent, secrets included, can be read on the way", u.Host)
		}
	}
	if cfg.DestinationConnectTimeout > cfg.DestinationTimeout {
		r.warn("destination_connect_timeout", "make it shorter than destination_timeout",
			"it is %s, and never over before destination_timeout, %s, is", cfg.DestinationConnectTimeout, cfg.DestinationTimeout)
	}
	if age := cfg.DeliveryGiveUpAfter; age > 0 && age < longestOutageToPark {
		r.warn("delivery_give_up_after", "set it to 0, which tries without end, or to hours",
			"an outage of the destination for %s parks every window of that time, and each then waits for logpipe redrive", age)
	}
	if cfg.DeliveryRate > 0 && float64(cfg.WorkerDeliveries) < cfg.DeliveryRate && cfg.DestinationTimeout >= time.Second {
		r.note("worker_deliveries", "one worker has %d deliveries under way at most: to get to delivery_rate, %v a second, answers have to come within %s, or there have to be more workers",
			cfg.WorkerDeliveries, cfg.DeliveryRate, time.Duration(float64(cfg.WorkerDeliveries)/cfg.DeliveryRate*float64(time.Second)).Round(time.Millisecond))
	}
	if cfg.TokenSource == config.TokenFromOthers && cfg.TokenKMSKey != "" {
		r.note("token_kms_key", "it is not used: others write the token, with the key that they choose")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Unread reports the faults of settings that could not be read. Nothing else can be
// looked at then.
func Unread(faults error) Check {
	return Check{Name: nameSettings, Run: func(_ context.Context, r *Report) {
		for line := range strings.SplitSeq(faults.Error(), "\n") {
			r.add("valid", Fail, line, "")
		}
		r.note("others", "not tried: everything else needs right settings first")
	}}
}
