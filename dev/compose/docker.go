package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// engine runs docker and compose on one project.
type engine struct {
	compose []string // its command line, such as docker compose
	file    string
	project string
	env     []string // of every command
	log     io.Writer
}

// container is what docker inspect tells of one, as far as it matters here.
type container struct {
	ID           string
	Name         string
	Image        string
	RestartCount int
	State        struct {
		Status   string
		Pid      int
		ExitCode int
		Health   *struct{ Status string }
	}
	Config struct {
		User   string
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		ReadonlyRootfs bool
		Privileged     bool
		CapAdd         []string
		CapDrop        []string
		SecurityOpt    []string
	}
}

func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }
func (c container) healthy() bool {
	return c.State.Status == "running" && (c.State.Health == nil || c.State.Health.Status == "healthy")
}

func (e *engine) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // docker, or what the caller names as compose
	cmd.Env = e.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, io.MultiWriter(&stderr, e.log)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, lastLines(stderr.String(), 5))
	}
	return stdout.String(), nil
}

func (e *engine) docker(ctx context.Context, args ...string) (string, error) {
	return e.run(ctx, "docker", args...)
}

// do runs a command of compose; settings are variables of this one command.
func (e *engine) do(ctx context.Context, settings []string, args ...string) error {
	line := slices.Concat(e.compose, []string{"-f", e.file, "-p", e.project}, args)
	with := *e
	with.env = slices.Concat(e.env, settings)
	_, err := with.run(ctx, line[0], line[1:]...)
	return err
}

// containers are all of some services, those too that have ended; of all services where none is named.
func (e *engine) containers(ctx context.Context, services ...string) ([]container, error) {
	ids, err := e.docker(ctx, "ps", "-aq", "--no-trunc", "--filter", "label=com.docker.compose.project="+e.project)
	if err != nil || ids == "" {
		return nil, err
	}
	text, err := e.docker(ctx, append([]string{"inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	var all []container
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("read what docker inspect prints: %w", err)
	}
	return slices.DeleteFunc(all, func(c container) bool {
		return len(services) > 0 && !slices.Contains(services, c.service())
	}), nil
}

// interval between two looks at what is waited for.
const interval = 200 * time.Millisecond

// wait looks until there is nothing left to wait for.
func wait(ctx context.Context, limit time.Duration, look func(context.Context) (waitsFor string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last := "the first look"
	for {
		waitsFor, err := look(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case err == nil && waitsFor == "":
			return nil
		case err == nil:
			last = waitsFor
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s still waiting for %s", limit, last)
		case <-ticker.C:
		}
	}
}

// waitHealthy waits until a service has so many containers that are healthy, and no other one.
func (e *engine) waitHealthy(ctx context.Context, counts map[string]int) error {
	return wait(ctx, startLimit, func(ctx context.Context) (string, error) {
		all, err := e.containers(ctx)
		if err != nil {
			return "", err
		}
		got := map[string]int{}
		for _, c := range all {
			if _, asked := counts[c.service()]; !asked {
				continue
			}
			if !c.healthy() {
				return fmt.Sprintf("%s, which is %s", strings.TrimPrefix(c.Name, "/"), c.condition()), nil
			}
			got[c.service()]++
		}
		for service, want := range counts {
			if got[service] != want {
				return fmt.Sprintf("%d containers of %s, there are %d", want, service, got[service]), nil
			}
		}
		return "", nil
	})
}

func (c container) condition() string {
	if c.State.Health != nil {
		return c.State.Status + " and " + c.State.Health.Status
	}
	return c.State.Status
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
