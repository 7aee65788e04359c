package fleet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is one process of the fleet, running or ended.
type Process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	done  chan struct{}
	err   error // of Wait; set before done is closed
	asked atomic.Bool
}

// Name tells the process from all others of the fleet, such as "starter-2.5" for the
// fifth one in the place of starter 2. AWS sees it in the User-Agent.
func (p *Process) Name() string { return p.name }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the file that the process writes its log to.
func (p *Process) Log() string { return p.log }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Outcome says how the process has ended, such as "exit status 1"; it is for after Done.
func (p *Process) Outcome() string { return p.cmd.ProcessState.String() }

// Clean reports whether the process has ended with status 0; it is for after Done.
func (p *Process) Clean() bool { return p.err == nil }

// Kill ends the process at once, as a host that goes down does.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Terminate asks the process to stop, as a deployment does.
func (p *Process) Terminate() error { return p.signal(syscall.SIGTERM) }

// Suspend stops the process in its tracks, as a host does that is starved or moved.
func (p *Process) Suspend() error { return p.signal(sigStop) }

// Resume lets a suspended process go on.
func (p *Process) Resume() error { return p.signal(sigContinue) }

// signal does nothing to a process that has ended.
func (p *Process) signal(s os.Signal) error {
	if s == nil {
		return fmt.Errorf("%s: this system cannot suspend a process", p.name)
	}
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		p.asked.Store(true)
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", s, p.name, err)
	}
	return nil
}

// end asks the process to stop and kills it if it takes longer than the time given.
func (p *Process) end(within time.Duration) error {
	if sigContinue != nil {
		_ = p.Resume() // one that is suspended cannot stop
	}
	if err := p.Terminate(); err != nil {
		return errors.Join(err, p.Kill())
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	err := p.Kill()
	<-p.done
	return errors.Join(fmt.Errorf("%s did not stop within %s and was killed, see %s", p.name, within, p.log), err)
}

// spawner starts processes from one thread that lives as long as it does. Linux ends a
// child with the thread that started it, and Go ends threads as it sees fit.
type spawner struct{ requests chan spawn }

type spawn struct {
	cmd  *exec.Cmd
	done chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawn)}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for request := range s.requests {
			request.done <- request.cmd.Start()
		}
	}()
	return s
}

// close ends the thread, and with it, on Linux, every process that still runs.
func (s *spawner) close() { close(s.requests) }

// command is what a process is made of.
type command struct {
	name   string
	args   []string // the program first
	env    map[string]string
	stdout io.Writer // beside the log
}

// start starts a process that logs into the directory.
func (s *spawner) start(dir string, c command) (*Process, error) {
	p := &Process{name: c.name, log: filepath.Join(dir, c.name+".log"), done: make(chan struct{})}
	file, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", c.name, err)
	}
	p.cmd = exec.Command(c.args[0], c.args[1:]...) //nolint:gosec,noctx // our own programs; it ends by signals, not with a context
	p.cmd.Env = make([]string, 0, len(c.env))
	for name, value := range c.env {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if c.stdout != nil {
		p.cmd.Stdout = io.MultiWriter(file, c.stdout)
	}
	p.cmd.SysProcAttr = attributes()
	request := spawn{cmd: p.cmd, done: make(chan error, 1)}
	s.requests <- request
	if err := <-request.done; err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", c.name, err), file.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = file.Close() // all that the process wrote is in it
		close(p.done)
	}()
	return p, nil
}

// longestLine of a log that is shown, in bytes.
const longestLine = 200

// lastLine returns the end of the log, for errors.
func (p *Process) lastLine() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	line := lines[len(lines)-1]
	if len(line) > longestLine {
		line = strings.ToValidUTF8(line[:longestLine], "") + "…"
	}
	return line
}
