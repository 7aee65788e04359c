package failover

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// warmUp is how long a starter runs before it is measured, so that what its start has
	// cost is over.
	warmUp = 20 * time.Second
	// usageInterval is how often memory is looked at.
	usageInterval = time.Second
	// ticksPerSecond is the unit of processor time in /proc, on every machine that Go knows.
	ticksPerSecond = 100
)

// idle measures a starter that reads quiet shards.
func (r *run) idle(ctx context.Context) (*Idle, error) {
	p := r.members[0].Process()
	if p == nil {
		return nil, fmt.Errorf("the starter has ended")
	}
	r.say("warming up for %s, then measuring for %s", warmUp, r.options.Idle)
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	before, err := readUsage(p.PID())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	after, resident := before, before.resident
	for time.Since(began) < r.options.Idle {
		if err := pause(ctx, usageInterval); err != nil {
			return nil, err
		}
		if after, err = readUsage(p.PID()); err != nil {
			return nil, err
		}
		resident = max(resident, after.resident)
	}
	took := time.Since(began).Seconds()
	if read := r.shardsRead(); read != r.options.Shards {
		return nil, fmt.Errorf("the starter reads %d shards of %d", read, r.options.Shards)
	}
	return &Idle{
		Shards: r.options.Shards, Seconds: took, Resident: resident, Peak: max(after.peak, resident),
		CPU: (after.processor - before.processor).Seconds() / took,
	}, nil
}

// usage is what a process takes of the machine.
type usage struct {
	processor time.Duration
	resident  int64 // bytes
	peak      int64 // bytes
}

// readUsage asks the kernel of Linux.
func readUsage(pid int) (usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return usage{}, fmt.Errorf("memory of process %d (this needs Linux): %w", pid, err)
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, fmt.Errorf("processor time of process %d (this needs Linux): %w", pid, err)
	}
	return parseUsage(string(status), string(stat))
}

// parseUsage reads /proc/PID/status and /proc/PID/stat, see proc(5).
func parseUsage(status, stat string) (u usage, err error) {
	for name, to := range map[string]*int64{"VmRSS:": &u.resident, "VmHWM:": &u.peak} {
		_, rest, _ := strings.Cut(status, name)
		text, _, found := strings.Cut(strings.TrimSpace(rest), " kB")
		kilobytes, parseErr := strconv.ParseInt(text, 10, 64)
		if !found || parseErr != nil {
			return usage{}, fmt.Errorf("no %s in the status of the process", name)
		}
		*to = kilobytes << 10
	}
	// The name of the program, in parentheses, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const userTime, systemTime = 11, 12 // utime and stime, counted from the state
	if len(fields) <= systemTime {
		return usage{}, fmt.Errorf("no processor time in the stat of the process")
	}
	for _, text := range []string{fields[userTime], fields[systemTime]} {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("processor time of the process: %w", err)
		}
		u.processor += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return u, nil
}
