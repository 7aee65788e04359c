package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of processor time in /proc, on every machine that Go knows.
const ticksPerSecond = 100

// Usage is what a process takes of the machine.
type Usage struct {
	Processor time.Duration // user and system time, to 10 ms
	Resident  int64         // bytes
	Peak      int64         // bytes resident at most, since the start
}

// Usage asks the kernel of Linux, while the process runs.
func (p *Process) Usage() (Usage, error) {
	pid := p.PID()
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("memory of process %d (this needs Linux): %w", pid, err)
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("processor time of process %d (this needs Linux): %w", pid, err)
	}
	return parseUsage(string(status), string(stat))
}

// parseUsage reads /proc/PID/status and /proc/PID/stat, see proc(5).
func parseUsage(status, stat string) (u Usage, err error) {
	for name, to := range map[string]*int64{"VmRSS:": &u.Resident, "VmHWM:": &u.Peak} {
		_, rest, _ := strings.Cut(status, name)
		text, _, found := strings.Cut(strings.TrimSpace(rest), " kB")
		kilobytes, parseErr := strconv.ParseInt(text, 10, 64)
		if !found || parseErr != nil {
			return Usage{}, fmt.Errorf("no %s in the status of the process", name)
		}
		*to = kilobytes << 10
	}
	// The name of the program, in parentheses, may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const userTime, systemTime = 11, 12 // utime and stime, counted from the state
	if len(fields) <= systemTime {
		return Usage{}, fmt.Errorf("no processor time in the stat of the process")
	}
	for _, text := range []string{fields[userTime], fields[systemTime]} {
		ticks, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Usage{}, fmt.Errorf("processor time of the process: %w", err)
		}
		u.Processor += time.Duration(ticks) * time.Second / ticksPerSecond
	}
	return u, nil
}
