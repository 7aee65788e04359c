package checkup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Service is what is asked of Temporal; NewService has it of a client.
type Service interface {
	// Retention of the namespace. A namespace that is not there is a NamespaceNotFound or
	// a NotFound of package serviceerror.
	Retention(ctx context.Context) (time.Duration, error)
	// SearchAttributes compares those of the namespace with those that it should have.
	SearchAttributes(ctx context.Context) (visibility.Comparison, error)
	// Pollers is how many processes have asked for tasks of a queue lately.
	Pollers(ctx context.Context, queue string, kind enumspb.TaskQueueType) (int, error)
}

// TemporalCheck is what Temporal needs.
type TemporalCheck struct {
	Place    connect.Place
	Pipeline string
	Role     config.Role
	Open     func(context.Context) (Service, error)
	// Oldest is the time of the oldest checkpoint of a shard that is still read, by the
	// markers in the stage; ok is false where there is none.
	Oldest func(context.Context) (at time.Time, ok bool, err error)
	Now    func() time.Time
}

// leastRetention of the namespace lets a pipeline stand still for a weekend.
const leastRetention = 72 * time.Hour

// forgotten is the share of the retention after which a starter takes a checkpoint for
// one that Temporal may have forgotten windows behind; starter.Poller goes by the same.
const forgotten = 0.9

// Temporal looks at the service and at the namespace. It changes nothing.
func Temporal(c TemporalCheck) Check {
	return Check{Name: nameTemporal, Run: func(ctx context.Context, r *Report) {
		service, err := c.Open(ctx)
		if err != nil {
			r.fail("connection", "", err)
			r.untried("Temporal cannot be reached", "namespace", "retention", "search-attributes", "checkpoints", "starters", "workers")
			return
		}
		host, _, err := net.SplitHostPort(c.Place.Address)
		switch {
		case !c.Place.TLS && err == nil && !isLoopback(host):
			r.warn("connection", "set TEMPORAL_TLS=true, if the service speaks it", "connected to %s, without TLS", c.Place.Address)
		default:
			r.ok("connection", "connected to %s, %s", c.Place.Address, secured(c.Place))
		}
		retention, err := service.Retention(ctx)
		if err != nil {
			r.fail("namespace", remedyNamespace(c.Place, err), fmt.Errorf("namespace %q: %w", c.Place.Namespace, err))
			r.untried("the namespace cannot be read", "retention", "search-attributes", "checkpoints", "starters", "workers")
			return
		}
		r.ok("namespace", "namespace %q is there", c.Place.Namespace)
		c.retention(r, retention)
		c.attributes(ctx, service, r)
		if c.Role&config.RoleStarter != 0 {
			c.checkpoints(ctx, retention, r)
		}
		c.pollers(ctx, service, r)
	}}
}

func secured(p connect.Place) string {
	switch {
	case p.TLS && p.APIKey:
		return "by TLS with an API key"
	case p.TLS:
		return "by TLS"
	case p.APIKey:
		return "without TLS, with an API key"
	}
	return "without TLS"
}

func remedyNamespace(place connect.Place, err error) string {
	_, missing := errors.AsType[*serviceerror.NamespaceNotFound](err)
	_, notFound := errors.AsType[*serviceerror.NotFound](err)
	if missing || notFound {
		return "set TEMPORAL_NAMESPACE to one that exists, or make it: logpipe setup --create-namespace"
	}
	return "set TEMPORAL_API_KEY, or the client certificate of TEMPORAL_TLS_CLIENT_CERT_PATH, to one that namespace " + place.Namespace + " lets in"
}

func (c TemporalCheck) retention(r *Report, retention time.Duration) {
	if retention <= 0 {
		r.note("retention", "the namespace does not tell for how long it remembers windows")
		return
	}
	if retention < leastRetention {
		days := int(leastRetention / (24 * time.Hour))
		r.warn("retention", fmt.Sprintf("temporal operator namespace update --namespace %s --retention %s, or in Temporal Cloud tcld namespace retention set --namespace %s --retention-days %d",
			c.Place.Namespace, hours(leastRetention), c.Place.Namespace, days),
			"the namespace forgets windows %s after their end: starters that were away for longer report gaps; it should be %s or more", hours(retention), hours(leastRetention))
		return
	}
	r.ok("retention", "the namespace remembers windows for %s after their end", hours(retention))
}

func (c TemporalCheck) attributes(ctx context.Context, service Service, r *Report) {
	compared, err := service.SearchAttributes(ctx)
	if err != nil {
		r.fail("search-attributes", "let the caller list the search attributes of the namespace", err)
		return
	}
	fault := compared.Fault(c.Place.Namespace)
	if fault != nil {
		r.fail("search-attribute-types", "", fault)
	}
	if len(compared.Missing) > 0 {
		names := strings.Join(slices.Sorted(maps.Keys(compared.Missing)), ", ")
		r.fail("search-attributes", "logpipe setup registers them, or says who can", fmt.Errorf("namespace %q lacks %s", c.Place.Namespace, names))
	} else if fault == nil {
		r.ok("search-attributes", "all %d are there, with their types", len(visibility.Types()))
	}
}

// checkpoints compares how long ago shards were read with what Temporal remembers.
func (c TemporalCheck) checkpoints(ctx context.Context, retention time.Duration, r *Report) {
	oldest, ok, err := c.Oldest(ctx)
	switch {
	case err != nil:
		r.note("checkpoints", "their age is not known: %v", err)
		return
	case !ok:
		r.note("checkpoints", "no shard was read yet")
		return
	}
	age := max(0, c.Now().Sub(oldest)).Round(time.Second)
	switch {
	case retention <= 0:
		r.ok("checkpoints", "the shard that was read longest ago was read %s ago", age)
	case age >= time.Duration(forgotten*float64(retention)):
		r.warn("checkpoints", "start starters; they read on at the checkpoint and report a gap of the kind forgotten: docs/design.md says what can come twice then",
			"a shard was last read %s ago, and Temporal forgets windows after %s", age, hours(retention))
	case age >= retention/2:
		r.warn("checkpoints", "see to it that starters run, within the retention", "a shard was last read %s ago, and Temporal forgets windows after %s", age, hours(retention))
	default:
		r.ok("checkpoints", "the shard that was read longest ago was read %s ago", age)
	}
}

// queue is a task queue with who serves it.
type queue struct {
	name, process string
	kind          enumspb.TaskQueueType
	role          config.Role
}

func queues(pipeline string) []queue {
	const workflows, activities = enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY
	return []queue{
		{window.StarterQueue(pipeline), "starter", activities, config.RoleStarter},
		{window.ListingQueue(pipeline), "starter", activities, config.RoleStarter},
		{window.WorkerQueue(pipeline), "worker", workflows, config.RoleWorker},
		{window.WorkerQueue(pipeline), "worker", activities, config.RoleWorker},
		{window.DeliveryQueue(pipeline), "worker", activities, config.RoleWorker},
		{window.TokenQueue(pipeline), "worker", activities, config.RoleWorker},
	}
}

// pollers tells which processes run. That none does is no fault before they are started.
func (c TemporalCheck) pollers(ctx context.Context, service Service, r *Report) {
	for _, role := range []struct {
		role config.Role
		name string
	}{{config.RoleStarter, "starter"}, {config.RoleWorker, "worker"}} {
		if c.Role&role.role == 0 {
			continue
		}
		var idle []string
		most := 0
		for _, q := range queues(c.Pipeline) {
			if q.role != role.role {
				continue
			}
			n, err := service.Pollers(ctx, q.name, q.kind)
			if err != nil {
				r.note(role.name+"s", "whether one runs is not known: %v", err)
				return
			}
			if most = max(most, n); n == 0 {
				idle = append(idle, q.name)
			}
		}
		switch {
		case most == 0:
			r.note(role.name+"s", "no %s runs", role.name)
		case len(idle) > 0:
			r.warn(role.name+"s", fmt.Sprintf("look at the log of the %ss: all of them should have the same version", role.name), "nobody polls %s", strings.Join(slices.Compact(idle), ", "))
		default:
			r.ok(role.name+"s", "%ss that run: %d", role.name, most)
		}
	}
}

// hours writes a duration without zeros behind it.
func hours(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
